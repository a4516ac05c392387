"""What an honest provider answers: each answer is forced by its trace, and for every pick there is one."""

from dataclasses import dataclass

from protocol.dispute.levels import shows_leaves, step
from protocol.dispute.moves import (
    Adopt,
    PostTrace,
    ProviderMove,
    Reveal,
    RevealLeaves,
    ShowRunning,
    ShowSpan,
)
from protocol.dispute.names import Case
from protocol.dispute.records import Phase
from protocol.dispute.replay import View
from protocol.dispute.shown import TRACE
from protocol.dispute.trace import Trace
from protocol.types import Address, BrokenInvariant, Hash32


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers: the owner of the lease's provider, the bid's hash, and the operator's key."""

    owner: Address
    bid_hash: Hash32
    operator: Address


def answer(case: Case, view: View, trace: Trace, by: Answering) -> ProviderMove | None:
    """The move that the game waits for, None if it waits for none of the provider's.

    A game that another key answered for, or that nobody did yet, is adopted first.
    """
    if not (view.phase.live and view.phase.provider_moves):
        return None
    if view.phase is Phase.TRACE:
        children = _below(trace, TRACE, view.levels, 0, step(False, view.levels))
        return PostTrace(by.owner, by.bid_hash, case, view.challenger, view.seal, children)
    if view.position.operator != by.operator:
        return Adopt(by.owner, by.bid_hash, case, view.challenger, view.seal, view.position)
    if view.phase is Phase.REVEAL:
        return _reveal(view, trace)
    return _running(view, trace) if view.phase is Phase.CHAIN else _span(view, trace)


def _reveal(view: View, trace: Trace) -> Reveal | RevealLeaves:
    landed = view.landing is not None
    below = view.levels - view.shown
    index = view.path << view.shown | view.chosen
    siblings = _siblings(trace, view.tree, below, index, view.shown)
    if shows_leaves(landed, below):
        leaves = b"".join(trace.node_leaf(view.tree, index << below | at) for at in range(1 << below))
        return RevealLeaves(view.game, view.position.site, view.position.left, leaves, siblings)
    children = _below(trace, view.tree, below, index, step(landed, below))
    return Reveal(view.game, view.position.site, view.position.left, children, siblings)


def _running(view: View, trace: Trace) -> ShowRunning:
    landed = view.landed
    facts = landed.facts
    running = trace.running(landed.node, view.path)
    values = trace.totals(landed.node, running, facts.per_span) if facts.spans > 1 else running
    index, _ = facts.find(view.path)
    return ShowRunning(
        view.game,
        view.position,
        landed.header,
        facts.pack(),
        trace.node_leaf(landed.node, index),
        _siblings(trace, landed.node, 0, index, view.levels),
        packed(values),
    )


def _span(view: View, trace: Trace) -> ShowSpan:
    landed, sums = view.landed, view.sums
    if sums is None:
        raise BrokenInvariant("a span was picked before totals were shown")
    first = view.chosen * landed.facts.per_span
    running = trace.running(landed.node, view.path)[first : first + landed.facts.per_span]
    return ShowSpan(
        view.game,
        view.position,
        landed.header,
        landed.facts.pack(),
        sums.claimed,
        sums.totals,
        packed(running),
    )


def packed(values: list[int]) -> bytes:
    """Running values as the contract reads them: 4 bytes each, big-endian."""
    return b"".join(value.to_bytes(4, "big") for value in values)


def _below(trace: Trace, tree: int, height: int, index: int, down: int) -> tuple[Hash32, ...]:
    """The descendants `down` levels below a node."""
    first = index << down
    return tuple(trace.hash_at(tree, height - down, first + at) for at in range(1 << down))


def _siblings(trace: Trace, tree: int, height: int, index: int, up: int) -> tuple[Hash32, ...]:
    """The siblings from a node up to the one `up` levels above it."""
    return tuple(trace.hash_at(tree, height + h, index >> h ^ 1) for h in range(up))
