"""What a validator says about a gossip message before it is forwarded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from protocol.types import Address


@dataclass(frozen=True)
class Accept:
    """Deliver the message here and forward it."""


@dataclass(frozen=True)
class Reject:
    """Drop it and blame the peer that forwarded it.

    Only for what every honest node rejects whatever it has seen of the chain (bad schema, bad
    signature, wrong length): else honest nodes with another view would be blamed.
    """

    reason: str


@dataclass(frozen=True)
class Ignore:
    """Drop it and blame nobody: stale, unknown signer, too little stake in this node's view."""

    reason: str


Verdict = Accept | Reject | Ignore

Validator = Callable[[Address, bytes], Verdict | Awaitable[Verdict]]
"""`validator(sender, payload)`; an InputError that it raises counts as Reject, anything else as Ignore."""
