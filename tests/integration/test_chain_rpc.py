"""Several RPC URLs: failover, backoff, wrong chains, all down, and the node killed in the middle of a job."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from protocol.chain import http
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.localnet import Localnet
from protocol.chain.rpc import Rpc, RpcRefused
from protocol.chain.views import LeaseState
from protocol.types import Address, Amount, Hash32, InputError, LeaseId, TransientError
from tests.flaky_node import FlakyNode

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def flaky(localnet: Localnet) -> Iterator[FlakyNode]:
    node = FlakyNode(localnet.url)
    yield node
    node.stop()


def rpc(*urls: str, patience: float = 0.0) -> Rpc:
    return Rpc(urls, 31337, timeout=2, patience=patience)


def test_the_next_url_serves_when_the_first_is_down_and_the_first_again_after_its_rest(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    client = rpc(flaky.url, localnet.url)
    client.call("eth_blockNumber")
    assert "eth_blockNumber" in flaky.seen
    flaky.stop()
    client.call("eth_blockNumber")
    flaky.start()
    flaky.seen.clear()
    client.call("eth_blockNumber")
    assert flaky.seen == []  # it rests
    time.sleep(0.6)
    client.call("eth_blockNumber")
    assert flaky.seen == ["eth_chainId", "eth_blockNumber"]  # and proves anew which chain it serves


@pytest.mark.parametrize("status", [429, 500, 503])
def test_http_errors_count_as_down(localnet: Localnet, flaky: FlakyNode, status: int) -> None:
    flaky.status = status
    assert int(rpc(flaky.url, localnet.url).call("eth_chainId"), 16) == 31337
    with pytest.raises(TransientError, match=f"HTTP status {status}"):
        rpc(flaky.url).call("eth_chainId")


def test_a_request_that_http_calls_bad_is_refused_not_repeated(localnet: Localnet, flaky: FlakyNode) -> None:
    client = rpc(flaky.url, patience=30)
    client.call("eth_chainId")
    flaky.status = 413
    began = time.monotonic()
    with pytest.raises(RpcRefused, match="HTTP status 413"):
        client.call("eth_blockNumber")
    assert time.monotonic() - began < 5


REFUSALS = (
    {"code": -32603, "message": "internal error"},
    {"code": -32001, "message": "API key expired"},
    {"code": -32007, "message": "50/second request limit reached"},
)


@pytest.mark.parametrize("how", [*REFUSALS, 400, 413])
def test_a_first_url_that_refuses_everything_hides_no_other(
    localnet: Localnet, flaky: FlakyNode, how: int | dict[str, Any]
) -> None:
    public = replace(localnet.network, name="public", rpc_urls=(flaky.url, localnet.url))
    chain = Chain.connect(public)
    block = chain.block_number()
    if isinstance(how, int):
        flaky.status = how
    else:
        flaky.refuse = lambda _: how
    for _ in range(2):
        assert chain.block_number() == block
        assert chain.node.head(block) is not None
        assert chain.listings()
        time.sleep(0.6)  # its rest is over


def test_who_rests_is_not_asked_again_because_another_refuses(localnet: Localnet, flaky: FlakyNode) -> None:
    client = rpc(flaky.url, localnet.url)
    client.call("eth_chainId")
    flaky.status = 500
    client.call("eth_chainId")
    flaky.status, flaky.seen[:] = 200, []
    with pytest.raises(RpcRefused):
        client.call("eth_noSuchMethod")
    assert flaky.seen == []


def test_what_a_contract_says_is_asked_of_one_node(localnet: Localnet, flaky: FlakyNode) -> None:
    chain = Chain.connect(replace(localnet.network, rpc_urls=(localnet.url, flaky.url)))
    chain.clock()
    flaky.seen.clear()
    with pytest.raises(Revert):
        chain.node.call(chain.token(0).transfer(chain.deployment.escrow, Amount(1)), chain.deployment.staking)
    assert flaky.seen == []


def test_a_rate_limit_is_no_answer_but_another_error_is(localnet: Localnet, flaky: FlakyNode) -> None:
    flaky.refuse = lambda r: {"code": -32005, "message": "limit"} if r["method"] == "eth_gasPrice" else None
    rpc(flaky.url, localnet.url).call("eth_gasPrice")
    with pytest.raises(RpcRefused):
        rpc(flaky.url, localnet.url).call("eth_noSuchMethod")


def test_all_down_is_transient_and_names_every_url_without_its_key(localnet: Localnet) -> None:
    with pytest.raises(TransientError) as error:
        rpc(f"{NOBODY}/v3/secret", "http://user:secret@127.0.0.1:7/x").call("eth_chainId")
    assert "http://127.0.0.1:9: connection failed" in str(error.value)
    assert "127.0.0.1:7" in str(error.value)
    assert "secret" not in str(error.value)


def test_no_batch_is_larger_than_public_nodes_take(localnet: Localnet, flaky: FlakyNode) -> None:
    """Anybody can register: who could not read a hundred owners, or games, would be blind."""
    chain = Chain.connect(replace(localnet.network, name="another", rpc_urls=(flaky.url,)))
    call = Call(localnet.network.deployments[0].escrow, bytes.fromhex("4bf5d7e9"), "CLOCK_MODE")
    assert len(chain.node.views([call] * 250, bytes)) == 250
    unknown = [Hash32(bytes([each]) * 32) for each in range(250)]
    with pytest.raises(TransientError, match="transaction"):
        chain.node.transactions(unknown)
    assert chain.node.fate(unknown, Address(bytes(20))) == (None, 0)


def test_another_chain_is_refused_by_its_id(localnet: Localnet) -> None:
    wrong = replace(localnet.network, chain_id=5)
    with pytest.raises(InputError, match="serves chain 31337; the network is chain 5"):
        Chain.connect(wrong).clock()


def test_one_url_of_another_chain_is_passed_over_and_ends_nobody(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    """Who runs a node is trusted with nothing: it must not end a daemon whose other node pauses."""
    strange = FlakyNode(localnet.url)
    strange.chain_id = 5
    try:
        client = rpc(strange.url, flaky.url)
        assert int(client.call("eth_blockNumber"), 16) >= 0
        flaky.stop()
        with pytest.raises(TransientError, match="serves chain 5"):
            client.call("eth_blockNumber")
        flaky.start()
        client.call("eth_blockNumber")
        assert strange.seen == ["eth_chainId"] * len(strange.seen)
        with pytest.raises(InputError, match="serves chain 5; the network is chain 31337"):
            rpc(strange.url).call("eth_blockNumber")
    finally:
        strange.stop()


def test_a_node_that_was_right_and_then_serves_another_chain_ends_nobody_either(flaky: FlakyNode) -> None:
    client = rpc(flaky.url)
    client.call("eth_blockNumber")
    flaky.stop()
    with pytest.raises(TransientError, match="connection failed"):
        client.call("eth_blockNumber")
    flaky.chain_id = 5
    flaky.start()
    with pytest.raises(TransientError, match="serves chain 5"):
        client.call("eth_blockNumber")


def test_a_node_that_serves_another_chain_from_one_answer_to_the_next_is_believed_nothing(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    """Contracts of one deployer have the same addresses on every chain: a running lease would be missing."""
    chain = Chain.connect(replace(localnet.network, name="another", rpc_urls=(flaky.url,)))
    lease = LeaseId(bytes(32))
    assert chain.lease(lease).state is LeaseState.NONE
    flaky.chain_id = 5
    with pytest.raises(TransientError, match="serves chain 5"):
        chain.lease(lease)
    flaky.chain_id = 0
    assert chain.lease(lease).state is LeaseState.NONE


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc": "2.0", "id": 0, "result": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b"[" * 200_000,
        b'{"jsonrpc": "2.0", "id": 0, "result": "\xff"}',
        b"[]",
        b"7",
    ],
    ids=["nested", "nested and cut off", "no text", "a list", "a number"],
)
def test_a_node_whose_answers_cannot_be_read_is_passed_over(
    localnet: Localnet, flaky: FlakyNode, body: bytes
) -> None:
    """A library lifts Python's limit on recursion; without one, what is nested deep ends the process."""
    client = rpc(flaky.url, localnet.url)
    client.call("eth_blockNumber")
    flaky.body = body
    before = len(flaky.seen)
    assert int(client.call("eth_blockNumber"), 16) >= 0
    assert len(flaky.seen) == before
    with pytest.raises(TransientError):
        rpc(flaky.url).call("eth_chainId")


