"""Whom a client dials before an offer: registrations cost their gas alone, stakes cost more."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from client_sdk.bidders import Bidders
from client_sdk.offering import Collector
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import Registered
from protocol.messages import Domain
from protocol.types import Address
from tests.registrations import registration_of

pytestmark = pytest.mark.trio
Weights = dict[Address, int]


def operator_of(owner: Address) -> Address:
    return Address(b"\1" + owner[1:])


def owners(first: int, count: int) -> list[Address]:
    return [Address(each.to_bytes(20, "big")) for each in range(first, first + count)]


class FakeNode:
    """Reaches the operators of `answering`; whoever else it dials accepts and says nothing."""

    def __init__(self, answering: list[Address]) -> None:
        self.answering = {operator_of(each) for each in answering}
        self.connected: set[Address] = set()
        self.dialled: list[Address] = []

    def learn(self, address: Address, addrs: tuple[str, ...]) -> None:
        """Not of interest."""

    def is_connected(self, address: Address) -> bool:
        return address in self.connected

    def topic_peers(self, _topic: str) -> tuple[Address, ...]:
        return tuple(self.connected)

    async def connect(self, addr: str) -> Address:
        operator = Address(bytes.fromhex(addr))
        self.dialled.append(operator)
        if operator not in self.answering:
            await trio.sleep(10)
            return operator
        await trio.sleep(0.1)
        self.connected.add(operator)
        return operator


async def reach(
    monkeypatch: pytest.MonkeyPatch,
    node: FakeNode,
    registered: list[Address],
    stakes: Weights,
    *,
    late: bool = False,
) -> None:
    """Let a client reach out with these registrations, oldest first, and stakes in smallest bonds.

    `late`: the newest comes when all others have just been read.
    """
    found = [
        Registered(owner, operator_of(owner), registration_of(owner, operator_of(owner), (at,)))
        for owner in registered
        for at in [operator_of(owner).hex()]
    ]

    async def at_once(chain: AsyncChain, method: Any, *args: Any) -> Any:
        return method(chain.blocking, *args)

    monkeypatch.setattr(AsyncChain, "run", at_once)
    monkeypatch.setattr(Chain, "registrations", lambda *_: found)
    monkeypatch.setattr(Chain, "weights", lambda _, asked: {each: stakes.get(each, 0) for each in asked})
    there: Any = node
    chain: Any = SimpleNamespace()
    collector = Collector(there, Domain(1, Address(bytes(20))), Bidders(AsyncChain(chain)))
    if late:
        newest = found.pop()
        await collector.bidders.refresh()
        found.append(newest)
    await collector.reach()


async def test_a_staked_provider_is_reached_among_hundreds_that_have_no_stake(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    sybils, (honest,) = owners(1, 300), owners(1000, 1)
    node = FakeNode([honest])
    await reach(monkeypatch, node, [*sybils, honest], {honest: 1})
    assert operator_of(honest) in node.dialled[:6]
    assert node.is_connected(operator_of(honest))


async def test_neighbours_without_a_stake_are_not_enough(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    sybils, (honest,) = owners(1, 20), owners(1000, 1)
    node = FakeNode([*sybils, honest])
    node.connected = {operator_of(each) for each in sybils}
    await reach(monkeypatch, node, [*sybils, honest], {honest: 1})
    assert node.dialled == [operator_of(honest)]


async def test_others_are_dialled_while_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Also those that are silent may have a stake, and stakes may not be known."""
    silent, (honest,) = owners(1, 100), owners(1000, 1)
    node = FakeNode([honest])
    await reach(monkeypatch, node, [*silent, honest], {})
    assert node.is_connected(operator_of(honest))


async def test_one_neighbour_without_a_stake_shortens_no_search(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    (sybil,), silent, (honest,) = owners(1, 1), owners(100, 60), owners(1000, 1)
    node = FakeNode([sybil, honest])
    node.connected = {operator_of(sybil)}
    stakes = {**dict.fromkeys(silent, 10**9), honest: 1}
    await reach(monkeypatch, node, [sybil, *silent, honest], stakes)
    assert node.is_connected(operator_of(honest))


async def test_no_more_are_dialled_than_are_needed(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    everybody = owners(1, 100)
    node = FakeNode(everybody)
    await reach(monkeypatch, node, everybody, dict.fromkeys(everybody, 3))
    assert len(node.dialled) == 6


async def test_who_has_most_at_stake_is_dialled_first_more_often(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    small, (large,) = owners(1, 50), owners(1000, 1)
    first = 0
    for _ in range(20):
        node = FakeNode([*small, large])
        await reach(monkeypatch, node, [*small, large], {**dict.fromkeys(small, 1), large: 10_000})
        first += operator_of(large) in node.dialled[:6]
    assert first > 15, "by chance alone it would be two or three"


async def test_a_provider_that_came_just_after_the_last_reading_is_reached(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    (honest,) = owners(1000, 1)
    node = FakeNode([honest])
    await reach(monkeypatch, node, [honest], {honest: 1}, late=True)
    assert node.is_connected(operator_of(honest))
