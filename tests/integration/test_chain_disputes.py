"""Games on a real chain: what is sent comes back as events, records and moves."""

from dataclasses import replace

import pytest

from protocol.chain.calls import Due
from protocol.chain.client import Chain
from protocol.chain.contract_wallet import through
from protocol.chain.dispute_events import Challenged, GameLost, Moved
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet
from protocol.chain.logs import Follower
from protocol.crypto import keccak256
from protocol.dispute import moves
from protocol.dispute.moves import Made
from protocol.dispute.names import Position, game_id
from protocol.dispute.purse import Limits
from protocol.dispute.records import Conviction, Game, Phase
from protocol.dispute.replay import replay
from protocol.dispute.trees import proof_of, root_of
from protocol.games.board import read_purse
from protocol.types import ZERO_HASH, Hash32, InputError, TransientError, Wei
from tests.chain_helpers import OWNER
from tests.contract_wallet import deploy_wallet
from tests.dispute_rig import TERMS, Rig, posted, with_disputes

SEAL = keccak256(b"seal")
LEAVES = tuple(keccak256(bytes([i])) if i < 39 else ZERO_HASH for i in range(64))
CHILDREN = tuple(root_of(LEAVES[i : i + 2]) for i in range(0, 64, 2))
PICKED = 3


@pytest.fixture
def rig(localnet: Localnet) -> Rig:
    return posted(localnet)


def challenge(rig: Rig, seal: Hash32 = SEAL, bond: Wei | None = None) -> moves.Challenge:
    chain, move = rig.challenger, rig.opening(seal)
    chain.send(chain.disputes.challenge(move, bond or chain.bond(rig.bid, rig.job.items)))
    return move


def send(chain: Chain, move: moves.Call) -> None:
    chain.send(chain.disputes.move(move))


def played(rig: Rig) -> list[tuple[moves.Move, Chain]]:
    """Challenge, trace, pick, reveal; return each with its sender."""
    opening = challenge(rig)
    game = game_id(rig.case.id, rig.challenger.address, SEAL)
    trace = rig.trace(rig.challenger, SEAL, CHILDREN)
    send(rig.operator, trace)
    tag = rig.challenger.game(game).game.tag
    pick = moves.Pick(rig.case.id, SEAL, tag, PICKED)
    send(rig.challenger, pick)
    shown = LEAVES[2 * PICKED : 2 * PICKED + 2]
    reveal = moves.Reveal(game, ZERO_HASH, ZERO_HASH, shown, proof_of(CHILDREN, PICKED))
    send(rig.operator, reveal)
    by_challenger, by_operator = rig.challenger, rig.operator
    return [
        (opening, by_challenger),
        (trace, by_operator),
        (pick, by_challenger),
        (reveal, by_operator),
    ]


def test_every_move_comes_back_as_it_was_sent(rig: Rig) -> None:
    sent = played(rig)
    (record,) = rig.net.chain().games_of(rig.bid)
    found = [step.made for step in record.steps]
    assert [(made.move, made.by) for made in found if made] == [(move, by.address) for move, by in sent]
    states = [step.state for step in record.steps[1:]]
    assert [state.phase for state in states if state] == [Phase.PICK, Phase.REVEAL, Phase.PICK]
    assert states[-1] == record.now
    assert [made.at for made in found if made] == [step.at.block for step in record.steps]
    assert rig.challenger.trace_root(rig.case) == root_of(LEAVES)
    assert (record.case, record.opened.challenger) == (rig.case, rig.challenger.address)


def test_moves_read_back_replay_to_the_position_that_the_chain_stores(rig: Rig) -> None:
    played(rig)
    games = rig.net.chain().games_of(rig.bid, since=rig.net.deployment.block)
    made = [step.made for step in in_order(games) if step.made]
    view = replay(rig.case, rig.job, made).views[games[0].game]
    assert view.agrees(games[0].now)
    assert view.position.hash == games[0].position


def test_events_reach_the_follower_with_lease_and_state(rig: Rig) -> None:
    chain = rig.net.chain()
    follower = Follower.from_now(chain)
    played(rig)
    batch = follower.poll()
    assert batch is not None
    opened, *moved = [event for event in batch.events if isinstance(event, Challenged | Moved)]
    assert isinstance(opened, Challenged)
    assert (opened.lease, opened.item, opened.item_root, opened.seal) == (
        rig.bid.lease_id(),
        0,
        rig.item_root,
        SEAL,
    )
    assert [event.state.chosen for event in moved if isinstance(event, Moved)] == [0, PICKED, 0]


