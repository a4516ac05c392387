"""Delivery on a real node against its Python twin: names, prices, demands, answers."""

from dataclasses import replace
from random import Random

import pytest

from protocol.chain.client import Chain
from protocol.chain.delivery import DeliveryCalls, Header
from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import TokenTerms, default_terms
from protocol.chain.errors import Revert
from protocol.chain.judges import of_tapes
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute.delivery import (
    BIG_OUTPUT,
    DemandItems,
    Kind,
    Known,
    Shape,
    Spot,
    Status,
    Wanted,
    answer,
    answer_gas,
    beyond,
    gather,
    learn,
    missing,
    next_demand,
)
from protocol.dispute.delivery.names import NO_ANSWER
from protocol.dispute.names import Job, Program
from protocol.dispute.records import Conviction
from protocol.messages import Bid
from protocol.tape import Tape
from protocol.tape.encoding import node_headers
from protocol.tape.merkle import tree
from protocol.tape.roots import leaf_count, nodes_tree
from protocol.tape.tape import TensorType
from protocol.types import ZERO_HASH, Amount, Blocks, Hash32, Verification, Wei
from tests.chain_helpers import OPERATOR, STRANGER, UNIT, make_bid, ready_client, ready_provider, sign_bid
from tests.delivered import made
from tests.dispute_rig import TERMS
from tests.strategies.tapes import random_tape

ITEMS = 5


def outputs_of(tape: Tape) -> tuple[TensorType, ...]:
    return tuple(TensorType(node.dtype, node.shape) for node in tape.nodes[-tape.outputs :])


def large_tape() -> Tape:
    """The first drawn whose outputs need answers of every kind."""
    for seed in range(1000):
        tape, _ = random_tape(Random(seed), 8)
        counts = [leaf_count(kind) for kind in outputs_of(tape)]
        if max(counts) > 64 and len(counts) > 1:
            return tape
    raise AssertionError("no tape is large enough")


class Rig:
    """A posted job with outputs made up, `garbage` behind its items, and the chains of its roles."""

    def __init__(self, localnet: Localnet, garbage: Hash32 = ZERO_HASH) -> None:
        network, sender = localnet.network, localnet.chain(0).sender
        token = TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT), coin_price=Wei(10**15))
        terms = default_terms(network, [token], longest_window_seconds=600, disputes=TERMS)
        deployed = deploy(network, sender, terms, name="delivery", judges=of_tapes(network, TERMS, [token]))
        net = replace(localnet, network=replace(network, deployments=(deployed,)))
        assert deployed.delivery is not None
        ready_provider(net)
        self.client, self.operator = ready_client(net), net.chain(OPERATOR)
        tape = large_tape()
        headers = nodes_tree(tape)
        self.shape = Shape(ITEMS, outputs_of(tape))
        self.made = made(self.shape, Random(7))
        roots = (keccak256(b"inputs"), keccak256(b"constants"), headers.root)
        first = len(tape.nodes) - tape.outputs
        self.job = Job(Program(1, 1, len(tape.nodes), tape.outputs, *roots), keccak256(b"in"), ITEMS)
        self.headers: list[Header] = [
            (header, tuple(headers.proof(first + i))) for i, header in enumerate(node_headers(tape)[first:])
        ]
        self.posted = tree(b"".join([*self.made.roots, ZERO_HASH, garbage, ZERO_HASH]))
        self.stranger = net.chain(STRANGER)
        self.bid = self._post(net)
        self.calls = DeliveryCalls(deployed.delivery)

    def _post(self, net: Localnet) -> Bid:
        kind = int(Verification.TAPE)
        bid = make_bid(net, job_hash=self.job.hash, verification=kind, challenge_window=Blocks(400))
        self.client.send(self.client.escrow.open_lease(bid, sign_bid(net, bid)))
        self.operator.send(self.operator.escrow.start(bid))
        self.operator.send(self.operator.escrow.post_result(bid.owner, bid.struct_hash(), self.posted.root))
        return bid

    def view(self, chain: Chain, function: str, *values: object) -> tuple[object, ...]:
        call = self.calls._call(function, *values)
        return self.calls.abi.results(function, chain.node.call(call))


