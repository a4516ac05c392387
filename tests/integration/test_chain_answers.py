"""What nodes answer may be wrong in any way: another URL is asked, no daemon ends, nothing is done twice."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.codec import encode_values
from protocol.chain.front import MAY_LAG_S
from protocol.chain.localnet import Localnet
from protocol.chain.networks import Network
from protocol.chain.rpc import STILL_S
from protocol.chain.sent import FileJournal
from protocol.types import Amount, TransientError
from tests.flaky_node import Answer, FlakyNode, Forge

WRONG: dict[str, Callable[[Answer], Any]] = {
    "no digits": lambda _: "0x",
    "nothing": lambda _: "",
    "a number": lambda _: 12,
    "a list": lambda _: [],
    "an object": lambda _: {},
    "words": lambda _: "busy",
    "cut": lambda given: given["result"][:21] if isinstance(given["result"], str) else {"number": "0x1"},
}
ERRORS: tuple[Any, ...] = (
    {"code": None, "message": "x"},
    {"message": "x"},
    {"code": {}, "message": "x"},
    {"code": "E", "message": 1},
    {"code": -32000, "data": {"data": 7}},
    "down",
    ["down"],
)
READS: dict[str, tuple[str, Callable[[Chain], Any]]] = {
    "clock": ("eth_call", lambda chain: chain.clock()),
    "leases": ("eth_call", lambda chain: chain.leases([chain.node.genesis()])),
    "stake": ("eth_call", lambda chain: chain.stake(chain.escrow.address, 0)),
    "holdings": ("eth_call", lambda chain: chain.holdings(0, [chain.escrow.address])),
    "audits": ("eth_call", lambda chain: chain.audits_now([(chain.node.genesis(), True)])),
    "games": ("eth_call", lambda chain: chain.games_now([chain.node.genesis()])),
    "demands": ("eth_call", lambda chain: chain.demands_now([chain.node.genesis()])),
    "block number": ("eth_blockNumber", lambda chain: chain.block_number()),
    "base fee": ("eth_getBlockByNumber", lambda chain: chain.node.base_fee()),
    "head": ("eth_getBlockByNumber", lambda chain: chain.node.head()),
    "balance": ("eth_getBalance", lambda chain: chain.balance(chain.escrow.address)),
    "nonce": ("eth_getTransactionCount", lambda chain: chain.node.nonce(chain.escrow.address, "latest")),
    "events": ("eth_getLogs", lambda chain: len(chain.leases_of())),
    "chain id": ("eth_chainId", lambda chain: chain.clock()),
}
QUANTITIES = ("eth_blockNumber", "eth_getBalance", "eth_getTransactionCount", "eth_chainId")


@pytest.fixture
def flaky(localnet: Localnet) -> Iterator[FlakyNode]:
    node = FlakyNode(localnet.url)
    yield node
    node.stop()


def public(localnet: Localnet, *urls: str) -> Network:
    """The chain as one that never begins anew and has many nodes."""
    return replace(localnet.network, name="sepolia", rpc_urls=urls)


def mine_now(localnet: Localnet) -> None:
    """Make a block of this moment: what was reverted has left the node's clock behind."""
    newest = int(localnet.anvil.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    localnet.anvil.call("evm_setNextBlockTimestamp", hex(max(int(time.time()), newest + 1)))
    localnet.anvil.mine(1)


def connected(network: Network, key: bytes | None = None, journal: Path | None = None) -> Chain:
    chain = Chain.connect(network, key, journal=None if journal is None else FileJournal(journal))
    chain.node.rpc.patience = 0
    return chain


@pytest.mark.parametrize("what", READS)
def test_an_answer_that_cannot_be_read_is_passed_over(
    localnet: Localnet, flaky: FlakyNode, what: str
) -> None:
    method, ask = READS[what]
    right = ask(connected(public(localnet, localnet.url)))
    for how, wrong in WRONG.items():
        if (how == "a list" and method == "eth_getLogs") or (how == "cut" and method in QUANTITIES):
            continue  # these are answers
        flaky.forge = Forge(method, lambda given, wrong=wrong: {**given, "result": wrong(given)})
        assert ask(connected(public(localnet, flaky.url, localnet.url))) == right, how
        with pytest.raises(TransientError, match="no RPC answers"):
            ask(connected(public(localnet, flaky.url)))


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_an_error_of_any_form_is_a_refusal(localnet: Localnet, flaky: FlakyNode, error: Any) -> None:
    def change(given: Answer) -> Answer:
        return {"jsonrpc": "2.0", "id": given["id"], "error": error}

    for method, ask in READS.values():
        flaky.forge = Forge(method, change)
        with pytest.raises(TransientError):
            ask(connected(public(localnet, flaky.url)))


@pytest.mark.parametrize("what", ["clock", "leases", "audits", "games", "demands"])
def test_what_cannot_fail_is_not_believed_to_be_reverted(
    localnet: Localnet, flaky: FlakyNode, what: str
) -> None:
    """As a contract's word it would end a daemon, though an honest URL stands behind it."""
    _, ask = READS[what]
    right = ask(connected(public(localnet, localnet.url)))
    error = {"code": 3, "message": "execution reverted", "data": "0x"}
    first, alone = (
        connected(public(localnet, flaky.url, localnet.url)),
        connected(public(localnet, flaky.url)),
    )
    flaky.forge = Forge("eth_call", lambda given: {"jsonrpc": "2.0", "id": given["id"], "error": error})
    assert ask(first) == right
    with pytest.raises(TransientError, match="of what cannot fail: execution reverted"):
        ask(alone)


def test_a_node_that_shows_fewer_leases_or_states_that_there_are_none_of_is_passed_over(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    chain = connected(public(localnet, localnet.url))
    asked = [chain.node.genesis()] * 3
    right, abi = chain.leases(asked), chain.escrow.abi
    first = connected(public(localnet, flaky.url, localnet.url))
    (views,) = abi.results(
        "leasesOf", chain.node.call(Call(chain.escrow.address, abi.call_data("leasesOf", asked), ""))
    )
    kind = abi.functions["leasesOf"].outputs
    strange = [(99, *views[0][1:]), *views[1:]]
    for lie in (views[:2], [*views, views[0]], strange, []):
        answer = "0x" + encode_values(kind, [lie]).hex()
        flaky.forge = Forge("eth_call", lambda given, answer=answer: {**given, "result": answer})
        assert first.leases(asked) == right


def test_a_node_that_lags_is_not_believed(localnet: Localnet, flaky: FlakyNode) -> None:
    """As where one URL stands for many nodes: what was paid would look unpaid to who asks the next."""
    to = localnet.chain(5).address
    chain = connected(public(localnet, flaky.url), localnet.keys[1])
    before = chain.token_balance(0, to)
    chain.send(chain.token(0).transfer(to, Amount(3)))
    reads: tuple[Callable[[], Any], ...] = (
        lambda: chain.token_balance(0, to),
        chain.block_number,
        chain.node.head,
        chain.node.base_fee,
        lambda: chain.balance(to),
        lambda: chain.node.nonce(chain.address, "latest"),
        lambda: chain.node.code(chain.escrow.address),
        lambda: chain.node.estimate_gas(chain.token(0).transfer(to, Amount(1)), chain.address, "latest"),
        lambda: chain.games_now([]),
    )
    time.sleep(MAY_LAG_S)
    flaky.lag = 1
    for read in reads[:-1]:
        with pytest.raises(TransientError, match=r"at block \d+ before"):
            read()
    assert reads[-1]() == ()
    flaky.lag = 0
    assert chain.token_balance(0, to) == before + 3
    flaky.lag = 1
    both = connected(public(localnet, flaky.url, localnet.url))
    assert both.token_balance(0, to) == before  # it has seen no more
    flaky.stop()
    assert both.token_balance(0, to) == before + 3
    flaky.start()
    time.sleep(MAY_LAG_S)
    assert both.token_balance(0, to) == before + 3
    assert flaky.seen[-1] != "eth_chainId"  # it was asked, and not believed


def test_no_nodes_first_block_makes_a_sender_forget(
    localnet: Localnet, flaky: FlakyNode, tmp_path: Path
) -> None:
    """Many nodes have dropped it; and who lies about it must not have things paid twice."""

    def hidden(given: Answer) -> Answer:
        return {**given, "result": None}

    def lied(given: Answer) -> Answer:
        return {**given, "result": {**given["result"], "hash": "0x" + "17" * 32}}

    to = localnet.chain(5).address
    before = localnet.chain().token_balance(0, to)
    journal = tmp_path / "sent.json"
    for change in (hidden, lied, dict):
        flaky.refuse = lambda asked, change=change: (
            {"code": -32000, "message": "no block 0"}
            if asked["method"] == "eth_getBlockByNumber" and asked["params"][0] == "0x0"
            else None
        )
        chain = connected(public(localnet, flaky.url), localnet.keys[1], journal)
        chain.send(chain.token(0).transfer(to, Amount(3)), effect="pay")
    assert localnet.chain().token_balance(0, to) == before + 3


def test_a_node_that_is_stuck_and_answers_gives_way_to_one_that_moves(
    localnet: Localnet, flaky: FlakyNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises no error: who asks it alone sees no game, no demand and no audit meanwhile."""
    now = time.monotonic()
    monkeypatch.setattr("protocol.chain.front.time.monotonic", lambda: now)
    monkeypatch.setattr("protocol.chain.rpc.time.monotonic", lambda: now)
    flaky.lag = 1
    chain = connected(public(localnet, flaky.url, localnet.url))
    first = chain.block_number()
    localnet.anvil.mine(4)
    mine_now(localnet)
    flaky.lag += 5
    assert chain.block_number() == first
    now += STILL_S + 1
    assert chain.block_number() == first + 6
    assert chain.standstill == ""
    now += STILL_S
    assert chain.block_number() == first + 6
    now += 3 * STILL_S
    chain.block_number()
    assert "no node has shown a new block for " in chain.standstill
    mine_now(localnet)
    now += STILL_S
    chain.block_number()
    assert chain.standstill == ""


def test_a_url_that_lies_about_its_height_is_asked_only_while_the_others_do_not_answer(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    liar = FlakyNode(localnet.url)
    liar.forge = Forge("eth_blockNumber", lambda given: {**given, "result": hex(1 << 60)})
    try:
        chain = connected(public(localnet, flaky.url, liar.url))
        first = chain.block_number()
        flaky.stop()
        assert chain.block_number() == 1 << 60
        flaky.start()
        time.sleep(MAY_LAG_S)
        chain.block_number()  # it is behind what was seen, until it moves on
        mine_now(localnet)
        time.sleep(1.1)
        assert chain.block_number() == first + 1
        liar.seen.clear()
        chain.clock()
        assert liar.seen == []
    finally:
        liar.stop()


def test_a_url_that_catches_up_is_not_believed_while_its_newest_block_is_old(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    """It moves, even faster than the chain, and is far behind: games and demands of that time are unseen."""
    chain = connected(public(localnet, localnet.url, flaky.url))
    localnet.anvil.mine(50)
    newest = chain.block_number()
    old = hex(int(time.time()) - 3600)
    flaky.forge = Forge(
        "eth_getBlockByNumber", lambda given: {**given, "result": {**given["result"], "timestamp": old}}
    )
    time.sleep(MAY_LAG_S)
    good = chain.node.rpc._endpoints[0]
    for lag in (40, 30, 20, 10):
        flaky.lag = lag
        good.until = good.rest = time.monotonic() + 60  # it answers "ask somebody else" meanwhile
        chain.node.rpc._by_health = lambda: chain.node.rpc._endpoints[1:]  # type: ignore[method-assign]
        with pytest.raises(TransientError, match="was seen before"):
            chain.block_number()
    del chain.node.rpc._by_health
    good.until = good.rest = 0
    assert chain.block_number() == newest


class Pool(FlakyNode):
    """A fresh node answers its single requests; one that catches up, with old blocks, those in a batch."""

    def _answer(self, body: bytes) -> bytes:
        kept = self.lag, self.forge
        if not isinstance(json.loads(body), list):
            self.lag, self.forge = 0, Forge("", dict)
        try:
            return super()._answer(body)
        finally:
            self.lag, self.forge = kept


def test_no_fresh_node_of_a_pool_vouches_for_one_that_catches_up(localnet: Localnet) -> None:
    pool = Pool(localnet.url)
    good = FlakyNode(localnet.url)
    localnet.anvil.mine(50)
    mine_now(localnet)
    old = hex(int(time.time()) - 3600)
    pool.forge = Forge(
        "eth_getBlockByNumber", lambda given: {**given, "result": {**given["result"], "timestamp": old}}
    )
    try:
        chain = connected(public(localnet, good.url, pool.url))
        chain.clock()
        time.sleep(MAY_LAG_S)
        good.stop()
        for pool.lag in (40, 30, 20):
            with pytest.raises(TransientError, match="was seen before"):
                chain.clock()
    finally:
        pool.stop()


def test_a_url_that_serves_and_is_late_gives_way_and_is_told_of(
    localnet: Localnet, flaky: FlakyNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("protocol.chain.rpc.time.monotonic", lambda: now)
    localnet.anvil.mine(50)
    old = hex(int(time.time()) - 3600)
    flaky.lag = 40
    flaky.forge = Forge(
        "eth_getBlockByNumber", lambda given: {**given, "result": {**given["result"], "timestamp": old}}
    )
    chain = connected(public(localnet, flaky.url, localnet.url))
    late = chain.block_number()
    for _ in range(4):
        now += STILL_S / 2 + 1  # it moves before it would be taken for stuck
        flaky.lag -= 3
        found = chain.block_number()
    assert found >= late + 40
    alone = connected(public(localnet, flaky.url))
    alone.block_number()
    now += STILL_S + 1
    alone.block_number()
    assert "36" in alone.standstill
    assert "s old by this machine's clock" in alone.standstill