def test_after_a_reorg_the_removed_move_is_gone(rig: Rig) -> None:
    reader = rig.net.chain()
    follower = Follower.from_now(reader)
    played(rig)
    follower.poll()
    assert len(reader.games_of(rig.bid)[0].steps) == 4
    before = reader.block_number()
    rig.net.anvil.call("anvil_reorg", 1, [])
    (record,) = reader.games_of(rig.bid)
    assert [type(step.made.move) for step in record.steps if step.made] == [
        moves.Challenge,
        moves.PostTrace,
        moves.Pick,
    ]
    assert record.now.phase is Phase.REVEAL
    rig.net.anvil.mine(1)
    batch = follower.poll()
    assert batch is not None
    assert batch.rolled_back_to is not None
    assert batch.rolled_back_to < before
    assert reader.games_of(rig.bid, until=batch.rolled_back_to) == ()


def test_several_games_of_one_lease_keep_the_order_of_the_chain(rig: Rig) -> None:
    played(rig)
    other = keccak256(b"another")
    challenge(rig, other)
    first, second = rig.net.chain().games_of(rig.bid)
    assert second.now.phase is Phase.PICK  # its trace is known
    order = [step.at.block for step in in_order([second, first])]
    assert order == sorted(order)
    assert second.steps[-1].made == Made(
        rig.opening(other), rig.challenger.address, second.now.opened_at, second.game
    )


@pytest.mark.parametrize("base_fee", [1, 10**9, 77 * 10**9 + 1, 2 * 10**15])
def test_the_bond_is_the_contracts_at_any_base_fee(rig: Rig, base_fee: int) -> None:
    chain = rig.net.chain()
    rig.net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    rig.net.anvil.mine(1)
    call = chain._read("bondOf", chain_words(rig), rig.job.items)
    answer = chain.disputes.abi.results("bondOf", chain.node.call(call))[0]
    found = chain.node.base_fee()
    assert found == base_fee
    assert chain.least_bond(rig.bid, rig.job.items, found) == answer


def chain_words(rig: Rig) -> list[bytes]:
    packed = rig.bid.packed()
    return [packed[i : i + 32] for i in range(0, len(packed), 32)]


def test_a_bond_holds_while_the_base_fee_rises_as_far_as_the_transaction_pays(rig: Rig) -> None:
    chain = rig.challenger
    bond = chain.bond(rig.bid, rig.job.items)
    call = chain.disputes.challenge(rig.opening(SEAL), bond)
    rig.net.anvil.call("evm_setAutomine", False)
    ticket = chain.sender.submit(call)
    highest = chain.sender._sent[ticket.nonce].attempts[-1].max_fee - rig.net.network.fees.priority
    rig.net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(highest))
    rig.net.anvil.mine(1)
    assert chain.sender.wait(ticket).block == chain.block_number()
    record = chain.games_of(rig.bid)[0]
    assert record.now.bond == bond // 10**9


def test_an_accusation_is_opened_while_gas_costs_more_than_the_network_allows(rig: Rig) -> None:
    chain, now = rig.challenger, rig.challenger.clock()
    rig.net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(2 * rig.net.network.fees.maximum))
    rig.net.anvil.mine(1)
    limits = Limits(*(Wei(0) for _ in range(4)))
    with pytest.raises(TransientError, match="base fee"):
        read_purse(chain, rig.bid, rig.job.items, limits)
    due = Due.between(now - 10, now, Wei(10**18))  # half of a stake, say, and more than half of its clock
    purse = read_purse(chain, rig.bid, rig.job.items, limits, due)
    assert not purse.why_not()
    chain.send(chain.disputes.challenge(rig.opening(SEAL), purse.bond).by(due))
    assert len(chain.games_of(rig.bid)) == 1


def test_a_bond_too_low_is_a_typed_error(rig: Rig) -> None:
    with pytest.raises(Revert) as refusal:
        challenge(rig, bond=Wei(10**9))
    assert refusal.value.name == "Disputes_BondTooLow"
    assert refusal.value.evidence["given"] == 10**9
    assert "the bond is too low" in refusal.value.message
    assert "challenge again" in refusal.value.advice
    assert rig.net.chain().games_of(rig.bid) == ()


def test_a_bond_beyond_the_balance_is_said_with_the_figures(rig: Rig) -> None:
    with pytest.raises(InputError, match="needs up to"):
        challenge(rig, bond=Wei(10**9 * 10**18))


def test_answers_of_strangers_and_stale_picks_are_typed_errors(rig: Rig) -> None:
    challenge(rig)
    with pytest.raises(Revert) as refusal:
        send(rig.net.chain(OWNER), rig.trace(rig.challenger, SEAL, CHILDREN))
    assert refusal.value.name == "Disputes_NotProvider"
    send(rig.operator, rig.trace(rig.challenger, SEAL, CHILDREN))
    with pytest.raises(Revert) as refusal:
        send(rig.challenger, moves.Pick(rig.case.id, SEAL, 1, PICKED))
    assert refusal.value.name == "Disputes_OtherState"


