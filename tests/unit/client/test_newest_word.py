"""Where an operator is, its own newest word says: nobody else's, and no older one."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from client_sdk.bidders import Bidders
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import Registered
from protocol.types import Address
from provider_node.peers import follow_registrations
from tests.registrations import registration_of

pytestmark = pytest.mark.trio
FIRST, SECOND, ATTACKER, OPERATOR = (Address(bytes([each]) * 20) for each in (1, 2, 3, 4))
OLD, NEW = ("/ip4/192.0.2.1/tcp/1",), ("/ip4/192.0.2.2/tcp/1",)


def said(owner: Address, addrs: tuple[str, ...]) -> Registered:
    return Registered(owner, OPERATOR, registration_of(owner, OPERATOR, addrs))


def chain_with(monkeypatch: pytest.MonkeyPatch, *found: Registered) -> AsyncChain:
    monkeypatch.setattr(Chain, "registrations", lambda *_: found)
    blocking: Any = SimpleNamespace()
    return AsyncChain(blocking)


async def test_what_others_register_of_an_operator_wipes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may name a key that is not its own; nothing that the key signed is in that."""
    unsigned = Registered(ATTACKER, OPERATOR, None)
    bidders = Bidders(chain_with(monkeypatch, said(FIRST, NEW), unsigned))
    await bidders.refresh(0)
    assert bidders.registered[OPERATOR] == NEW


async def test_the_newest_word_of_an_operator_that_moved_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    bidders = Bidders(chain_with(monkeypatch, said(FIRST, OLD), said(SECOND, NEW)))
    await bidders.refresh(0)
    assert bidders.registered[OPERATOR] == NEW


async def test_a_provider_learns_the_newest_word_and_goes_back_to_no_older_one(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    chain = chain_with(monkeypatch, said(FIRST, OLD), said(SECOND, NEW), Registered(ATTACKER, OPERATOR, None))
    learned: list[tuple[Address, tuple[str, ...]]] = []
    node: Any = SimpleNamespace(address=ATTACKER, learn=lambda who, addrs: learned.append((who, addrs)))

    async def run(method: Any) -> Any:
        return method(chain.blocking)

    there: Any = SimpleNamespace(run=run)
    with trio.move_on_after(60):
        await follow_registrations(there, node)
    assert learned == [(OPERATOR, NEW)]