@pytest.fixture
def rig(localnet: Localnet) -> Rig:
    return Rig(localnet)


def test_prices_and_limit_are_the_contracts(rig: Rig) -> None:
    for size in (64, 96, 128, 512, 1024, 2048, 4096):
        assert rig.view(rig.client, "answerGas", size)[0] == answer_gas(size)
    assert rig.view(rig.client, "BIG_OUTPUT")[0] == BIG_OUTPUT


def test_any_leaf_is_forced_out_and_read_back_from_the_chain(rig: Rig) -> None:
    """The contract takes what the twin demands and answers, and calldata shows it."""
    shape, lease = rig.shape, rig.bid.lease_id()
    known = Known.of_result(rig.made.root, shape.depth)
    rng, count = Random(3), 0
    for output, kind in enumerate(shape.types):
        if not leaf_count(kind):
            continue
        item, leaf = rng.randrange(ITEMS), rng.randrange(leaf_count(kind))
        while (demand := next_demand(shape, known, item, output, leaf)) is not None:
            bond = Wei(4 * answer_gas(demand.wanted.size) * 10**10)
            rig.client.send(rig.calls.demand(rig.bid, rig.job, demand, bond, headers=rig.headers))
            name = demand.wanted.demand(lease)
            status, _, _, demander = rig.view(rig.client, "demandOf", name)[0]  # type: ignore[misc]
            assert (status, demander) == (Status.ASKED, rig.client.address)
            data = answer(rig.made, demand.wanted, demand.spot)
            receipt = rig.operator.send(rig.calls.deliver(rig.bid, demand.wanted.kind, data))
            assert receipt.gas_used <= answer_gas(demand.wanted.size)
            (sent,) = rig.operator.node.transactions([receipt.tx])
            found = rig.calls.parse_answer(sent.data)
            assert found == (demand.wanted.kind, data)
            known = learn(known, demand.wanted, demand.spot, shape.depths, found[1])
            rig.client.send(rig.calls.collect(rig.bid, demand.wanted))
            assert rig.view(rig.client, "demandOf", name)[0][0] == Status.CLOSED  # type: ignore[index]
            count += 1
        assert known.leaves[item, output, leaf] == rig.made.leaf(item, output, leaf)
    assert count > 5
    assert rig.client.node.balance(rig.calls.address) == 0
    seen = rig.client.demands_of(lease)
    assert len(seen) == count
    again = Known.of_result(rig.made.root, shape.depth)
    for each in seen:
        assert (each.now.status, each.now.bond) == (Status.CLOSED, 0)
        assert each.answer is not None
        again = learn(again, each.wanted, each.spot, shape.depths, each.answer)
    assert again == known, "the chain alone tells all of it"


def test_what_is_open_is_read_with_its_clock_and_the_price_is_the_contracts(rig: Rig) -> None:
    rig.client.check()
    lease, shape = rig.bid.lease_id(), rig.shape
    demand = next_demand(shape, Known.of_result(rig.made.root, shape.depth), 0, 0, 0)
    assert demand is not None
    bond = rig.client.demand_bond(demand.wanted.size)
    rig.client.send(rig.calls.demand(rig.bid, rig.job, demand, bond, headers=rig.headers))
    (seen,) = rig.client.demands_of(lease)
    assert (seen.demand, seen.wanted, seen.spot) == (demand.wanted.demand(lease), demand.wanted, demand.spot)
    assert (seen.answer, seen.now.status, seen.now.bond) == (None, Status.ASKED, bond)
    assert seen.now.until == rig.client.clock() + rig.client.delivery_terms.demand_clock
    assert (rig.client.queue(lease).asked, rig.client.lease(lease).freezes) == (1, 1)
    with pytest.raises(Revert) as early:
        rig.client.send(rig.calls.timeout(rig.bid, demand.wanted))
    assert (early.value.name, early.value.evidence["until"]) == ("Delivery_InTime", seen.now.until)
    with pytest.raises(Revert, match="status ASKED"):
        rig.client.send(rig.calls.demand(rig.bid, rig.job, demand, bond, headers=rig.headers))


