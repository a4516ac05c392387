"""What a move needs of thousands of reveals is little, is found in linear time, and gives the same move."""

import time
from random import Random

import pytest

from protocol.dispute.handing import Handing, Noting
from protocol.dispute.moves import ChallengerMove, Made, Resign, Reveal
from protocol.dispute.names import Case, Position
from protocol.dispute.picks import Accusing, next_move
from protocol.dispute.records import Phase
from protocol.dispute.replay import Following, Played, View
from protocol.dispute.shown import TRACE, Shown
from protocol.engines.worker.game_wire import read_shown, write_shown
from protocol.runtime.frames import MAX_FRAME
from protocol.types import ZERO_HASH, Address, Hash32, LeaseId
from tests.dispute_cast import cheat_in, work
from tests.dispute_play import answer_or_fall_silent, harass
from tests.dispute_table import Table, salts
from tests.strategies.long_tapes import long_tape
from tests.unit.dispute.test_games import SHAM, WATCHER, cheated

REVEALS = 6_700
LEVELS, SHOWN = 25, 5
"""Of the trees that shams have shown, and per answer."""


def flooded() -> tuple[Played, list[Made]]:
    """Shams that all wait for a reveal, each of another place, and the provider's answers."""
    rng, table = Random(5), next(found for seed in range(99) if (found := cheated(seed)))
    case, views, answers = Case(LeaseId(b"l" * 32), ZERO_HASH, 0, ZERO_HASH), {}, []
    for number in range(REVEALS):
        game = Hash32(number.to_bytes(32, "big"))
        path, chosen = divmod(number, 1 << SHOWN)
        # The last ones go on below the first ones.
        levels = LEVELS if number < REVEALS // 2 else LEVELS - 2 * SHOWN
        position = Position(ZERO_HASH)
        views[game] = View(game, SHAM, game, Phase.REVEAL, position, path, levels, SHOWN, chosen)
        children = tuple(Hash32(rng.randbytes(32)) for _ in range(1 << SHOWN))
        answers.append(
            Made(Reveal(game, ZERO_HASH, ZERO_HASH, children, ()), Address(b"o" * 20), number, game)
        )
    return Played(case, table.work.plan.job, Hash32(b"t" * 32), views), answers


@pytest.fixture(scope="module")
def followed() -> tuple[Played, list[float]]:
    """All of it, and the processor time after each answer."""
    begin, answers = flooded()
    following, times = Following(begin), [time.process_time()]
    for made in answers:
        following.take(made)
        times.append(time.process_time())
    return following.played(), times


def test_a_reveal_takes_no_longer_to_follow_after_thousands_of_others(
    followed: tuple[Played, list[float]],
) -> None:
    times = followed[1]
    first, last = times[1_000] - times[0], times[-1] - times[-1_001]
    assert last < 5 * first, (first, last)


def test_shams_with_thousands_of_reveals_do_not_fill_a_frame(followed: tuple[Played, list[float]]) -> None:
    shown = followed[0].shown
    assert len(write_shown(shown)) > MAX_FRAME, "all of it would"
    handing, asked, more, deepest = Handing(shown), 0, True, (0, 0)
    while more:
        data = write_shown(handing.part())
        assert len(data) < MAX_FRAME // 16
        noting = Noting(read_shown(data))
        deepest, asked = descended(noting.shown), asked + 1
        more = handing.give(noting.missed)
    assert deepest == descended(shown) != (LEVELS - 2 * SHOWN, 0)
    assert asked <= 6


def descended(shown: Shown) -> tuple[int, int]:
    """The first spot on a way down below which nothing was shown."""
    height, index = LEVELS - SHOWN, 0
    while all((TRACE, height - 1, 2 * index + side) in shown.hashes for side in (0, 1)):
        height, index = height - 1, 2 * index + shown.hashes[TRACE, height - 1, 2 * index][31] % 2
    return height, index


@pytest.mark.parametrize("most", [1, 1_024])
def test_a_move_is_that_of_who_knows_everything(most: int) -> None:
    """Where cheats are played after harassment, in small and in deep trees."""
    seen: dict[type, int] = {}
    for table in tables():
        for _ in range(4):
            if not table.state.sentences:
                harass(table, SHAM, 9)
        if not table.state.sentences:
            for move, asked in played(table, most):
                seen[type(move)] = max(seen.get(type(move), 0), asked)
    assert len(seen) >= 5
    assert max(seen.values()) > 1, "something had to be handed over"


def tables() -> list[Table]:
    found = [table for seed in range(12) if (table := cheated(seed))]
    rng = Random(7)
    tape, item = long_tape(rng)
    job = work(rng, tape, item)
    return [*found, Table(job, cheat_in(rng, job, len(tape.nodes) - 1), rng)]


def played(table: Table, most: int) -> list[tuple[ChallengerMove | None, int]]:
    """Play an honest challenger's game to its end; its moves, and how often each was asked for."""
    own = table.work.honest
    game = table.open(WATCHER, table.seal(own, WATCHER, salts(table.rng)))
    by, found = Accusing(table.bid, own, table.posted.output_roots), []
    while table.view(game).phase.live:
        table.wait(2)
        move, asked = handed(table, game, by, most)
        found.append((move, asked))
        assert move == next_move(table.played, table.view(game), by)
        assert not isinstance(move, Resign)
        if move is None:
            answer_or_fall_silent(table, game)
        else:
            assert table.do(move, WATCHER) is None
    return found


def handed(table: Table, game: Hash32, by: Accusing, most: int) -> tuple[ChallengerMove | None, int]:
    now, handing, asked, more, move = table.played, Handing(table.played.shown, most), 0, True, None
    while more:
        noting, asked = Noting(handing.part()), asked + 1
        partly = Played(now.case, now.job, now.trace_root, now.views, noting.shown)
        move = next_move(partly, table.view(game), by)
        more = handing.give(noting.missed)
    return move, asked
