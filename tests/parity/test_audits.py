"""Audits on a real node against their Python twin: fees, commitments, and the pure judge at play."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from protocol.chain.audit_events import Revealed
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import TokenTerms, default_terms
from protocol.chain.errors import Revert
from protocol.chain.events import topic_of
from protocol.chain.judges import of_tapes
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.crypto import cut_keccak256, keccak256
from protocol.dispute import moves
from protocol.dispute.audits import (
    Abstain,
    Answer,
    Challenge,
    Close,
    Commit,
    Draw,
    Finish,
    Move,
    Opening,
    Redraw,
    Reveal,
    Roots,
    RunItem,
    Sight,
    Stage,
    TakeReward,
    auditor_move,
    bound,
    commitment,
    fee_of,
    payer_move,
    provider_move,
    span_of,
)
from protocol.dispute.calls import values_of
from protocol.dispute.delivery import PostedItem
from protocol.dispute.names import Case, Job, Program
from protocol.dispute.records import Conviction
from protocol.games.audit_sight import is_public, read_sight, revealed_items
from protocol.messages import Bid
from protocol.tape.roots import item_root_of, items_tree
from protocol.types import ZERO_HASH, Address, Amount, BlockNo, Blocks, Verification, Wei
from tests.chain_helpers import OPERATOR, OWNER, UNIT, make_bid, ready_client, ready_provider, sign_bid
from tests.dispute_rig import TERMS

ITEMS = 5
AUDITORS = (5, 6, 7)
SALT = keccak256(b"salt")
WINDOW = Blocks(400)
_HEAD = 13
"""Words of a provider's opening before its arrays."""


@dataclass
class Player:
    """An auditor, or the provider: what it sees, what its run came to, and how it sends."""

    chain: Chain
    run: Callable[[int], Roots]
    own: Roots | None = None
    playing: bool = False


class Puppet:
    """A contract that calls what the end of its calldata says; what stands before is its owner's choice."""

    address = Address(b"\xaa" * 20)
    # Last word: the inner call's length; the word before it: whom it calls; before these the call itself.
    code = "36602090033580604001360381906000376000600082600060006040360335" + "5af1602957600060" + "00fd5b00"

    def __init__(self, localnet: Localnet) -> None:
        self.owner = localnet.chain(8)
        localnet.anvil.call("anvil_setCode", "0x" + self.address.hex(), "0x" + self.code)

    def send(self, inner: Call, front: bytes = b"") -> None:
        assert inner.to is not None
        tail = inner.data + bytes(12) + inner.to + len(inner.data).to_bytes(32)
        self.owner.send(Call(self.address, front + tail, "puppet"))


