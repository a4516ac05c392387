"""Nonces, fees, replacement, restarts: one effect never becomes two transactions."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.chain.calls import Call, Due
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.localnet import Localnet
from protocol.chain.sender import Leaving, NonceTakenError, Sender, Ticket
from protocol.chain.sent import FileJournal, SentJournal
from protocol.types import Amount, BlockNo, BrokenInvariant, Hash32, InputError, TransientError, Wei, to_hex
from tests.chain_helpers import STRANGER, make_bid, ready_client, ready_provider, sign_bid
from tests.flaky_node import FlakyNode, Forge

GWEI = 10**9


def sender_of(net: Localnet, account: int, journal: SentJournal | None = None) -> Sender:
    chain = net.chain()
    return Sender(chain.node, net.network, net.keys[account], journal)


def pay(net: Localnet, amount: int = 1) -> Call:
    return net.chain().token(0).transfer(net.chain(9).address, Amount(amount))


def paid(net: Localnet) -> int:
    return net.chain().token_balance(0, net.chain(9).address) - 1_000_000 * 10**18


def stop_mining(net: Localnet) -> None:
    net.anvil.call("evm_setAutomine", False)


def test_a_stuck_transaction_is_replaced_by_one_that_pays_more(localnet: Localnet) -> None:
    sender = sender_of(localnet, 1)
    stop_mining(localnet)
    ticket = sender.submit(pay(localnet))
    first = sender._sent[ticket.nonce].attempts[0]
    for _ in range(3):
        localnet.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(first.max_fee + GWEI))
        localnet.anvil.mine()
    assert sender.poll(ticket) is None
    attempts = sender._sent[ticket.nonce].attempts
    assert len(attempts) == 2
    assert attempts[1].max_fee > first.max_fee * 1.1
    assert attempts[1].tip > first.tip * 1.1
    localnet.anvil.mine()
    receipt = sender.poll(ticket)
    assert receipt is not None
    assert receipt.tx == attempts[1].tx
    assert paid(localnet) == 1
    assert localnet.chain().node.nonce(sender.address, "pending") == ticket.nonce + 1


def test_nothing_is_replaced_by_what_the_balance_does_not_reach_for(localnet: Localnet) -> None:
    sender, value = sender_of(localnet, 1), Wei(10**18)
    stop_mining(localnet)
    ticket = sender.submit(Call(localnet.chain(9).address, b"", "pay coin").paying(value))
    first = sender._sent[ticket.nonce].attempts[0]
    just_enough = sender._sent[ticket.nonce].gas * first.max_fee + value
    localnet.anvil.call("anvil_setBalance", to_hex(sender.address), hex(just_enough))
    for _ in range(4):
        localnet.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(first.max_fee + GWEI))
        localnet.anvil.mine()
        assert sender.poll(ticket) is None
    assert sender._sent[ticket.nonce].attempts == (first,)
    for _ in range(3):  # a node forgets what it could not mine, and is told again
        localnet.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(1))
        localnet.anvil.mine()
        if receipt := sender.poll(ticket):
            break
    assert receipt is not None
    assert receipt.tx == first.tx


def test_what_may_leave_the_wallet_is_known_whoever_waits_and_after_a_restart(
    localnet: Localnet, tmp_path: Path
) -> None:
    """Of no transaction that is pending is the coin there twice, and none stays stuck since nobody polls."""
    journal = FileJournal(tmp_path / "sent.json")
    sender, value = sender_of(localnet, 1, journal), Wei(10**18)
    assert sender.leaving() == ()
    stop_mining(localnet)
    ticket = sender.submit(Call(localnet.chain(9).address, b"", "pay coin").paying(value), effect="e")
    sent = sender._sent[ticket.nonce]
    for each in (sender, sender_of(localnet, 1, journal)):
        assert each.leaving() == (Leaving("e", value, Wei(sent.gas * sent.attempts[0].max_fee)),)
    after = sender_of(localnet, 1, journal)
    for _ in range(3):
        localnet.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(sent.attempts[0].max_fee + GWEI))
        localnet.anvil.mine()
    (dearer,) = after.leaving()
    assert dearer.gas > sent.gas * sent.attempts[0].max_fee, "replaced, though nobody polled it"
    localnet.anvil.mine()
    assert localnet.chain().node.nonce(sender.address, "latest") == ticket.nonce + 1
    assert after.leaving() == (), "in a block: the balance lacks it already, and nobody asked for a receipt"
    assert after.unmined() == (ticket,)
    assert after.poll(ticket) is not None
    localnet.anvil.call("anvil_reorg", 1, [])
    (again,) = after.leaving()
    assert again.value == value, "a re-org has thrown it out"


def test_a_fee_is_never_bumped_beyond_the_limit(localnet: Localnet) -> None:
    limit = Wei(3 * GWEI)
    network = replace(localnet.network, fees=replace(localnet.network.fees, maximum=limit))
    sender = Sender(localnet.chain().node, network, localnet.keys[1])
    stop_mining(localnet)
    ticket = sender.submit(pay(localnet))
    for _ in range(12):
        localnet.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
        localnet.anvil.mine()
        assert sender.poll(ticket) is None
    assert 1 < len(sender._sent[ticket.nonce].attempts) < 12
    assert all(attempt.max_fee <= limit for attempt in sender._sent[ticket.nonce].attempts)
    with pytest.raises(TransientError, match=r"base fee is .* the limit is 3000000000"):
        sender.submit(pay(localnet))


def dear(net: Localnet, gwei: int, blocks: int = 1) -> None:
    """Let blocks pass, and let the next one cost the same."""
    for _ in range(blocks):
        net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
        net.anvil.mine()
    net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))


def test_what_is_late_at_the_cost_of_a_bond_may_be_dear_in_the_second_half_of_its_clock(
    localnet: Localnet, tmp_path: Path
) -> None:
    """A base fee above the limit, for longer than a move may take: silence would convict."""
    sender, limit = sender_of(localnet, 1), localnet.network.fees.maximum
    dear(localnet, 600)
    now = localnet.chain().clock()
    due = Due.between(now, now + 20, Wei(10**18))
    for call in (pay(localnet), pay(localnet).by(due)):
        with pytest.raises(TransientError, match="the limit is 500000000000"):
            sender.submit(call)
    dear(localnet, 600, 10)
    receipt = sender.send(pay(localnet, 5).by(due))
    assert limit < receipt.fee // receipt.gas_used < 610 * GWEI
    dear(localnet, 600)
    with pytest.raises(TransientError, match="the limit is 500000000000"):
        sender.submit(pay(localnet))
    small = Due.between(now, now + 20, Wei(10**16))
    with pytest.raises(TransientError, match="base fee is"):
        sender.submit(pay(localnet).by(small))
    assert paid(localnet) == 5


def test_what_is_on_its_way_may_be_dear_once_a_clock_runs_for_it(localnet: Localnet, tmp_path: Path) -> None:
    """A game that a re-run opens, say, and that an audit needs before the transaction is in a block."""
    sender = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
    stop_mining(localnet)
    ticket = sender.submit(pay(localnet, 5), "a game")
    dear(localnet, 600, 3)
    assert sender.poll(ticket) is None
    now = localnet.chain().clock()
    due = Due.between(now - 20, now, Wei(10**18))
    assert sender.submit(pay(localnet, 5).by(due), "a game") == ticket
    for _ in range(12):
        if receipt := sender.poll(ticket):
            break
        dear(localnet, 600)
    assert receipt is not None
    assert receipt.fee // receipt.gas_used > localnet.network.fees.maximum
    assert paid(localnet) == 5
    assert sender.submit(pay(localnet, 5), "a game") == ticket, "and once is enough"


def test_what_a_pressing_call_waits_behind_may_be_as_dear(localnet: Localnet, tmp_path: Path) -> None:
    """Also after a restart: an ordinary transaction with a lower nonce must not hold it up."""
    first = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
    stop_mining(localnet)
    now = localnet.chain().clock()
    cheap = first.submit(pay(localnet, 1), "cheap")
    pressing = first.submit(pay(localnet, 5).by(Due.between(now - 20, now, Wei(10**18))), "pressing")
    sender = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
    dear(localnet, 600, 3)
    assert sender.poll(cheap) is None
    dear(localnet, 600, 3)
    assert paid(localnet) == 0, "for its own sake it costs no more than the limit"
    assert sender.poll(pressing) is None
    dear(localnet, 600)
    assert sender.poll(pressing) is not None
    assert paid(localnet) == 6


def test_what_nobody_waits_for_is_as_dear_as_it_and_those_behind_it_may_be(
    localnet: Localnet, tmp_path: Path
) -> None:
    """A pressing one with an ordinary one behind it must go out; the ordinary one pays no more for it."""
    sender, limit = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json")), localnet.network.fees.maximum
    stop_mining(localnet)
    now = localnet.chain().clock()
    sender.submit(pay(localnet, 1), "first")
    pressing = sender.submit(pay(localnet, 5).by(Due.between(now - 20, now, Wei(10**18))), "pressing")
    last = sender.submit(pay(localnet, 2), "last")
    for _ in range(12):
        dear(localnet, 600)
        after = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
        after.leaving()
    assert paid(localnet) == 6
    assert after.poll(pressing) is not None
    assert after._sent[last.nonce].attempts[-1].max_fee <= limit


def test_a_node_that_is_stuck_makes_nothing_be_paid_twice(localnet: Localnet) -> None:
    """It has no receipts, while another node says that the nonce is spent."""
    stuck, good = FlakyNode(localnet.url), FlakyNode(localnet.url)
    try:
        public = replace(localnet.network, name="public", rpc_urls=(stuck.url, good.url))
        chain = Chain.connect(public, localnet.keys[1])
        localnet.anvil.mine(8)
        stuck.lag = 4
        stuck.forge = Forge("eth_getTransactionReceipt", lambda given: given | {"result": None})
        stuck.stop()
        chain.block_number()
        stuck.start()
        time.sleep(2.1)  # by then what the other has shown is expected of it
        ticket = chain.sender.submit(pay(localnet, 3), "three")
        stuck.lag = 5  # of the block that this has made it has seen nothing
        for _ in range(6):
            receipt = chain.sender.poll(ticket)
            time.sleep(0.6)  # the rest of a node that failed
        assert receipt is not None
        assert chain.sender.submit(pay(localnet, 3), "three") == ticket
        assert paid(localnet) == 3
    finally:
        stuck.stop()
        good.stop()


def test_an_effect_is_sent_once_whoever_asks_again(localnet: Localnet) -> None:
    sender = sender_of(localnet, 1)
    first = sender.send(pay(localnet), effect="e1")
    assert sender.send(pay(localnet), effect="e1") == first
    assert paid(localnet) == 1
    sender.send(pay(localnet), effect="e2")
    assert paid(localnet) == 2
    all_of_it = localnet.chain().token_balance(0, sender.address)
    last = sender.send(pay(localnet, all_of_it), effect="e3")
    assert sender.send(pay(localnet, all_of_it), effect="e3") == last  # though it would be refused by now


@pytest.mark.parametrize("broadcast", [True, False])
def test_a_restart_goes_on_with_what_was_sent(
    localnet: Localnet, tmp_path: Path, broadcast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_mining(localnet)
    journal = FileJournal(tmp_path / "sent.json")
    before = sender_of(localnet, 1, journal)
    if not broadcast:  # killed after the journal was written, before the node heard of it
        monkeypatch.setattr(before._node, "send_raw", lambda _: None)
    before.submit(pay(localnet, 5), effect="pay five")

    after = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
    ticket = after.submit(pay(localnet, 5), effect="pay five")
    assert after.poll(ticket) is None
    localnet.anvil.mine()
    assert after.poll(ticket) is not None
    third = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
    third.send(pay(localnet, 5), effect="pay five")
    assert paid(localnet) == 5


def test_what_was_lost_before_a_restart_leaves_no_gap(localnet: Localnet, tmp_path: Path) -> None:
    stop_mining(localnet)
    journal = FileJournal(tmp_path / "sent.json")
    before = sender_of(localnet, 1, journal)
    tickets = [before.submit(pay(localnet), effect=f"e{i}") for i in range(3)]
    for ticket in tickets:  # the node forgot them all, as nodes do after their own restart
        localnet.anvil.call("anvil_dropTransaction", "0x" + before._sent[ticket.nonce].attempts[0].tx.hex())
    after = sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))
    last = after.submit(pay(localnet))
    assert last.nonce == tickets[-1].nonce + 1
    assert after.poll(last) is None
    localnet.anvil.mine()
    assert after.poll(last) is not None
    assert paid(localnet) == 4


def test_what_was_sent_on_another_chain_or_by_another_key_is_not_sent_again(
    localnet: Localnet, tmp_path: Path
) -> None:
    """First a test network, then the real one, with the same home: the old bonds must not be paid there."""
    stop_mining(localnet)
    old, new = tmp_path / "sent.json", tmp_path / "new.json"
    before = sender_of(localnet, 1, FileJournal(old))
    for number in range(3):
        before.submit(pay(localnet, 5), effect=f"bond {number}")
    known, here = FileJournal(old).load(), replace(localnet.network, name="sepolia")
    node, keys = localnet.chain().node, localnet.keys
    assert len(Sender(node, here, keys[1], FileJournal(new, old)).unmined()) == 3
    elsewhere = replace(here, name="base", chain_id=8453)
    assert Sender(node, elsewhere, keys[1], FileJournal(new, old)).unmined() == ()
    another = Sender(node, here, keys[2], FileJournal(new, old))
    assert another.unmined() == ()
    localnet.anvil.call("anvil_dropAllTransactions")
    localnet.anvil.set_block_time(0)
    another.send(pay(localnet, 1))
    assert paid(localnet) == 1
    assert FileJournal(old).load() == known, "who goes back finds what is still on its way there"


def test_a_damaged_journal_stops_the_process(localnet: Localnet, tmp_path: Path) -> None:
    (tmp_path / "sent.json").write_text('{"chain": "0x')
    with pytest.raises(BrokenInvariant, match=r"sent\.json is not a transaction journal"):
        sender_of(localnet, 1, FileJournal(tmp_path / "sent.json"))


def test_a_journal_of_a_local_chain_that_is_gone_is_void(localnet: Localnet, tmp_path: Path) -> None:
    stop_mining(localnet)
    journal = FileJournal(tmp_path / "sent.json")
    ticket = sender_of(localnet, 1, journal).submit(pay(localnet), effect="e")
    here, (sent,) = journal.load()
    assert here == localnet.chain().node.genesis()
    restarted = sender_of(localnet, 1, journal)
    assert restarted.unmined() == (ticket,)  # known before any node was asked
    assert restarted.poll(ticket) is None

    journal.save(Hash32(b"\1" * 32), [sent])
    elsewhere = sender_of(localnet, 1, journal)
    with pytest.raises(NonceTakenError):
        elsewhere.poll(ticket)
    assert elsewhere.unmined() == ()


def test_two_processes_with_one_key_get_nonces_of_their_own(localnet: Localnet) -> None:
    one, other = sender_of(localnet, 1), sender_of(localnet, 1)
    stop_mining(localnet)
    tickets = [sender.submit(pay(localnet)) for sender in (one, other, one, other)]
    assert len({ticket.nonce for ticket in tickets}) == 4
    localnet.anvil.mine()
    assert all(sender.poll(ticket) for sender, ticket in zip((one, other, one, other), tickets, strict=True))
    assert paid(localnet) == 4


def test_a_nonce_that_another_process_took_is_noticed_and_the_effect_can_be_sent_again(
    localnet: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, thief = sender_of(localnet, 1), sender_of(localnet, 1)
    stop_mining(localnet)
    with monkeypatch.context() as patch:
        patch.setattr(sender._node, "send_raw", lambda _: None)
        ticket = sender.submit(pay(localnet), effect="e")
    assert thief.submit(pay(localnet, 100)).nonce == ticket.nonce
    localnet.anvil.mine()
    with pytest.raises(NonceTakenError, match="taken by another transaction"):
        sender.wait(ticket, timeout=10)
    localnet.anvil.call("evm_setAutomine", True)
    sender.send(pay(localnet), effect="e")
    assert paid(localnet) == 101


def test_many_threads_share_a_sender(localnet: Localnet) -> None:
    sender, errors = sender_of(localnet, 1), list[BaseException]()

    def work() -> None:
        try:
            sender.send(pay(localnet))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert paid(localnet) == 12


def test_two_threads_that_ask_for_one_effect_at_once_send_it_once(
    localnet: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find at first that it was not sent: only under the lock they may trust that."""
    sender, tickets, both = sender_of(localnet, 1), list[Ticket](), threading.Barrier(2, timeout=60)
    stop_mining(localnet)
    number = sender._node.block_number

    def together() -> BlockNo:
        both.wait()
        return number()

    monkeypatch.setattr(sender._node, "block_number", together)
    call = pay(localnet)
    threads = [threading.Thread(target=lambda: tickets.append(sender.submit(call, "e1"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert len(tickets) == 2
    assert tickets[0] == tickets[1]
    localnet.anvil.mine(1)
    sender.wait(tickets[0])
    assert paid(localnet) == 1
    assert sender._node.nonce(sender.address, "pending") == tickets[0].nonce + 1


def test_a_mined_transaction_that_a_reorg_throws_out_is_sent_again(localnet: Localnet) -> None:
    sender = sender_of(localnet, 1)
    sender.send(pay(localnet), effect="e")
    stop_mining(localnet)
    localnet.anvil.call("anvil_reorg", 1, [])
    ticket = sender.submit(pay(localnet), effect="e")
    assert paid(localnet) == 0
    assert sender.poll(ticket) is None
    localnet.anvil.mine()
    assert sender.poll(ticket) is not None
    assert paid(localnet) == 1


def test_a_race_that_is_lost_on_chain_ends_in_the_contracts_own_words(localnet: Localnet) -> None:
    ready_provider(localnet)
    client = ready_client(localnet)
    bid = make_bid(localnet, start_deadline=1)
    client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    localnet.anvil.mine(3)
    stop_mining(localnet)
    racers = [sender_of(localnet, account) for account in (STRANGER, STRANGER + 1)]
    tickets = [racer.submit(client.escrow.expire(bid)) for racer in racers]
    localnet.anvil.mine()
    outcomes = []
    for racer, ticket in zip(racers, tickets, strict=True):
        try:
            outcomes.append(racer.poll(ticket) is not None)
        except Revert as error:
            outcomes.append(error.name == "Escrow_WrongState")
            refused = True
    assert outcomes == [True, True]
    assert refused


def test_too_little_gas_money_is_said_with_the_figures(localnet: Localnet) -> None:
    poor = Sender(localnet.chain().node, localnet.network, b"\x07" * 32)
    call = localnet.chain().token(0).approve(poor.address, Amount(1))
    with pytest.raises(InputError, match=r"has 0 wei, LOC.approve needs up to \d+ wei"):
        poor.submit(call)
    rich = sender_of(localnet, 1)
    with pytest.raises(InputError, match=r"has \d+ wei, LOC.approve needs up to \d+ wei .*send it at least"):
        rich.submit(call.paying(Wei(10**30)))


def test_a_chain_without_a_wallet_only_reads(localnet: Localnet) -> None:
    with pytest.raises(InputError, match="this needs a wallet"):
        Chain.connect(localnet.network).send(pay(localnet))
