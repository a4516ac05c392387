"""A trace waits for its turn, and for nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from protocol.dispute.defence_types import Defence
from protocol.dispute.records import Game, Phase
from protocol.lease.provider_types import ChainLease, Stage
from protocol.runtime.machine import MachineId
from protocol.types import BlockNo, Blocks, LeaseId
from provider_node.defence.answering import Answering
from provider_node.defence.pacing import turn_of
from tests.strategies.provider import fresh
from tests.unit.dispute.test_defence import FRESH, seen

MOVE = Blocks(30)
LEASE = ChainLease(Stage.POSTED, started_at=50, posted_at=90)
"""Allowances add 240 blocks at most."""


def game(item: int, opened: int, phase: Phase = Phase.TRACE, allowances: int = 1) -> Defence:
    """A game whose clock has so many allowances of six blocks."""
    left = MOVE + 6 * allowances
    word = Game(phase, opened, opened, left, left)
    shown = replace(seen(phase), word=word)
    return replace(FRESH, case=replace(FRESH.case, item=item), seen=shown)


def test_each_trace_of_a_lease_follows_the_one_before_by_an_allowance() -> None:
    first, second, third = game(1, 100), game(2, 103, allowances=2), game(3, 104, allowances=3)
    every = [third, second, first]
    assert [turn_of(each, every, LEASE, MOVE) for each in (first, second, third)] == [100, 106, 112]
    other = replace(first, case=replace(first.case, lease_id=LeaseId(bytes(32))))
    assert turn_of(second, [other, second], LEASE, MOVE) == 103, "that is of another lease"


def test_games_that_are_over_are_remembered() -> None:
    """Else who gives a game up after its trace would have the next one at the price of a first."""
    over, again = game(1, 100, Phase.LOST), game(2, 101)
    assert turn_of(again, [over, again], LEASE, MOVE) == 106
    assert turn_of(game(2, 105), [over, game(2, 105)], LEASE, MOVE) == 106
    assert turn_of(game(2, 120), [over, game(2, 120)], LEASE, MOVE) == 120


def test_a_whole_move_clock_is_left_whatever_went_before() -> None:
    many = [game(item, 100, Phase.PICK) for item in range(9)]
    late = game(9, 101, allowances=2)
    assert turn_of(late, [*many, late], LEASE, MOVE) == 101 + 12


@dataclass
class Here:
    """A chain that makes a block whenever it is looked at, and a journal of one lease and its games."""

    games: list[Defence]
    blocks: Iterator[int]
    poll_s: float = 0.0

    @property
    def height(self) -> BlockNo:
        return BlockNo(next(self.blocks))

    def states(self, _: str) -> dict[bytes, Defence]:
        return {bytes([n]): each for n, each in enumerate(self.games)}

    def state(self, _: MachineId) -> object:
        return replace(fresh(), chain=LEASE)


@pytest.mark.trio
async def test_an_answer_waits_for_its_turn() -> None:
    first, second = game(1, 100), game(2, 103, allowances=2)
    here: Any = Here([first, second], iter(range(103, 200)))
    answering = Answering(here, here, here, here, here, here, here, here, here, MOVE)
    await answering._turn(second)
    assert next(here.blocks) == 107, "the first look at block 106 or later is the last"
    await answering._turn(first)
    assert next(here.blocks) <= 110, "its turn is over"