class Rig:
    """A posted job, the client's audit of it, enrolled auditors and the provider."""

    def __init__(
        self, localnet: Localnet, auditors: tuple[int, ...] = AUDITORS, puppet: Puppet | None = None
    ) -> None:
        network, sender = localnet.network, localnet.chain(0).sender
        token = TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT), coin_price=Wei(10**15))
        terms = default_terms(network, [token], longest_window_seconds=600, disputes=TERMS)
        made = deploy(network, sender, terms, name="audits", judges=of_tapes(network, TERMS, [token]))
        assert made.audits is not None
        self.net = net = replace(localnet, network=replace(network, deployments=(made,)))
        ready_provider(net)
        self.client = ready_client(net)
        self.client.send(self.client.token(0).approve(made.audits, Amount(100 * UNIT)))
        self.auditors = {n: Player(net.chain(n), self.true_roots) for n in auditors}
        for each in self.auditors.values():
            stake = each.chain.audit_prices.stake
            each.chain.send(each.chain.token(0).approve(made.audits, stake))
            each.chain.send(each.chain.audits.enrol())
        if puppet is not None:
            token, stake = self.client.token(0), self.client.audit_prices.stake
            self.client.send(token.transfer(puppet.address, Amount(stake)))
            puppet.send(token.approve(made.audits, Amount(stake)))
            puppet.send(self.client.audits.enrol())
        net.anvil.mine(60)  # longer than the start deadline
        self.provider = Player(net.chain(OPERATOR), self.true_roots)
        self.traces = [cut_keccak256(b"trace %d" % item) for item in range(ITEMS)]
        self.outputs = [keccak256(b"output %d" % item) for item in range(ITEMS)]
        self.tree = items_tree([item_root_of([output]) for output in self.outputs])
        roots = tuple(keccak256(name) for name in (b"inputs", b"constants", b"nodes"))
        # One inner node: a game's trace is one root.
        self.job = Job(Program(1, 0, 2, 1, *roots), keccak256(b"in"), ITEMS)
        self.bid = self._post()
        self.lease = self.bid.lease_id()

    def true_roots(self, item: int) -> Roots:
        return Roots(self.traces[item], self.tree.hash_at(0, item))

    def _post(self) -> Bid:
        kind = int(Verification.TAPE)
        bid = make_bid(self.net, job_hash=self.job.hash, verification=kind, challenge_window=WINDOW)
        operator = self.provider.chain
        self.client.send(self.client.escrow.open_lease(bid, sign_bid(self.net, bid)))
        operator.send(operator.escrow.start(bid))
        operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), self.tree.root))
        return bid

    @property
    def shown(self) -> Roots | None:
        """What the provider revealed, as the chain tells."""
        topic = topic_of(self.client.audits.abi, "Revealed")
        for event in self.client.scanner.all((topic, self.lease)):
            if isinstance(event, Revealed) and event.by == self.bid.owner:
                return Roots(event.trace_root, event.item_root)
        return None

    def sight(self, player: Player) -> Sight:
        chain, shown = player.chain, self.shown
        lease, verdict = chain.lease(self.lease), chain.verdict(self.lease)
        audit = chain.audit(self.lease, True)
        case = Case(self.lease, self.job.hash, audit.item, shown.item if shown else ZERO_HASH)
        return Sight(
            audit=audit,
            tasks=chain.audit_tasks(self.lease, True),
            clocks=chain.audit_clocks,
            now=chain.clock(),
            block=chain.draw_height(),
            window_end=BlockNo(lease.last_beat + WINDOW),
            holds=lease.freezes,
            own=player.own,
            public=self.is_public(player, audit.item),
            shown=shown,
            game_trace=chain.trace_root(case),
            playing=player.playing,
            convicted=verdict.how is not Conviction.NONE or lease.state is LeaseState.CONVICTED,
            settled=verdict.settled,
        )

    def is_public(self, player: Player, item: int) -> bool:
        return player.own is not None and is_public(player.chain, self.lease, True, item, player.own)

    def do(self, player: Player, move: Move) -> None:
        """Carry a move out."""
        chain, calls = player.chain, player.chain.audits
        audit = chain.audit(self.lease, True)
        item, seed = audit.item, audit.seed
        match move:
            case RunItem():
                player.own = player.run(move.item)
            case Commit(None, roots):
                sealed = commitment(roots, self.bid.owner, self.lease, seed, SALT)
                chain.send(calls.commit_as_provider(self.bid, True, seed, sealed))
            case Commit(int() as task, roots):
                sealed = commitment(roots, chain.address, self.lease, seed, SALT)
                chain.send(calls.commit(self.bid, True, task, seed, sealed, stated=roots.stated))
            case Abstain(task):
                chain.send(calls.abstain(self.bid, True, task, seed))
            case Reveal(None, roots):
                posted = PostedItem((self.outputs[item],), tuple(self.tree.proof(item)))
                # One inner node: the trace is its root.
                opening = Opening(roots.trace, posted, (roots.trace,))
                chain.send(calls.reveal_as_provider(self.bid, True, opening, SALT))
            case Reveal(int() as task, roots):
                chain.send(calls.reveal(self.lease, True, task, roots, SALT))
            case Draw():
                chain.send(calls.draw(self.bid, True))
            case Redraw():
                chain.send(calls.redraw(self.bid, True))
            case Finish():
                chain.send(calls.finish(self.bid, True))
            case Close(shown):
                chain.send(calls.close(self.bid, True, shown))
            case TakeReward(task):
                chain.send(calls.take_reward(self.bid, True, task))
            case Challenge(item, root):
                proof = tuple(self.tree.proof(item))
                opened = moves.Challenge(self.bid, self.job, item, root, proof, SALT, ())
                chain.send(chain.disputes.challenge(opened, chain.bond(self.bid, ITEMS)))
                player.playing = True

    def play(self, *, provider: bool = True, blocks: int = 300) -> None:
        """Let everybody move, block after block, until the audit is over or contested in a game."""
        for _ in range(blocks):
            moved = False
            for player in (self.provider, *self.auditors.values()):
                if player is self.provider:
                    move = provider_move(self.sight(player)) if provider else None
                else:
                    move = auditor_move(self.sight(player), player.chain.address)
                if move is not None:
                    self.do(player, move)
                    moved = True
            if self.stage in (Stage.OVER, Stage.SILENT) or any(p.playing for p in self.auditors.values()):
                return
            if not moved:
                self.net.anvil.mine(1 if self.stage is Stage.CALLED else 5)
        raise AssertionError(f"still {self.stage!r}")

    @property
    def stage(self) -> Stage:
        return self.client.audit(self.lease, True).stage

    def order(self, tasks: int) -> None:
        self.client.send(self.client.audits.order(self.bid, self.job, tasks))

    def paid(self) -> list[int]:
        """Fees credited to the auditors."""
        return [p.chain.audit_credit(0, p.chain.address) for p in self.auditors.values()]


