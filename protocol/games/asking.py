"""Asks a worker's child. One whose answer makes no sense is broken: that costs the try, not the daemon."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec
import trio

from protocol.engines.worker.interface import from_wire, to_wire
from protocol.runtime.child import ChildFaultError
from protocol.types import BrokenInvariant, Hash32, TransientError

T = TypeVar("T")


class Asked(Protocol):
    """What is asked: a `Child`, or whatever lets one work."""

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        """As `Child.call`."""

    def blame(self, op: str, why: object) -> ChildFaultError:
        """As `Child.blame`."""

    def kill(self) -> None:
        """As `Child.kill`."""


@dataclass
class Stopwatch:
    """Adds up for how many seconds a child works: what whoever asks it does meanwhile does not count."""

    child: Asked
    seconds: float = 0.0

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        """As `Child.call`."""
        began = trio.current_time()
        try:
            return await self.child.call(op, args)
        finally:
            self.seconds += trio.current_time() - began

    def blame(self, op: str, why: object) -> ChildFaultError:
        """As `Child.blame`."""
        return self.child.blame(op, why)

    def kill(self) -> None:
        """As `Child.kill`."""
        self.child.kill()


async def ask(child: Asked, args: Any, kind: type[T]) -> T:
    """Return the child's reply to an argument record. `ChildFaultError` if it is none of that kind.

    Raises what `Child.call` raises as well.
    """
    reply = await child.call(args.OP, to_wire(args))
    with reading(child, args.OP):
        return from_wire(reply, kind)


async def ask_within(child: Asked, args: Any, kind: type[T], seconds: float) -> T:
    """As `ask`. A child that has not answered after so many seconds is killed, with `TransientError`.

    Its own limit ends it between two nodes alone: one that hangs would be waited for without an end.
    """
    with trio.move_on_after(seconds):
        return await ask(child, args, kind)
    raise TransientError(f"the worker has not answered to {args.OP} in {seconds:g} s, and was ended")


def patience_for(took: float) -> float:
    """Return how many seconds to wait for what took so long before: a busy machine is no broken one."""
    return _SLOWER * took + _LEAST_S


_SLOWER = 4
_LEAST_S = 60.0


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
