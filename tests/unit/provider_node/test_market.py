"""What anybody may send ends no market."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from protocol.chain.batched import Batched
from protocol.crypto import address_of
from protocol.messages import Domain, Offer, Signed, open_signed, sign
from protocol.net.gossip.subscription import Message, Subscription
from protocol.types import Address, Amount, Hash32
from provider_node.clients import Clients, Seen
from provider_node.market import Market
from tests.strategies.provider import OFFER

pytestmark = pytest.mark.trio
KEY = b"\7" * 32
DOMAIN = Domain(1, Address(b"\1" * 20))
NOTHING: Any = None


def market(reply: Callable[[Signed[Offer]], Awaitable[str]]) -> Market:
    chain: Any = SimpleNamespace(blocking=SimpleNamespace(domain=DOMAIN))
    rules: Any = SimpleNamespace(
        house=SimpleNamespace(policy=SimpleNamespace(token=0)),
        listings=(SimpleNamespace(reserve=Amount(1)),),
    )
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
        await desk._take(sender, sign(OFFER, DOMAIN, KEY).encode(), nursery, Seen.NEW)
    assert asked == ["once"]
    assert not desk._taking
    assert "an offer could not be looked at" in caplog.text


async def test_keys_that_hold_nothing_take_no_places_from_others(autojump_clock: trio.abc.Clock) -> None:
    """Keys are free, and so are made-up clients: 20 keys, each within its rate, and a node that is slow."""
    honest = b"\1" * 32
    rich = address_of(honest)
    asked, seen = list[int](), set[bytes]()
    box = Subscription("offers", 4096, nothing)

    async def reply(offer: Signed[Offer]) -> str:
        await desk._clients.means(offer)
        if offer.signer == rich:
            seen.add(offer.digest)
        return ""

    async def read(clients: tuple[Address, ...]) -> list[Amount]:
        asked.append(len(clients))
        await trio.sleep(0.1)
        return [Amount(int(each == rich)) for each in clients]

    async def flood(key: bytes) -> None:
        for number in range(108):
            box.offer(
                Message(address_of(key), made(key, Address(number.to_bytes(4, "big") + key[:16]), number))
            )
            await trio.sleep(1 / 18)

    desk = market(reply)
    desk.node = cast(Any, SimpleNamespace(subscribe=partial(subscribed, box)))
    desk.slots = cast(Any, SimpleNamespace(settle=nothing))
    desk._clients._holdings = Batched(read, 45, 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.run)
        for key in range(20):
            nursery.start_soon(flood, bytes([9 + key]) * 32)
        await trio.sleep(1)
        for number in range(10):
            box.offer(Message(rich, made(honest, rich, number)))
            await trio.sleep(0.4)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(seen) == 10
    assert sum(asked) < 1_000, "and of the flood only a part is asked about"


async def test_who_names_contract_wallets_keeps_nobody_waiting_who_signs_for_itself() -> None:
    clients = Clients(cast(Any, SimpleNamespace(node=None)), 0, Amount(1))
    rich = address_of(KEY)

    async def read(keys: tuple[Address, ...]) -> list[Amount]:
        return [Amount(1)] * len(keys)

    clients._holdings = Batched(read, 45, 4)
    clients._asking = 16
    named = await clients.means(sign(replace(OFFER, client=Address(b"\5" * 20)), DOMAIN, b"\6" * 32))
    assert named.held == 0
    assert "too many" in named.flaw
    assert clients.seen(address_of(b"\6" * 32)) is Seen.NEW, "it was not asked about"
    assert (await clients.means(sign(replace(OFFER, client=rich), DOMAIN, KEY))).held == 1
    assert clients.seen(rich) is Seen.FUNDED


def made(key: bytes, client: Address, number: int) -> bytes:
    return sign(replace(OFFER, client=client, spec=Hash32(number.to_bytes(32, "big"))), DOMAIN, key).encode()


async def nothing() -> None:
    pass


async def subscribed(box: Subscription, *_: Any) -> Subscription:
    return box


@pytest.mark.parametrize(
    ("held", "seen"), [(0, Seen.POOR), (1, Seen.NEW), (99, Seen.NEW), (100, Seen.FUNDED)]
)
async def test_places_are_kept_for_those_that_hold_what_costs_something_to_hold(
    held: int, seen: Seen
) -> None:
    clients, holds = Clients(NOTHING, 0, Amount(100)), [100]

    async def read(keys: tuple[Address, ...]) -> list[Amount]:
        return [Amount(holds[0])] * len(keys)

    clients._holdings = Batched(read, 45, 4)
    sender = address_of(KEY)
    offer = sign(replace(OFFER, client=sender), DOMAIN, KEY)
    await clients.means(offer)
    assert clients.seen(sender) is Seen.FUNDED
    holds[0] = held  # it went on to another key
    clients._read.clear()
    await clients.means(offer)
    assert clients.seen(sender) is seen


async def test_who_has_shown_money_is_never_worse_off_than_who_is_new() -> None:
    desk, sender = market(NOTHING), address_of(KEY)
    desk._clients._remember(sender, Seen.FUNDED)
    assert desk._place(sender) is Seen.FUNDED
    desk._places[Seen.FUNDED] = 64
    assert desk._place(sender) is Seen.NEW
    desk._clients._remember(sender, Seen.POOR)
    assert desk._place(sender) is Seen.POOR


async def test_what_a_client_holds_is_believed_for_seconds(autojump_clock: trio.abc.Clock) -> None:
    """Who pays in is served soon after, and who has become poor takes no bids for long."""
    clients, holds = Clients(NOTHING, 0, Amount(100)), [0]

    async def read(keys: tuple[Address, ...]) -> list[Amount]:
        return [Amount(holds[0])] * len(keys)

    clients._holdings = Batched(read, 45, 4)
    offer = sign(replace(OFFER, client=address_of(KEY)), DOMAIN, KEY)
    for now, held in ((0, 0), (7, 0), (7, 7), (0, 7), (0, 0)):
        holds[0] = now
        assert (await clients.means(offer)).held == held
        await trio.sleep(3)


async def test_made_up_keys_make_nobody_be_forgotten_whom_it_costs_something_to_be() -> None:
    clients, rich = Clients(NOTHING, 0, Amount(1)), address_of(KEY)
    clients._remember(rich, Seen.FUNDED)
    for number in range(5_000):
        clients._remember(Address(number.to_bytes(20, "big")), Seen.POOR)
    assert clients.seen(rich) is Seen.FUNDED
    assert len(clients._seen) <= 4_096


async def test_a_key_that_has_shown_money_is_asked_about_however_many_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = Clients(cast(Any, SimpleNamespace(node=None)), 0, Amount(1))

    async def read(keys: tuple[Address, ...]) -> list[Amount]:
        return [Amount(1)] * len(keys)

    monkeypatch.setattr("provider_node.clients.signs_for", lambda *_: True)
    clients._holdings = Batched(read, 45, 4)
    clients._asking = 16
    offer = sign(replace(OFFER, client=Address(b"\5" * 20)), DOMAIN, KEY)
    assert not (await clients.means(offer)).asked
    clients._remember(address_of(KEY), Seen.FUNDED)
    assert (await clients.means(offer)).held == 1


@pytest.mark.parametrize(("seen", "dialled"), [(Seen.POOR, 1), (Seen.NEW, 1), (Seen.FUNDED, 2)])
async def test_a_name_is_looked_up_only_to_answer_who_showed_money(seen: Seen, dialled: int) -> None:
    """Offers are free, and so is a name server that says nothing."""
    addrs = "/dns4/silent.example/tcp/1", "/ip4/192.0.2.1/tcp/1"
    learnt = list[str]()

    async def request(*_: Any, **__: Any) -> bytes:
        return b""

    desk = market(NOTHING)
    desk.node = cast(
        Any,
        SimpleNamespace(
            is_connected=lambda _: False, learn=lambda _, addrs: learnt.extend(addrs), request=request
        ),
    )
    desk.rules = cast(
        Any, SimpleNamespace(identity=SimpleNamespace(owner=Address(b"\1" * 20), operator_key=KEY))
    )
    desk._clients._remember(address_of(KEY), seen)
    offer = open_signed(sign(replace(OFFER, addrs=addrs), DOMAIN, KEY).encode(), Offer, DOMAIN)
    await desk._decline(offer, "no")
    assert len(learnt) == dialled
    assert addrs[1] in learnt