@pytest.fixture
def rig(localnet: Localnet) -> Rig:
    return Rig(localnet)


def test_fee_span_and_terms_are_the_contracts(rig: Rig) -> None:
    chain, prices = rig.client, rig.client.audit_prices
    abi, address = chain.audits.abi, chain.audits.address
    for items in (1, 3, 5, 7):
        call = Call(address, abi.call_data("feeOf", values_of(rig.bid), items), "feeOf")
        want = abi.results("feeOf", chain.node.call(call))[0]
        assert fee_of(rig.bid, items, prices.percent, prices.fixed_fees[0]) == want
        assert chain.audit_fee(rig.bid, items) == want
    for mine in (True, False):
        call = Call(address, abi.call_data("spanOf", values_of(rig.bid), mine), "spanOf")
        want = abi.results("spanOf", chain.node.call(call))[0]
        assert span_of(chain.audit_clocks, rig.bid.trace_allowance, mine) == want
    assert span_of(chain.audit_clocks, rig.bid.trace_allowance, True, redrawn=True) < WINDOW
    assert prices.stake == 4 * UNIT


def test_an_audit_of_an_honest_provider_pays_the_auditors(rig: Rig) -> None:
    rig.order(2)
    rig.play()
    fee = rig.client.audit_fee(rig.bid, ITEMS)
    assert sorted(rig.paid()) == [0, fee, fee]
    assert rig.client.lease(rig.lease).freezes == 0
    paid = next(p.chain for p in rig.auditors.values() if p.chain.audit_credit(0, p.chain.address))
    before = paid.token_balance(0, paid.address)
    paid.send(paid.audits.withdraw(0, paid.address))
    assert paid.token_balance(0, paid.address) == before + fee


