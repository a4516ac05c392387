"""Whole disputes in the model: the honest side always wins."""

from random import Random

import pytest

from protocol.dispute.moves import Pick, PickSpan, ProveSegment, Reveal, ShowSpan
from protocol.dispute.records import Phase
from protocol.tape import Move
from protocol.types import Address
from tests.dispute_cast import cheat, cheat_in, work
from tests.dispute_play import accuse, collect_all, harass
from tests.dispute_table import Table, salts
from tests.strategies.long_tapes import long_tape
from tests.strategies.tapes import random_tape

WATCHER, SHAM = Address(b"\x77" * 20), Address(b"\x66" * 20)


def cheated(seed: int) -> Table | None:
    """A table at which a cheat posted a wrong item; None if its change had no effect."""
    rng = Random(seed)
    tape, item = random_tape(rng, rng.choice((1, 2, 5, 8, 20, 40)))
    job = work(rng, tape, item)
    forged = cheat(rng, job)
    return None if forged is None else Table(job, forged, rng)


@pytest.mark.parametrize("start", range(0, 80, 20))
def test_a_cheat_is_always_convicted(start: int) -> None:
    played = 0
    for seed in range(start, start + 20):
        table = cheated(seed)
        if table is None:
            continue
        own, salt = table.work.honest, salts(table.rng)
        for _ in range(table.rng.choice((0, 0, 1, 3))):
            if not table.state.sentences:  # after silence no game begins
                harass(table, SHAM, table.rng.randrange(8))
        if table.state.sentences:
            continue  # a random pick hit the cheat already
        game = accuse(table, own, WATCHER, salt)
        assert table.view(game).phase is Phase.WON, seed
        assert collect_all(table, own, game, WATCHER, salt) > 0
        played += 1
    assert played >= 3


@pytest.mark.parametrize("start", range(0, 40, 20))
def test_an_honest_provider_is_never_convicted(start: int) -> None:
    for seed in range(start, start + 20):
        rng = Random(seed)
        tape, item = random_tape(rng, rng.choice((1, 2, 5, 8, 20, 40)))
        job = work(rng, tape, item)
        table = Table(job, job.honest, rng)
        for _ in range(3):
            game = harass(table, SHAM, 25)
            assert not table.view(game).phase.live or not table.view(game).phase.provider_moves
        assert table.state.sentences == {}


def test_cheats_in_long_chains_and_deep_trees_are_convicted() -> None:
    rng = Random(7)
    seen: set[type] = set()
    for _ in range(3):
        tape, item = long_tape(rng)
        job = work(rng, tape, item)
        for number, node in enumerate(tape.nodes):
            if isinstance(node, Move) and node.source:
                continue  # one of many small ones
            table = Table(job, cheat_in(rng, job, number), rng)
            own, salt = job.honest, salts(rng)
            game = accuse(table, own, WATCHER, salt)
            assert table.view(game).phase is Phase.WON
            assert collect_all(table, own, game, WATCHER, salt) > 0
            seen |= {type(made.move) for made in table.moves}
    assert {ShowSpan, PickSpan, ProveSegment, Reveal, Pick} <= seen
