"""What both sides' lease machines are given alike."""

from dataclasses import dataclass

from protocol.types import BlockNo

NOT_YET = BlockNo(0)
"""A height that does not apply yet."""


@dataclass(frozen=True, slots=True)
class DidNotFetch:
    """What the other side serves is not what it offered or posted."""

    reason: str


@dataclass(frozen=True, slots=True)
class DidNotCheck:
    """The bytes are not what they are said to be: a root differs, or they cannot be read."""

    reason: str


@dataclass(frozen=True, slots=True)
class DidNotSend:
    """The chain refused a transaction for good (it would revert). `effect` names the effect's type."""

    effect: str
    reason: str


def effect_key(name: bytes, *numbers: int) -> bytes:
    """Return the key of an effect that may happen once for these numbers."""
    return name + b"".join(b":%d" % number for number in numbers)
