"""From the games of a lease, as read from the chain, to what their machines have to know.

Whoever challenges decides what these games look like. One that cannot be followed hides no other.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import trio

from protocol.chain.dispute_events import GameLost, Judged
from protocol.chain.game_steps import PlayedGame, Step
from protocol.dispute.defence_types import SeenGame
from protocol.dispute.moves import Challenge, Made, PostTrace
from protocol.dispute.names import Case
from protocol.dispute.replay import Following, Played, View
from protocol.dispute.trees import root_of
from protocol.types import ZERO_HASH, Hash32, TransientError

log = logging.getLogger(__name__)

_GWEI = 10**9

Find = Callable[[Case, View, Step], Made]
"""Returns a move that no transaction shows; `TransientError` while it is not known. Waits for nothing."""


async def seen_games(
    games: Sequence[PlayedGame], block: int, confirmations: int, find: Find
) -> dict[Hash32, SeenGame]:
    """Return every game that can be followed, as of a block of the chain."""
    judged = [event for game in games for event in game.others if isinstance(event, Judged)]
    sentence = min((event.at.block for event in judged), default=None)
    cases: defaultdict[Case, list[PlayedGame]] = defaultdict(list)
    for game in games:
        cases[game.case].append(game)
    found = {}
    for case, of_case in cases.items():
        played = await _replayed(case, of_case, find)
        for game in of_case:
            view = played.views.get(game.game) if played else None
            if played is None or view is None or not view.agrees(game.now):
                continue
            lost = next((event for event in game.others if isinstance(event, GameLost)), None)
            over = sentence if sentence is not None or lost is None else lost.at.block
            # A lost game's bond is gone; what was left of it says how much was repaid.
            word = game.now if lost is None else replace(game.now, bond=lost.forfeit // _GWEI)
            found[game.game] = SeenGame(
                view,
                word,
                played.trace_root or ZERO_HASH,
                convicted=sentence is not None,
                final=over is not None and block - over >= confirmations - 1,
            )
    return found


async def _replayed(case: Case, games: Sequence[PlayedGame], find: Find) -> Played | None:
    """A case with all its games: what one of them opened holds for all. None if no challenge can be read."""
    steps = list(_in_order(games))
    opening = (step.made.move for _, step in steps if step.made and isinstance(step.made.move, Challenge))
    first = next(opening, None)
    if first is None:
        return None
    following, broken = Following(Played(case, first.job)), set()
    for game, step in steps:
        await trio.lowlevel.checkpoint()  # shams can be many, and the daemon has other things to do
        if game in broken:
            _knowing(following, step)
            continue
        try:
            made = step.made or _unseen(following, game, step, find)
            following.take(made)
        except TransientError as error:
            broken.add(game)
            _knowing(following, step)
            log.info("game 0x%s cannot be followed yet: %s", game.hex(), error)
        except Exception as error:  # whatever a challenger made of it: the other games must be played
            broken.add(game)
            _knowing(following, step)
            log.error("game 0x%s cannot be followed: %r", game.hex(), error)
    return following.played()


def _knowing(following: Following, step: Step) -> None:
    """What a game that cannot be followed still tells all others: the root of the trace."""
    if step.made and isinstance(step.made.move, PostTrace):
        following.trace_root = root_of(step.made.move.children)


def _unseen(played: Following, game: Hash32, step: Step, find: Find) -> Made:
    if game not in played.views or step.state is None:
        raise TransientError("its opening is not read yet")
    return find(played.case, played.views[game], step)


def _in_order(games: Sequence[PlayedGame]) -> Iterator[tuple[Hash32, Step]]:
    """The moves as the chain took them, each with its game."""
    steps = ((game.game, step) for game in games for step in game.steps)
    yield from sorted(steps, key=lambda pair: (pair[1].at.block, pair[1].at.index))
