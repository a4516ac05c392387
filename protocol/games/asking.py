"""Asks a worker's child. One whose answer makes no sense is broken: that costs the try, not the daemon."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import msgspec

from protocol.engines.worker.interface import from_wire, to_wire
from protocol.runtime.child import ChildFaultError
from protocol.types import BrokenInvariant, Hash32

T = TypeVar("T")


class Asked(Protocol):
    """What is asked: a `Child`, or whatever lets one work."""

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        """As `Child.call`."""

    def blame(self, op: str, why: object) -> ChildFaultError:
        """As `Child.blame`."""


async def ask(child: Asked, args: Any, kind: type[T]) -> T:
    """Return the child's reply to an argument record. `ChildFaultError` if it is none of that kind.

    Raises what `Child.call` raises as well.
    """
    reply = await child.call(args.OP, to_wire(args))
    with reading(child, args.OP):
        return from_wire(reply, kind)


@contextmanager
def reading(child: Asked, op: str) -> Iterator[None]:
    """Read in this block what the child sent: what makes no sense is a `ChildFaultError`, and ends it."""
    try:
        yield
    except (BrokenInvariant, msgspec.ValidationError, ValueError) as fault:
        raise child.blame(op, fault) from fault


def hash32(data: bytes) -> Hash32:
    """Return what is a hash by its length; `BrokenInvariant` for anything else."""
    if len(data) != 32:
        raise BrokenInvariant(f"a hash of {len(data)} bytes")
    return Hash32(data)
