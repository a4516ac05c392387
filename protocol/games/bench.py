"""Where results take turns."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import trio

from protocol.games.asking import Asked, Stopwatch
from protocol.games.precedence import Precedence
from protocol.games.turns import SHARE, Claim, Seats, Turn, next_turn, who_gives_way
from protocol.runtime.child import ChildFaultError

T = TypeVar("T")


@dataclass(eq=False)
class _Place:
    """A turn, from the wait for it to its end."""

    turn: Turn
    begun: trio.Event = field(default_factory=trio.Event)
    left: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    behind: "_Place | None" = None
    """Whose end is waited for before this one begins again."""
    heir: "_Place | None" = None
    """Who works as soon as this one has left."""


class Bench:
    """Lets claims work in the order of `protocol.games.turns`. Tell it the height: waits end by it too."""

    def __init__(self, seats: Seats) -> None:
        self._seats, self._height = seats, 0
        self._waiting: list[_Place] = []
        self._working: list[_Place] = []

    async def work(self, claim: Claim, job: Callable[[], Awaitable[T]]) -> T:
        """Return what `job` does in a turn. If that has to give way it is cancelled, and done again later."""
        had = False
        while True:
            place = _Place(Turn(claim, trio.current_time(), had))
            try:
                await self._begun(place)
                with place.scope:
                    return await job()
            finally:
                self._leave(place)
            had = had or place.turn.shares(trio.current_time()) >= 1
            if place.behind is not None:
                with trio.move_on_after(place.behind.turn.claim.window_s / SHARE):
                    await place.behind.left.wait()

    def look(self, height: int) -> None:
        """Let begin whoever has waited for long enough by now."""
        self._height = height
        self._go_on()

    async def make_room(self, claim: Claim) -> bool:
        """Have another one give way to a claim, beside which it takes too much room; wait until it has.

        It begins again when the claim is done, or has had its share. False if none has to give way; and
        whoever has had its share makes no other do so.
        """
        own = next((each for each in self._working if each.turn.claim is claim), None)
        others = {each.turn: each for each in self._working if each is not own}
        turn = Turn(claim, trio.current_time()) if own is None else own.turn
        found = None if turn.had else who_gives_way(turn, others, self._height, trio.current_time())
        if found is None:
            return False
        place = others[found]
        place.behind = own
        place.scope.cancel()
        await place.left.wait()
        return True

    async def _begun(self, place: _Place) -> None:
        self._waiting.append(place)
        self._go_on()
        await place.begun.wait()

    def _leave(self, place: _Place) -> None:
        for places in (self._waiting, self._working):
            if place in places:
                places.remove(place)
        place.left.set()
        if place.heir is not None:
            place.heir.begun.set()
        self._go_on()

    def _go_on(self) -> None:
        now = trio.current_time()
        while True:
            waiting = {each.turn: each for each in self._waiting}
            working = {each.turn: each for each in self._working}
            step = next_turn(waiting, working, self._seats, self._height, now)
            if step is None:
                return
            place = waiting[step.turn]
            place.turn = Turn(place.turn.claim, now, place.turn.had)
            self._waiting.remove(place)
            self._working.append(place)
            if step.instead is None:
                place.begun.set()
            else:
                gone = working[step.instead]
                self._working.remove(gone)
                gone.heir = place
                gone.scope.cancel()


@dataclass
class SeatedChild:
    """A child that works only in its claim's turns, and while nobody is first.

    One that has to give way is killed, and asked again.
    """

    child: Asked
    bench: Bench
    precedence: Precedence
    claim: Claim

    def __post_init__(self) -> None:
        self._watch = Stopwatch(self.child)

    @property
    def worked(self) -> float:
        """For how many seconds it has worked."""
        return self._watch.seconds

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        """As `Child.call`."""
        ask = partial(self._watch.call, op, args)
        return await self.bench.work(self.claim, partial(self.precedence.work, ask))

    def kill(self) -> None:
        """As `Child.kill`."""
        self._watch.kill()

    def blame(self, op: str, why: object) -> ChildFaultError:
        """As `Child.blame`."""
        return self.child.blame(op, why)
