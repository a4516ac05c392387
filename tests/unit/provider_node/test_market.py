"""What anybody may send ends no market."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.crypto import address_of
from protocol.messages import Domain, Offer, Signed, sign
from protocol.types import Address
from provider_node.market import Market
from tests.strategies.provider import OFFER

pytestmark = pytest.mark.trio
KEY = b"\7" * 32
DOMAIN = Domain(1, Address(b"\1" * 20))
NOTHING: Any = None


def market(reply: Callable[[Signed[Offer]], Awaitable[str]]) -> Market:
    chain: Any = SimpleNamespace(blocking=SimpleNamespace(domain=DOMAIN))
    rules: Any = SimpleNamespace(house=SimpleNamespace(policy=SimpleNamespace(token=0)))
    found = Market(chain, NOTHING, NOTHING, NOTHING, rules, NOTHING, NOTHING)
    found._reply = reply  # type: ignore[method-assign]
    return found


async def test_an_offer_that_cannot_be_looked_at_ends_no_daemon_and_frees_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Offers are free: whatever a contract that one names answers must not cost the leases."""
    sender, asked = address_of(KEY), list[str]()

    async def reply(_: Signed[Offer]) -> str:
        asked.append("once")
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "what a stranger's contract says")

    desk = market(reply)
    desk._taking[sender] += 1
    async with trio.open_nursery() as nursery:
        await desk._take(sender, sign(OFFER, DOMAIN, KEY).encode(), nursery)
    assert asked == ["once"]
    assert not desk._taking
    assert "an offer could not be looked at" in caplog.text
