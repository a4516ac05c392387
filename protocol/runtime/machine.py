"""The contract between a pure state machine and the loop that owns it.

A machine is three kinds of frozen dataclass (its states, inputs and effects) and one pure, total function
`step(state, input) -> Step`. It performs nothing: it says what is to be done, and the loop journals that
before it acts. `protocol.lease` and `protocol.auction` import nothing of this room, so any object with
`state` and `effects` serves as a step.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741 - S, I, E: state, input, effect
E = TypeVar("E")
S_co = TypeVar("S_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)


class StepLike(Protocol[S_co, E_co]):
    """What a machine's `step` returns: the state after the input, and what is now to be done."""

    @property
    def state(self) -> S_co:
        """Return the state after the input."""

    @property
    def effects(self) -> Sequence[E_co]:
        """Return the effects that the input caused, in order."""


@dataclass(frozen=True)
class Step(Generic[S, E]):
    """A plain `StepLike` for machines that do not bring their own."""

    state: S
    effects: tuple[E, ...] = ()


@runtime_checkable
class Keyed(Protocol):
    """An effect that may happen once in the life of its machine, however often it is asked for.

    `key` names what must not be doubled, e.g. b"post-result" or b"withdraw" + round. An effect without a
    key is told from others by the input that caused it.
    """

    @property
    def key(self) -> bytes:
        """Return what distinguishes this effect from others of its type in the same machine."""


@dataclass(frozen=True)
class MachineId:
    """Names one machine: its kind and, within the kind, its id (e.g. "lease" and a lease id)."""

    kind: str
    id: bytes

    def __str__(self) -> str:
        return f"{self.kind} 0x{self.id.hex()}"


def _always(_state: Any, _effect: Any) -> bool:
    return True


def _never(_state: Any) -> bool:
    return False


@dataclass(frozen=True)
class Machine(Generic[S, I, E]):
    """One kind of machine, as the loop has to know it.

    `states`, `inputs` and `effects` are the (unions of) dataclasses that the journal holds; `version` and
    `migrations` are handed to their codecs. All functions are pure:

    - `step` is total; an input illegal in this state gives a recorded `Rejected` effect, not an exception.
    - `ended` tells a state that no input will leave; the machine is compacted once its effects are done.
    - `wanted` tells whether a pending effect still makes sense in this state. One that does not is cancelled
      if it runs, and dropped: that is how a retried transaction stops when somebody else's made it needless.
    - `refused` turns an effect that ended in an `InputError` into an input; without it such an error is
      logged
      and the effect counts as done.
    """

    kind: str
    states: Any
    inputs: Any
    effects: Any
    step: Callable[[S, I], StepLike[S, E]]
    ended: Callable[[S], bool] = _never
    wanted: Callable[[S, E], bool] = _always
    refused: Callable[[E, str], I | None] | None = None
    version: int = 1
    migrations: tuple[tuple[int, Callable[[Any], Any]], ...] = ()


def effect_id(machine: MachineId, seq: int, index: int, effect: object, encoded: bytes) -> bytes:
    """Return the 32-byte id of an effect: a hash of its cause.

    The cause is the machine, the number `seq` of the input within it and the effect's position among those of
    that input; for a `Keyed` effect it is the machine, the effect's type and its key, so that asking twice
    gives the same id and the journal keeps the first.
    """
    parts = [machine.kind.encode(), machine.id, type(effect).__name__.encode()]
    if isinstance(effect, Keyed):
        parts += [b"key", effect.key]
    else:
        parts += [b"seq", seq.to_bytes(8, "big"), index.to_bytes(4, "big"), encoded]
    digest = hashlib.sha256(b"gavel-effect-1")
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()
