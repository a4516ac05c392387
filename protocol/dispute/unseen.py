"""Where a game went by a move that no transaction shows: found again in the provider's own trace.

A challenger may be a wallet contract, which need not show where it jumps or lands. A provider that could not
tell would have no answer, and be convicted by silence. But the game's word has path, levels and tag, which is
a part of the position's hash, and the provider's trace has every position that there is. Path and levels name
a jump's node; a landing's is looked up by its tag (`protocol.dispute.landings`).
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from protocol.dispute.moves import Jump, Land, LandOnOutput, Made
from protocol.dispute.records import Game
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.shown import TRACE, Shown
from protocol.dispute.trace import Trace
from protocol.types import Hash32


def unseen(played: Played, game: Hash32, state: Game, trace: Trace) -> Made | None:
    """The jump or landing that led `game` from where `played` has it to `state`.

    `trace` is the provider's. None if no move there leads to that state: then it is another's trace.
    """
    view = played.views[game]
    bare = replace(played, shown=Shown())  # what the move would show is no matter here, and costs time
    for move in chain(_jumps(played, view, state, trace), _landings(played, view, state, trace)):
        made = Made(move, view.challenger, state.moved_at, game)
        if follow(bare, made).views[game].agrees(state):
            return made
    return None


def _jumps(played: Played, view: View, state: Game, trace: Trace) -> Iterator[Jump]:
    down = view.levels - state.levels
    if down <= 0 or state.path >> down != view.path:
        return
    node = trace.hash_at(view.tree, state.levels, state.path)
    siblings = _siblings(trace, view.tree, state.levels, state.path, down)
    index = state.path & ((1 << down) - 1)
    yield Jump(played.case.id, view.seal, view.position, node, index, siblings)


def _landings(played: Played, view: View, state: Game, trace: Trace) -> Iterator[Land | LandOnOutput]:
    if view.landing is not None:
        return
    plan, case, job = trace.plan, played.case, played.job
    for node in trace.landings.nodes(state.tag, state.moved_at, view.position.operator):
        if node < plan.inner and node >> view.levels != view.path:
            continue
        proof = tuple(plan.nodes.proof(node))
        fixed = (case, view.seal, view.position, job, node, plan.headers[node], proof)
        if node < plan.inner:
            siblings = _siblings(trace, TRACE, 0, node, view.levels)
            yield Land(*fixed, trace.hash_at(TRACE, 0, node), siblings)
        else:
            yield LandOnOutput(*fixed, trace.output_roots)


def _siblings(trace: Trace, tree: int, height: int, index: int, count: int) -> tuple[Hash32, ...]:
    return tuple(trace.hash_at(tree, height + up, index >> up ^ 1) for up in range(count))