def test_a_demand_for_what_is_no_part_of_the_result_is_refused(rig: Rig) -> None:
    known = Known.of_result(keccak256(b"another"), rig.shape.depth)
    demand = next_demand(rig.shape, known, 0, 0, 0)
    assert demand is not None
    with pytest.raises(Revert) as refused:
        rig.client.send(rig.calls.demand(rig.bid, rig.job, demand, Wei(10**17), headers=rig.headers))
    assert refused.value.name == "Delivery_BadProof"


def test_the_client_hastens_what_a_stranger_demanded_and_has_its_coin_back(rig: Rig) -> None:
    shape, lease = rig.shape, rig.bid.lease_id()
    known = Known.of_result(rig.made.root, shape.depth)
    first = next_demand(shape, known, 0, 0, 0)
    assert first is not None
    known = learn(known, first.wanted, first.spot, shape.depths, answer(rig.made, first.wanted, first.spot))
    roots = [next_demand(shape, known, item, 0, 0) for item in range(2)]
    for demand in roots:
        assert demand is not None
        bond = rig.stranger.demand_bond(demand.wanted.size)
        rig.stranger.send(rig.calls.demand(rig.bid, rig.job, demand, bond, headers=rig.headers))
    second = roots[1]
    assert second is not None
    first_now, before = (each.now for each in rig.client.demands_of(lease))
    bond = rig.client.demand_bond(second.wanted.size)  # as if it had not known of the stranger
    rig.client.send(rig.calls.demand(rig.bid, rig.job, second, bond, headers=rig.headers))
    now = rig.client.demands_of(lease)[1].now
    assert (now.status, now.demander, now.bond) == (Status.ASKED, rig.stranger.address, before.bond)
    assert now.until == rig.client.clock() + rig.client.delivery_terms.demand_clock < before.until
    queue = rig.client.queue(lease)
    assert (queue.asked, queue.requested, rig.client.lease(lease).freezes) == (1, 1, 2)
    assert rig.client.node.balance(rig.calls.address) == first_now.bond + before.bond
    assert len(rig.client.demands_of(lease)) == 2, "it is one demand"
    with pytest.raises(Revert, match="status ASKED"):
        rig.client.send(rig.calls.demand(rig.bid, rig.job, second, Wei(0), headers=rig.headers))


def test_garbage_beyond_the_items_convicts_at_once_and_pays(localnet: Localnet) -> None:
    """RULES 18: what the twin finds beyond the items, the contract takes for a conviction."""
    rig = Rig(localnet, keccak256(b"garbage"))
    shape, lease = rig.shape, rig.bid.lease_id()
    root = rig.posted.root
    (first,) = missing(shape, gather(shape, root, {}))
    shown = b"".join(rig.posted.hash_at(0, index) for index in range(8))
    known = gather(shape, root, {first.wanted: shown})
    found = beyond(shape, known)
    assert {(each.spot.levels, each.spot.index) for each in found} == {(0, 6), (1, 3)}
    demand = found[0]
    bond = rig.stranger.demand_bond(demand.wanted.size)
    rig.stranger.send(rig.calls.demand(rig.bid, rig.job, demand, bond))
    (seen,) = rig.stranger.demands_of(lease)
    assert (seen.demand, seen.wanted, seen.spot) == (demand.wanted.demand(lease), demand.wanted, demand.spot)
    assert seen.now.status is Status.UNANSWERED
    assert rig.stranger.verdict(lease).how is Conviction.SILENT
    rig.stranger.send(rig.calls.collect(rig.bid, demand.wanted))
    assert rig.client.node.balance(rig.calls.address) == 0, "the bond is back"


def test_an_honest_tree_is_not_convicted_beyond_its_items(rig: Rig) -> None:
    shape = rig.shape
    for level, index in ((0, 5), (0, 7), (1, 3)):
        siblings = tuple(rig.posted.hash_at(level + up, index >> up ^ 1) for up in range(shape.depth - level))
        wanted = Wanted(Kind.ITEMS, rig.posted.hash_at(level, index), NO_ANSWER)
        demand = DemandItems(wanted, Spot(0, 0, index, level), siblings)
        with pytest.raises(Revert) as refused:
            rig.stranger.send(rig.calls.demand(rig.bid, rig.job, demand, Wei(10**16)))
        assert refused.value.name == "Delivery_NoItem"
