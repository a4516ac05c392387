"""Following events: in order, each once, over restarts, re-orgs, lagging nodes and limits on ranges."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from protocol.chain.client import Chain
from protocol.chain.event import Event
from protocol.chain.events import Deposited
from protocol.chain.localnet import Localnet
from protocol.chain.logs import Cursor, Follower
from protocol.chain.rpc import RpcRefused
from protocol.types import Amount, InputError, TransientError
from tests.chain_helpers import ready_client
from tests.flaky_node import FlakyNode


@pytest.fixture
def flaky(localnet: Localnet) -> Iterator[FlakyNode]:
    node = FlakyNode(localnet.url)
    yield node
    node.stop()


def deposit(chain: Chain, amount: int) -> None:
    chain.send(chain.escrow.deposit(0, chain.address, Amount(amount)))


def client_of(net: Localnet) -> Chain:
    chain = net.chain(1)
    chain.send(chain.token(0).approve(chain.escrow.address, Amount(1 << 255)))
    return chain


def patient(net: Localnet, confirmations: int, url: str = "") -> Chain:
    urls = (url,) if url else net.network.rpc_urls
    return Chain.connect(replace(net.network, confirmations=confirmations, rpc_urls=urls))


def amounts(events: tuple[Event, ...]) -> list[int]:
    return [event.amount for event in events if isinstance(event, Deposited)]


def drain(follower: Follower) -> list[int]:
    found: list[int] = []
    while (batch := follower.poll()) is not None:
        assert batch.rolled_back_to is None
        found += amounts(batch.events)
    return found


def test_each_event_once_in_order_over_restarts_at_any_point(localnet: Localnet) -> None:
    chain = client_of(localnet)
    follower = Follower.from_now(chain)
    stored, found = follower.cursor.encode(), list[int]()
    for amount in range(1, 13):
        deposit(chain, amount)
        if amount % 3 == 0:
            localnet.anvil.mine(amount)
        if amount % 4:
            continue
        follower.poll()  # delivered, but the process is killed before it stores what came of it
        follower = Follower(chain, Cursor.decode(stored))
        batch = follower.poll()
        assert batch is not None
        found += amounts(batch.events)
        stored = batch.cursor.encode()
    assert found == list(range(1, 13))
    assert follower.poll() is None


def test_without_a_cursor_everything_since_the_deployment_comes(localnet: Localnet) -> None:
    ready_client(localnet, credits_=77)
    assert drain(Follower(localnet.chain())) == [77]


def test_an_event_comes_when_it_has_its_confirmations_and_not_before(localnet: Localnet) -> None:
    chain, follower = client_of(localnet), Follower(patient(localnet, 4))
    drain(follower)
    deposit(chain, 5)
    localnet.anvil.mine(2)
    assert drain(follower) == []
    localnet.anvil.mine(1)
    assert drain(follower) == [5]


def test_a_reorg_within_the_confirmations_is_never_seen(localnet: Localnet) -> None:
    chain, follower = client_of(localnet), Follower(patient(localnet, 4))
    localnet.anvil.mine(4)
    drain(follower)
    deposit(chain, 5)
    localnet.anvil.mine(1)
    localnet.anvil.call("anvil_reorg", 2, [])
    localnet.anvil.mine(4)
    deposit(localnet.chain(1), 6)
    localnet.anvil.mine(3)
    assert drain(follower) == [6]


def test_a_deeper_reorg_is_said_and_the_new_chain_follows(localnet: Localnet) -> None:
    chain, follower = client_of(localnet), Follower(patient(localnet, 1))
    drain(follower)
    for amount in (1, 2, 3):
        deposit(chain, amount)
        follower.poll()
    kept = chain.block_number() - 2
    localnet.anvil.call("anvil_reorg", 2, [])
    deposit(localnet.chain(1), 9)
    batch = Follower(patient(localnet, 1), Cursor.decode(follower.cursor.encode())).poll()
    assert batch is not None
    assert batch.rolled_back_to == kept
    assert batch.events == ()
    assert drain(Follower(chain, batch.cursor)) == [9]


def test_a_reorg_below_every_mark_starts_over(localnet: Localnet) -> None:
    chain = client_of(localnet)
    deposit(chain, 1)
    follower = Follower.from_now(chain)
    localnet.anvil.call("anvil_reorg", 1, [])
    localnet.anvil.mine(1)
    batch = follower.poll()
    assert batch is not None
    assert batch.rolled_back_to == localnet.deployment.block - 1
    assert batch.cursor == Cursor()


def test_a_node_that_lags_behind_hides_no_logs(localnet: Localnet) -> None:
    chain = localnet.chain()
    chain.node.rpc.patience = 0
    with pytest.raises(TransientError, match="does not have block"):
        chain.node.logs([chain.escrow.address], 1, chain.block_number() + 5, (), len)


@pytest.mark.parametrize("code", [-32602, -32005])
def test_ranges_shrink_until_the_node_takes_them(localnet: Localnet, flaky: FlakyNode, code: int) -> None:
    chain = client_of(localnet)
    for amount in (1, 2, 3):
        deposit(chain, amount)
        localnet.anvil.mine(20)

    def at_most_seven(request: dict[str, Any]) -> dict[str, Any] | None:
        if request["method"] != "eth_getLogs":
            return None
        query = request["params"][0]
        wide = int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 7
        return {"code": code, "message": "query exceeds max block range 7"} if wide else None

    flaky.refuse = at_most_seven
    following = patient(localnet, 1, flaky.url)
    following.node.rpc.patience = 0
    assert drain(Follower(following)) == [1, 2, 3]
    no_logs = {"code": -32601, "message": "no logs here"}
    flaky.refuse = lambda r: no_logs if r["method"] == "eth_getLogs" else None
    with pytest.raises(RpcRefused):
        drain(Follower(patient(localnet, 1, flaky.url)))


def test_the_node_dies_and_comes_back_between_polls(localnet: Localnet, flaky: FlakyNode) -> None:
    chain = client_of(localnet)
    following = patient(localnet, 1, flaky.url)
    following.node.rpc.patience = 0
    follower = Follower(following)
    drain(follower)
    deposit(chain, 1)
    flaky.stop()
    for _ in range(2):
        with pytest.raises(TransientError):
            follower.poll()
    deposit(chain, 2)
    flaky.start()
    assert drain(follower) == [1, 2]


def test_a_damaged_cursor_is_said() -> None:
    with pytest.raises(InputError, match="stored chain cursor is damaged"):
        Cursor.decode('[[1, "0xzz"]]')


def test_past_events_are_read_once_and_unconfirmed_ones_again(localnet: Localnet, flaky: FlakyNode) -> None:
    chain = client_of(localnet)
    deposit(chain, 1)
    localnet.anvil.mine(10)
    reader = patient(localnet, 3, flaky.url)
    topics = (chain._topic("Deposited"),)
    assert amounts(reader.scanner.all(topics)) == [1]
    deposit(chain, 2)
    assert amounts(reader.scanner.all(topics)) == [1, 2]
    asked: list[int] = []

    def watch(request: dict[str, Any]) -> None:
        if request["method"] == "eth_getLogs":
            asked.append(int(request["params"][0]["fromBlock"], 16))

    flaky.refuse = watch
    localnet.anvil.call("anvil_reorg", 1, [])
    assert amounts(reader.scanner.all(topics)) == [1]
    assert min(asked) > 8