def test_picks_of_a_wallet_contract_are_read_from_the_games_word(rig: Rig) -> None:
    session = rig.challenger
    wallet = deploy_wallet(rig.net, session.address, 0)
    rig.net.anvil.call("anvil_setBalance", "0x" + wallet.hex(), hex(10**19))
    calls, opening = session.disputes, rig.opening(SEAL)
    bond = session.bond(rig.bid, rig.job.items)
    session.send(through(wallet, calls.challenge(opening, bond)))
    owner, bid_hash = rig.bid.owner, rig.bid.struct_hash()
    trace = moves.PostTrace(owner, bid_hash, rig.case, wallet, SEAL, CHILDREN)
    send(rig.operator, trace)
    game = game_id(rig.case.id, wallet, SEAL)
    pick = moves.Pick(rig.case.id, SEAL, session.game(game).game.tag, PICKED)
    session.send(through(wallet, calls.move(pick)))
    (record,) = rig.net.chain().games_of(rig.bid, rig.job)
    made = [step.made for step in record.steps if step.made]
    assert [(each.move, each.by) for each in made] == [
        (opening, wallet),
        (trace, rig.operator.address),
        (pick, wallet),
    ]
    assert replay(rig.case, rig.job, made).views[game].agrees(record.now)


def test_a_new_operator_adopts_and_the_event_says_so(rig: Rig) -> None:
    challenge(rig)
    send(rig.operator, rig.trace(rig.challenger, SEAL, CHILDREN))
    game = game_id(rig.case.id, rig.challenger.address, SEAL)
    send(rig.challenger, moves.Pick(rig.case.id, SEAL, rig.challenger.game(game).game.tag, PICKED))
    owner, fresh = rig.net.chain(OWNER), rig.net.chain(6)
    owner.send(owner.escrow.set_operator(fresh.address))
    position = Position(root_of(LEAVES), operator=rig.operator.address)
    bid_hash = rig.bid.struct_hash()
    adopt = moves.Adopt(owner.address, bid_hash, rig.case, rig.challenger.address, SEAL, position)
    send(fresh, adopt)
    (record,) = rig.net.chain().games_of(rig.bid)
    view = replay(rig.case, rig.job, [step.made for step in record.steps if step.made]).views[game]
    assert record.steps[-1].state is None
    assert view.position == replace(position, operator=fresh.address)
    assert view.position.hash == record.position


def test_a_lost_game_leaves_its_bond_as_coin_of_the_owner(rig: Rig) -> None:
    challenge(rig)
    send(rig.operator, rig.trace(rig.challenger, SEAL, CHILDREN))
    left = rig.net.chain().games_of(rig.bid)[0].now.bond
    send(rig.challenger, moves.Resign(rig.bid, rig.case, SEAL))
    (record,) = rig.net.chain().games_of(rig.bid)
    assert record.now.phase is Phase.LOST
    (lost,) = record.others
    assert isinstance(lost, GameLost)
    assert lost.forfeit == left * 10**9 == rig.challenger.coin(rig.bid.owner)
    owner = rig.net.chain(OWNER)
    send(owner, moves.WithdrawCoin(owner.address))
    assert owner.coin(owner.address) == 0


def test_silence_convicts_and_every_step_of_the_ending_is_read(rig: Rig) -> None:
    challenge(rig)
    chain = rig.challenger
    rig.net.anvil.mine(400)
    send(chain, moves.Timeout(rig.bid, rig.case, chain.address, SEAL))
    assert chain.verdict(rig.bid.lease_id()).how is Conviction.SILENT
    send(chain, moves.ClaimSilence(rig.case, SEAL))
    rig.net.anvil.mine(TERMS.claim_period + 1)
    send(chain, moves.Settle(rig.bid))
    send(chain, moves.Collect(rig.bid, rig.case, SEAL))
    verdict = chain.verdict(rig.bid.lease_id())
    assert (verdict.settled, verdict.claims, verdict.won) == (True, 1, True)
    assert verdict.reward > 0
    (record,) = rig.net.chain().games_of(rig.bid)
    kinds = [type(step.made.move) for step in record.steps if step.made]
    assert kinds == [moves.Challenge, moves.Timeout, moves.ClaimSilence]
    assert [type(event).__name__ for event in record.others] == ["Judged", "SealOpened", "Collected"]


def test_terms_are_those_of_the_deployment(rig: Rig) -> None:
    terms = rig.net.chain().game_terms
    assert (terms.move_clock, terms.increment, terms.claim_period) == (30, 10, 10)
    assert (terms.tip, terms.data_fee, terms.coin_prices[0]) == (10**9, 3, 10**15)


def test_a_game_that_does_not_exist_has_no_phase(localnet: Localnet) -> None:
    chain = with_disputes(localnet).chain()
    assert chain.game(ZERO_HASH).game == Game(Phase.NONE)


def test_without_disputes_the_reason_is_said(localnet: Localnet) -> None:
    deployment = replace(localnet.deployment, disputes=None)
    chain = Chain.connect(localnet.network, deployment=deployment)
    with pytest.raises(InputError, match="has no Disputes"):
        chain.game(ZERO_HASH)