def test_an_answer_without_end_is_one_that_the_next_url_gives(
    localnet: Localnet, flaky: FlakyNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1 << 12)
    client, alone = rpc(flaky.url, localnet.url), rpc(flaky.url)
    for each in (client, alone):
        each.call("eth_blockNumber")
    flaky.body = b'{"jsonrpc": "2.0", "id": 0, "result": "0x' + b"0" * (1 << 12) + b'1"}'
    assert int(client.call("eth_blockNumber"), 16) >= 0
    with pytest.raises(RpcRefused, match="longer than"):
        alone.call("eth_getLogs", {})


def test_a_node_that_answers_null_is_passed_over(localnet: Localnet, flaky: FlakyNode) -> None:
    flaky.nothing = True
    assert int(rpc(flaky.url, localnet.url).call("eth_blockNumber"), 16) >= 0
    alone = Chain.connect(replace(localnet.network, rpc_urls=(flaky.url,)))
    alone.node.rpc.patience = 0
    for ask in (alone.clock, alone.node.base_fee, lambda: alone.balance(alone.escrow.address)):
        with pytest.raises(TransientError, match="with nothing"):
            ask()


def test_patience_bridges_a_restart(localnet: Localnet, flaky: FlakyNode) -> None:
    client = rpc(flaky.url, patience=5)
    flaky.stop()
    threading.Timer(0.5, flaky.start).start()
    assert int(client.call("eth_chainId"), 16) == 31337


def test_a_node_that_dies_while_a_transaction_is_on_its_way_delays_it_and_doubles_nothing(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    chain = Chain.connect(replace(localnet.network, rpc_urls=(flaky.url,)), localnet.keys[1])
    chain.node.rpc.patience = 0
    to = localnet.chain(5).address
    before, nonce = chain.token_balance(0, to), chain.node.nonce(chain.address, "latest")
    lost = {"code": -32005, "message": "gone"}
    flaky.refuse = lambda r: lost if r["method"] == "eth_sendRawTransaction" else None
    ticket = chain.sender.submit(chain.token(0).transfer(to, Amount(3)), effect="pay")
    flaky.stop()
    with pytest.raises(TransientError):
        chain.sender.poll(ticket)
    flaky.refuse = lambda _: None
    flaky.start()
    time.sleep(0.6)
    assert chain.send(chain.token(0).transfer(to, Amount(3)), effect="pay").gas_used > 0
    assert chain.token_balance(0, to) == before + 3
    assert chain.node.nonce(chain.address, "latest") == nonce + 1
