"""Moves of wallet contracts that nobody saw are found in the provider's own trace."""

from dataclasses import replace
from random import Random

from protocol.dispute.moves import Jump, Land, LandOnOutput, Made
from protocol.dispute.records import Game
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.unseen import unseen
from protocol.types import Address
from tests.dispute_cast import work
from tests.dispute_play import harass
from tests.dispute_table import Table
from tests.strategies.tapes import random_tape

SHAM = Address(b"\x66" * 20)


def word_of(view: View, made: Made) -> Game:
    """The part of the game's word that `Moved` would show after this move."""
    return Game(
        view.phase,
        moved_at=made.at,
        path=view.path,
        levels=view.levels,
        shown=view.shown,
        chosen=view.chosen,
        tag=view.tag,
    )


def test_each_jump_and_landing_is_found_from_the_games_word() -> None:
    found: dict[type, int] = {Jump: 0, Land: 0, LandOnOutput: 0}
    for seed in range(20):
        rng = Random(seed)
        tape, item = random_tape(rng, rng.choice((1, 2, 5, 8, 20, 40)))
        job = work(rng, tape, item)
        table = Table(job, job.honest, rng)
        for _ in range(2):
            harass(table, SHAM, 25)
        played = Played(table.case, job.plan.job)
        for made in table.moves:
            after = follow(played, made)
            if isinstance(made.move, Jump | Land | LandOnOutput):
                state = word_of(after.views[made.game], made)
                assert unseen(played, made.game, state, job.honest) == made
                other = replace(state, tag=state.tag ^ 1)
                assert unseen(played, made.game, other, job.honest) is None
                found[type(made.move)] += 1
            played = after
    assert all(found.values()), found