def test_what_the_provider_reveals_is_read_from_its_transaction(rig: Rig) -> None:
    """Whatever a game about the item takes of the outputs, however the call was encoded."""
    rig.order(1)
    rig.play()
    chain, item = rig.client, rig.client.audit(rig.lease, True).item
    want = PostedItem((rig.outputs[item],), tuple(rig.tree.proof(item)))
    assert revealed_items(chain, rig.bid, rig.tree.root).items == {item: want}
    assert revealed_items(chain, rig.bid, keccak256(b"another result")).items == {}
    # The arrays moved behind bytes of no meaning: a contract minds none of that.
    opening = Opening(rig.traces[item], want, (rig.traces[item],))
    call = chain.audits.reveal_as_provider(rig.bid, True, opening, SALT)
    words = [call.data[4 + 32 * at :][:32] for at in range(_HEAD)]
    roots, rest = call.data[4 + _HEAD * 32 :][:64], call.data[4 + (_HEAD + 2) * 32 :]
    proof, end = rest[:-32], rest[-32:]
    parts = {10: proof, 8: bytes(64) + roots, 12: end}
    tail = bytes(32)
    for word, part in parts.items():
        words[word] = (_HEAD * 32 + len(tail) + (64 if word == 8 else 0)).to_bytes(32)
        tail += part
    moved = call.data[:4] + b"".join(words) + tail
    assert chain.audits.parse_reveal(moved) == want
    assert chain.audits.parse_reveal(moved[:-1]) is None
    assert chain.audits.parse_reveal(chain.audits.draw(rig.bid, True).data) is None


def test_an_expired_draw_is_repeated_by_the_players(rig: Rig) -> None:
    rig.order(1)
    rig.net.anvil.mine(rig.client.audit_clocks.draw + 2)
    rig.play()
    assert rig.stage is Stage.OVER
    assert sum(rig.paid()) == rig.client.audit_fee(rig.bid, ITEMS)


