"""Performs one effect: calls its handler until it succeeds, is refused, or is no longer wanted."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import trio

from protocol.runtime.logs import about
from protocol.runtime.machine import MachineId
from protocol.runtime.retry import backoff, worst
from protocol.types import BrokenInvariant, InputError, TransientError

log = logging.getLogger(__name__)

E = TypeVar("E")

UNEXPECTED_TRIES = 5
"""How often an effect is tried that fails with an error nobody foresaw."""


@dataclass(frozen=True)
class Context:
    """What a handler knows beside the effect: whose it is, its id, and how often it was tried before."""

    machine: MachineId
    effect_id: bytes
    attempt: int


Handler = Callable[[E, Context], Awaitable[Any]]
"""Performs an effect and returns its outcome: one input for the same machine, a list of inputs, or None."""
BlockingHandler = Callable[[E, Context], Any]
"""The same as a plain function, which is called in a worker thread."""


@dataclass(frozen=True)
class Outcome:
    """How an effect ended: with these inputs, or refused for this reason."""

    inputs: tuple[Any, ...] = ()
    refusal: str | None = None


async def perform(
    effect: Any,
    machine: MachineId,
    effect_id: bytes,
    handler: Handler[Any],
    pause: Callable[[int], float] = backoff,
) -> Outcome:
    """Call `handler` until it succeeds or refuses; raises `BrokenInvariant` if it does."""
    with about(**{machine.kind: "0x" + machine.id.hex()}):
        return await _until_done(effect, Context(machine, effect_id, 0), handler, pause)


async def _until_done(
    effect: Any, context: Context, handler: Handler[Any], pause: Callable[[int], float]
) -> Outcome:
    unexpected, machine = 0, context.machine
    name = f"{type(effect).__name__} of {machine}"
    while True:
        try:
            return Outcome(_inputs(await handler(effect, context)))
        except Exception as caught:
            error = worst(caught)
            match error:
                case BrokenInvariant():
                    raise
                case InputError():
                    log.warning("%s was refused: %s", name, error)
                    return Outcome(refusal=str(error))
                case TransientError():
                    log.info("%s failed, attempt %d: %s", name, context.attempt + 1, error)
                case _:
                    # A bug that a hostile peer may have triggered must not take the other machines down.
                    unexpected += 1
                    log.exception("%s failed unexpectedly", name)
                    if unexpected == UNEXPECTED_TRIES:
                        return Outcome(refusal=f"internal error: {error!r}")
        await trio.sleep(pause(context.attempt))
        context = replace(context, attempt=context.attempt + 1)


def _inputs(outcome: Any) -> tuple[Any, ...]:
    if outcome is None:
        return ()
    return tuple(outcome) if isinstance(outcome, Sequence) else (outcome,)
