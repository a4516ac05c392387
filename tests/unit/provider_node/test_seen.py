"""Games as read from the chain, and what machines are told of them; challengers make them as they like."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from protocol.chain.dispute_events import Challenged, GameLost, Judged
from protocol.chain.event import At, Event
from protocol.chain.game_steps import PlayedGame, Step
from protocol.dispute.moves import Jump, Land, LandOnOutput, Made
from protocol.dispute.names import Case
from protocol.dispute.replay import View
from protocol.types import Address, BlockNo, Hash32, TransientError, Wei
from provider_node.defence.seen import seen_games
from tests.dispute_cast import work
from tests.dispute_play import harass
from tests.dispute_table import Table
from tests.strategies.tapes import random_tape

pytestmark = pytest.mark.trio

WHO = (Address(b"\x66" * 20), Address(b"\x67" * 20))
HIDDEN = (Jump, Land, LandOnOutput)


def table_of(seed: int) -> Table:
    """Two games of one case, both between the first move and the last."""
    rng = Random(seed)
    tape, item = random_tape(rng, 12)
    job = work(rng, tape, item)
    table = Table(job, job.honest, rng)
    for who in WHO:
        harass(table, who, 6)
    return table


def at(index: int) -> At:
    return At(BlockNo(index), Hash32(bytes(32)), index, Hash32(index.to_bytes(32)), Address(bytes(20)))


def read(table: Table, others: Iterable[Event] = ()) -> list[PlayedGame]:
    """The table's games as the chain adapter gives them."""
    games = []
    for game, stored in table.state.games.items():
        made = [(number, each) for number, each in enumerate(table.moves) if each.game == game]
        view = table.view(game)
        begin = Challenged(
            at(made[0][0]), game, table.case.lease_id, view.challenger, 0, table.case.item_root, view.seal
        )
        steps = tuple(Step(at(number), stored.game, each) for number, each in made)
        own = tuple(event for event in others if getattr(event, "game", None) == game)
        games.append(PlayedGame(begin, table.case, steps, own, stored.game, stored.position))
    return games


def nothing(_case: Case, _view: View, _step: Step) -> Made:
    raise TransientError("not found yet")


async def test_all_games_are_seen_as_they_stand() -> None:
    for seed in range(8):
        table = table_of(seed)
        seen = await seen_games(read(table), 100, 3, nothing)
        assert set(seen) == set(table.state.games)
        for game, found in seen.items():
            assert found.view == table.view(game)
            assert found.trace_root == (table.played.trace_root or bytes(32))
            assert not found.convicted


@pytest.mark.parametrize("broken", [0, 2, 3])
async def test_a_game_that_cannot_be_followed_hides_no_other(broken: int) -> None:
    """Its opening or a later move cannot be read. That it made the trace known holds all the same."""
    tried = 0
    for seed in range(12):
        table = table_of(seed)
        bad, good = read(table)
        steps = list(bad.steps)
        if broken >= len(steps):
            continue
        tried += 1
        steps[broken] = replace(steps[broken], made=None)
        seen = await seen_games([replace(bad, steps=tuple(steps)), good], 100, 3, nothing)
        assert set(seen) == {good.game}
        assert (seen[good.game].view, seen[good.game].trace_root) == (
            table.view(good.game),
            table.played.trace_root or bytes(32),
        )
    assert tried > 3


async def test_moves_of_a_wallet_contract_are_found_in_our_own_trace() -> None:
    hidden = 0
    for seed in range(8):
        table = table_of(seed)
        states: dict[int, Step] = {}
        games = []
        for game in read(table):
            steps = []
            for step in game.steps:
                gone = step.made is not None and isinstance(step.made.move, HIDDEN)
                hidden += gone
                states[step.at.index] = step
                steps.append(replace(step, made=None) if gone else step)
            games.append(replace(game, steps=tuple(steps)))

        def find(_case: Case, _view: View, step: Step, states: dict[int, Step] = states) -> Made:
            made = states[step.at.index].made
            assert made is not None
            return made

        seen = await seen_games(games, 100, 3, find)
        assert {game: found.view for game, found in seen.items()} == {
            game: table.view(game) for game in table.state.games
        }
    assert hidden > 3


@pytest.mark.parametrize(("block", "final"), [(41, False), (42, True)])
async def test_an_end_is_final_with_its_confirmations(block: int, final: bool) -> None:
    table = table_of(1)
    first, second = table.state.games
    lost = GameLost(at(40), first, table.case.lease_id, Wei(7 * 10**9))
    seen = await seen_games(read(table, [lost]), block, 3, nothing)
    assert (seen[first].final, seen[second].final) == (final, False)
    assert seen[first].word.bond == 7, "what is left of a lost bond tells what was repaid"
    judged = Judged(at(40), second, table.case.lease_id, None)
    seen = await seen_games(read(table, [judged]), block, 3, nothing)
    assert all(each.convicted and each.final == final for each in seen.values())
