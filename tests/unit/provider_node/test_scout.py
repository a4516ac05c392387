"""The look at the games: it waits for nothing that some game makes necessary, since all games wait for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from protocol.types import BlockNo, LeaseId, TransientError
from provider_node.defence.desk import Desk
from provider_node.defence.scout import Scout
from provider_node.defence.seen import seen_games
from tests.unit.provider_node.test_runs import Bench, World, opened
from tests.unit.provider_node.test_seen import HIDDEN, read, table_of

pytestmark = pytest.mark.trio

LEASE = LeaseId(b"a" * 32)
NONE: Any = None


@dataclass
class Finder:
    """Finds what a test has it find, once the test lets it."""

    move: Any = "move"
    ready: trio.Event = field(default_factory=trio.Event)
    asked: list[Any] = field(default_factory=list)

    def longest_ms(self, _: LeaseId) -> int:
        return 1_000

    async def of(self, *_: Any) -> str:
        return "item"

    async def find(self, kept: Any, *_: Any) -> Any:
        self.asked.append(kept)
        await self.ready.wait()
        return self.move


@asynccontextmanager
async def scouting(finder: Any, world: World) -> AsyncIterator[Scout]:
    """A scout whose errands are run."""
    scout = Scout(NONE, NONE, NONE, finder, finder, world.runs, 1, Desk())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scout.errands.run)
        yield scout
        nursery.cancel_scope.cancel()


def hidden(at: int = 100) -> tuple[Any, Any, Any]:
    """A case, a view and a step that no transaction shows."""
    case, view = Named(lease_id=LEASE, item=3), Named(game=b"g", challenger=b"c")
    word = Named(moved_at=at, mover_left=60)
    return case, view, SimpleNamespace(at=SimpleNamespace(tx=b"t", index=0), state=word)


class Named(SimpleNamespace):
    """As a record: it is what it holds."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.__dict__.items()))


async def built(bench: Bench, world: World) -> None:
    """Have the item's trace on the shelf."""
    bench.end(LEASE, 3).set()
    await world.runs.built((LEASE, 3), BlockNo(160))


async def test_a_move_that_no_transaction_shows_is_looked_for_in_a_trace_that_is_made_meanwhile(
    tmp_path: Path,
) -> None:
    """Wallet contracts can open many such games: each look only asks for what it needs."""
    bench, finder = Bench(), Finder()
    async with opened(bench, tmp_path) as world, scouting(finder, world) as scout:
        with trio.fail_after(60):
            with pytest.raises(TransientError):
                scout._find(*hidden())
            await world.until(lambda: bench.begun == [("a", 3)])
            await trio.testing.wait_all_tasks_blocked()
            assert not finder.asked
            await built(bench, world)
            finder.ready.set()
            await world.until(lambda: found(scout) is not None)
            assert found(scout) == found(scout)
        assert [each.path for each in finder.asked] == [world.runs.shelf.path((LEASE, 3))]


def found(scout: Scout, at: int = 100) -> Any:
    """What the scout knows of the hidden move, or None."""
    try:
        return scout._find(*hidden(at))
    except TransientError:
        return None


async def test_a_move_that_a_reorg_puts_into_another_block_is_looked_for_again(tmp_path: Path) -> None:
    """It has the same transaction, and led to another position: the node landed on holds the time."""
    bench, finder = Bench(), Finder()
    finder.ready.set()
    async with opened(bench, tmp_path) as world, scouting(finder, world) as scout:
        with trio.fail_after(60):
            await built(bench, world)
            await world.until(lambda: found(scout, at=100) is not None)
            await world.until(lambda: found(scout, at=101) is not None)
        assert len(finder.asked) == 2
        assert (found(scout, at=100).at, found(scout, at=101).at) == (100, 101)


async def test_what_is_not_found_is_looked_for_again_in_the_next_trace(tmp_path: Path) -> None:
    bench, finder = Bench(), Finder(move=None)
    finder.ready.set()
    async with opened(bench, tmp_path) as world, scouting(finder, world) as scout:
        with trio.fail_after(60):
            await built(bench, world)
            await world.until(lambda: found(scout) is None and len(finder.asked) > 1)
            finder.move = "move"
            await world.until(lambda: found(scout) is not None)


async def test_no_game_waits_until_the_moves_of_others_are_found(tmp_path: Path) -> None:
    """Strangers can make as many games as they like take as long as they like to be followed."""
    table = next(table for table in map(table_of, range(20)) if strange(table) is not None)
    sham = strange(table)
    games = [
        replace(game, steps=tuple(bared(step) for step in game.steps)) if game.game == sham else game
        for game in read(table)
    ]
    name = (table.case.lease_id, table.case.item)
    bench, finder = Bench(), Finder()
    async with opened(bench, tmp_path) as world, scouting(finder, world) as scout:
        with trio.fail_after(60):
            bench.end(*name).set()
            await world.runs.built(name, BlockNo(160))
            await seen_games(games, 100, 3, scout._find)
            await world.until(lambda: len(finder.asked) == 1)
            seen = await seen_games(games, 100, 3, scout._find)
        assert set(seen) == set(table.state.games) - {sham}, "the finder has not answered"


def bared(step: Any) -> Any:
    """The step as the chain shows it if a wallet contract made it."""
    return replace(step, made=None) if step.made and isinstance(step.made.move, HIDDEN) else step


def strange(table: Any) -> Any:
    """A game of the table with a move that could be hidden, if there is one."""
    return next((made.game for made in table.moves if isinstance(made.move, HIDDEN)), None)