def test_a_draw_is_found_where_nodes_number_blocks_otherwise_than_contracts(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`block.number` is another chain's on some rollups: hundreds of millions behind what nodes say."""
    rig.order(1)
    me = rig.auditors[5].chain
    nodes, moves = Chain.block_number, list[Move | None]()
    for _ in range(8):
        with monkeypatch.context() as patch:
            patch.setattr(Chain, "block_number", lambda self: BlockNo(nodes(self) + 190_000_000))
            seen = read_sight(me, rig.bid, True)
        assert seen is not None
        moves += [provider_move(seen), payer_move(seen), auditor_move(seen, me.address)]
        rig.net.anvil.mine(1)
    assert set(moves) == {None, Draw()}


def test_a_silent_provider_is_convicted_and_the_auditors_share(rig: Rig) -> None:
    rig.order(3)
    rig.play(provider=False)
    assert rig.stage is Stage.SILENT
    rig.net.anvil.mine(TERMS.claim_period + 1)
    rig.client.send(rig.client.disputes.move(moves.Settle(rig.bid)))
    assert rig.client.lease(rig.lease).state is LeaseState.CONVICTED
    for player in rig.auditors.values():
        before = player.chain.token_balance(0, player.chain.address)
        move = auditor_move(rig.sight(player), player.chain.address)
        assert isinstance(move, TakeReward)
        rig.do(player, move)
        assert player.chain.token_balance(0, player.chain.address) == before + UNIT // 4
        assert auditor_move(rig.sight(player), player.chain.address) is None


def test_a_made_up_trace_is_contradicted_in_a_game(rig: Rig) -> None:
    """RULES 8: an honest auditor is paid though the result is right."""
    rig.provider.run = lambda item: replace(rig.true_roots(item), trace=keccak256(b"made up"))
    rig.order(1)
    rig.play()
    assert rig.stage is Stage.CONTESTED
    player = next(p for p in rig.auditors.values() if p.playing)
    assert auditor_move(rig.sight(player), player.chain.address) is None, "the provider's move"
    operator, item = rig.provider.chain, rig.client.audit(rig.lease, True).item
    case = Case(rig.lease, rig.job.hash, item, rig.true_roots(item).item)
    root = rig.true_roots(item).trace
    answer = moves.PostTrace(rig.bid.owner, rig.bid.struct_hash(), case, player.chain.address, SALT, (root,))
    operator.send(operator.disputes.move(answer))
    move = auditor_move(rig.sight(player), player.chain.address)
    assert isinstance(move, Close)
    rig.do(player, move)
    assert rig.stage is Stage.SILENT
    assert player.chain.audit_credit(0, player.chain.address) == rig.client.audit_fee(rig.bid, ITEMS)


@pytest.mark.parametrize("same", [False, True])
def test_an_owner_that_audits_its_own_result_hides_no_opening(localnet: Localnet, same: bool) -> None:
    """Its event names it like the provider's. It reveals what is so before its operator reveals another one,
    or the same, so that the first such transaction does not show the item.
    """
    rig = Rig(localnet, (5, OWNER))
    made_up = keccak256(b"made up")
    rig.provider.run = lambda item: replace(rig.true_roots(item), trace=made_up)
    if same:
        rig.auditors[OWNER].run = rig.provider.run
    rig.order(2)
    for _ in range(60):
        owner, provider = rig.auditors[OWNER], rig.provider
        for player in (owner, rig.auditors[5], provider):
            seen = rig.sight(player)
            own = player is provider
            move = provider_move(seen) if own else auditor_move(seen, player.chain.address)
            if isinstance(move, Challenge | Finish):
                continue
            if move is not None:
                rig.do(player, move)
        rig.net.anvil.mine(1)
        if (audit := rig.client.audit(rig.lease, True)).answer is Answer.REVEALED and audit.opened == 3:
            break
    chain, item = rig.auditors[5].chain, audit.item
    sight = read_sight(chain, rig.bid, True)
    assert sight is not None
    assert sight.shown == Roots(made_up, rig.tree.hash_at(0, item))
    assert set(revealed_items(chain, rig.bid, rig.tree.root).items) == {item}
    assert isinstance(auditor_move(sight, chain.address), Finish)


def test_an_auditor_that_is_a_contract_hides_no_opening(localnet: Localnet) -> None:
    """It reveals what the provider does, by a transaction that looks like its own and shows garbage."""
    puppet = Puppet(localnet)
    rig = Rig(localnet, (5,), puppet)
    rig.provider.run = lambda item: replace(rig.true_roots(item), trace=keccak256(b"made up"))
    rig.order(2)
    while rig.stage is Stage.CALLED:
        rig.net.anvil.mine(1)
        if isinstance(move := provider_move(rig.sight(rig.provider)), Draw):
            rig.do(rig.provider, move)
    audit, calls = rig.client.audit(rig.lease, True), rig.client.audits
    roots = rig.provider.run(audit.item)
    tasks = rig.client.audit_tasks(rig.lease, True)
    mine = next(number for number, each in enumerate(tasks) if each.auditor == puppet.address)
    sealed = commitment(roots, puppet.address, rig.lease, audit.seed, SALT)
    puppet.send(calls.commit(rig.bid, True, mine, audit.seed, sealed, stated=roots.stated))
    me = rig.auditors[5]
    for player in (rig.provider, me, rig.provider, me, me, rig.provider):  # run and commit; reveal, it last
        judge = provider_move(rig.sight(player)) if player is rig.provider else None
        rig.do(player, judge or auditor_move(rig.sight(player), me.chain.address))
    lie = Opening(roots.trace, PostedItem((keccak256(b"x"),), ()), (roots.trace,))
    looks = calls.reveal_as_provider(rig.bid, True, lie, SALT)
    puppet.send(calls.reveal(rig.lease, True, mine, roots, SALT), looks.data)
    assert rig.client.audit(rig.lease, True).opened == 3
    want = PostedItem((rig.outputs[audit.item],), tuple(rig.tree.proof(audit.item)))
    assert revealed_items(rig.client, rig.bid, rig.tree.root).items == {audit.item: want}


def test_refusals_say_what_to_do(rig: Rig) -> None:
    rig.order(1)
    with pytest.raises(Revert, match="the block that draws is not there yet"):
        rig.client.send(rig.client.audits.draw(rig.bid, True))


def _sham(rig: Rig, item: int) -> None:
    """Show the item's trace in a game that the provider opens on itself: its bond goes to its own owner."""
    other, operator, roots = rig.net.chain(8), rig.provider.chain, rig.provider.run(item)
    opened = moves.Challenge(rig.bid, rig.job, item, roots.item, tuple(rig.tree.proof(item)), SALT, ())
    other.send(other.disputes.challenge(opened, other.bond(rig.bid, ITEMS)))
    case = Case(rig.lease, rig.job.hash, item, roots.item)
    bid_hash = rig.bid.struct_hash()
    shown = moves.PostTrace(rig.bid.owner, bid_hash, case, other.address, SALT, (roots.trace,))
    operator.send(operator.disputes.move(shown))
    other.send(other.disputes.move(moves.Resign(rig.bid, case, SALT)))


def test_who_copies_what_a_sham_has_shown_is_not_paid(rig: Rig) -> None:
    """Three auditors run nothing: what they commit to stands on the chain. It burns nothing either."""
    for item in range(ITEMS):
        _sham(rig, item)

    def copied(item: int) -> Roots:
        root = rig.tree.hash_at(0, item)
        return Roots(rig.client.trace_root(Case(rig.lease, rig.job.hash, item, root)), root)

    for player in rig.auditors.values():
        player.run = copied
    rig.order(3)
    rig.play()
    assert rig.stage is Stage.OVER
    assert rig.paid() == [0, 0, 0]
    fee = rig.client.audit_fee(rig.bid, ITEMS)
    assert rig.client.audit_credit(0, rig.client.address) == 3 * fee
    assert all(p.chain.auditor(p.chain.address).left_at == 0 for p in rig.auditors.values())
    assert [task.late for task in rig.client.audit_tasks(rig.lease, True)] == [True] * 3


def test_a_cheat_that_has_shown_its_trace_is_accused_all_the_same(rig: Rig) -> None:
    """Two auditors copy it. The third runs the item, as the judge says, and opens a game."""
    rig.provider.run = lambda item: replace(rig.true_roots(item), trace=cut_keccak256(b"made up"))
    for item in range(ITEMS):
        _sham(rig, item)
    for number in AUDITORS[1:]:
        rig.auditors[number].run = rig.provider.run
    rig.order(3)
    rig.play()
    assert rig.stage is Stage.CONTESTED
    assert [each.playing for each in rig.auditors.values()] == [True, False, False]
    assert rig.paid() == [0, 0, 0]
    assert rig.client.audit_credit(0, rig.client.address) == 2 * rig.client.audit_fee(rig.bid, ITEMS)


def test_false_outputs_behind_a_true_trace_that_was_shown_are_accused_all_the_same(rig: Rig) -> None:
    """A trace holds no outputs, and `traceOf` answers by an item's number: neither speaks for the result."""
    truth = items_tree([item_root_of([keccak256(b"truth %d" % item)]) for item in range(ITEMS)])
    for player in rig.auditors.values():
        player.run = lambda item: Roots(rig.traces[item], truth.hash_at(0, item))
    rig.order(3)
    rig.net.anvil.mine(6)
    rig.client.send(rig.client.audits.draw(rig.bid, True))
    _sham(rig, rig.client.audit(rig.lease, True).item)
    rig.play()
    assert rig.stage is Stage.CONTESTED
    assert all(each.playing for each in rig.auditors.values())


def test_what_is_kept_of_a_commitment_is_the_contracts(rig: Rig) -> None:
    rig.order(1)
    player = None
    while player is None:
        rig.net.anvil.mine(1)
        for each in (rig.provider, *rig.auditors.values()):
            own = each is rig.provider
            move = (
                provider_move(rig.sight(each)) if own else auditor_move(rig.sight(each), each.chain.address)
            )
            if isinstance(move, Commit) and not own:
                player = each
            if move is not None:
                rig.do(each, move)
    (task,) = rig.client.audit_tasks(rig.lease, True)
    seed, roots = rig.client.audit(rig.lease, True).seed, player.own
    assert roots is not None
    assert task.found == bound(commitment(roots, player.chain.address, rig.lease, seed, SALT), roots)
