"""What a sender has written down at each step, and when it says that something is done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from protocol.chain.calls import Call, TxReceipt
from protocol.chain.errors import Revert
from protocol.chain.networks_file import shipped_network
from protocol.chain.rpc import RpcRefused
from protocol.chain.sender import NonceTakenError, Sender
from protocol.chain.sent import FileJournal, SentJournal
from protocol.crypto import keccak256
from protocol.types import Address, BlockNo, Hash32, TransientError, Wei

NETWORK = shipped_network("base-sepolia")
CALL = Call(Address(b"\x01" * 20), b"", "pay")


class FakeNode:
    """Takes what it is handed, and puts it in a block when told to. `shows`: the newest block that it has."""

    def __init__(self) -> None:
        self.height = self.shows = BlockNo(10)
        self.taken: list[Hash32] = []
        self.mined: dict[Hash32, tuple[TxReceipt, bool]] = {}
        self.spent = 0

    def mine(self, *, succeeded: bool = True) -> None:
        self.height = self.shows = BlockNo(self.height + 1)
        for tx in self.taken[len(self.mined) :]:
            self.mined[tx] = TxReceipt(tx, self.height, 21_000, Wei(21_000), None, ()), succeeded
            self.spent += 1

    def send_raw(self, raw: bytes) -> None:
        self.taken.append(Hash32(keccak256(raw)))

    def nonce(self, _: Address, tag: str) -> int:
        return len(self.taken) if tag == "pending" else self.spent

    def fate(self, hashes: Sequence[Hash32], _: Address) -> tuple[tuple[TxReceipt, bool] | None, int]:
        return next((self.mined[tx] for tx in hashes if tx in self.mined), None), self.spent

    def has_reached(self, block: BlockNo) -> bool:
        return self.shows >= block

    def knows_transaction(self, tx: Hash32) -> bool:
        return tx in self.taken

    def block_number(self) -> BlockNo:
        return self.shows

    def base_fee(self) -> Wei:
        return Wei(1)

    def balance(self, _: Address) -> Wei:
        return Wei(10**18)

    def estimate_gas(self, *_: object) -> int:
        return 21_000

    def call(self, *_: object) -> bytes:
        raise Revert("Refused", {}, CALL.what)


def sender_of(node: FakeNode, journal: SentJournal | None = None) -> Sender:
    return Sender(cast(Any, node), NETWORK, b"\x07" * 32, journal)


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


def test_it_is_in_the_journal_before_a_node_has_it(node: FakeNode, tmp_path: Path) -> None:
    """Who is killed in between would send it once more."""
    journal = FileJournal(tmp_path / "sent.json")

    class Killed(FakeNode):
        def send_raw(self, raw: bytes) -> None:
            super().send_raw(raw)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sender_of(killed := Killed(), journal).submit(CALL, "an effect")
    (sent,) = journal.load()[1]
    assert [each.tx for each in sent.attempts] == killed.taken
    node.taken = killed.taken
    assert sender_of(node, journal).submit(CALL, "an effect").nonce == sent.nonce
    assert len(node.taken) == 1


def test_so_is_each_attempt_that_pays_more(tmp_path: Path) -> None:
    """Of one that is not there no receipt is found, and its nonce seems to be another's."""
    journal = FileJournal(tmp_path / "sent.json")

    class Watched(FakeNode):
        def send_raw(self, raw: bytes) -> None:
            super().send_raw(raw)
            (sent,) = journal.load()[1]
            assert [each.tx for each in sent.attempts] == self.taken

    sender = sender_of(node := Watched(), journal)
    ticket = sender.submit(CALL)
    node.shows = BlockNo(node.shows + 3)
    assert sender.poll(ticket) is None
    assert len(node.taken) == 2


@pytest.mark.parametrize(
    "error",
    [TransientError("timed out"), RpcRefused("send", {"code": -32000, "message": "nonce too low"})],
    ids=["timed out", "nonce too low"],
)
def test_what_a_node_took_before_it_failed_gets_no_second_nonce(error: Exception) -> None:
    """One URL takes it and times out; the next one then calls its nonce used: by ourselves."""

    class Takes(FakeNode):
        def send_raw(self, raw: bytes) -> None:
            super().send_raw(raw)
            raise error

    sender = sender_of(node := Takes())
    ticket = sender.submit(CALL, "an effect")
    assert (ticket.nonce, len(node.taken), sender.unmined()) == (0, 1, (ticket,))


def test_what_failed_on_chain_may_be_sent_again(node: FakeNode, tmp_path: Path) -> None:
    """Its effect did not happen, and nobody would ever see to it."""
    journal = FileJournal(tmp_path / "sent.json")
    sender = sender_of(node, journal)
    failed = sender.submit(CALL, "an effect")
    node.mine(succeeded=False)
    with pytest.raises(Revert, match="Refused"):
        sender.poll(failed)
    with pytest.raises(NonceTakenError):
        sender.poll(failed)
    assert journal.load()[1] == ()
    again = sender.submit(CALL, "an effect")
    assert again.nonce == failed.nonce + 1
    node.mine()
    assert sender.poll(again) is not None
    assert len(node.taken) == 2


def test_it_is_done_once_what_it_changed_can_be_read(node: FakeNode) -> None:
    """One node has the receipt, and another one that is a block behind answers what is read next."""
    sender = sender_of(node)
    ticket = sender.submit(CALL)
    node.mine()
    node.shows = BlockNo(node.height - 1)
    assert sender.poll(ticket) is None
    assert sender.unmined() == (), "it is in a block: after a restart nobody has to see to it"
    node.shows = node.height
    receipt = sender.poll(ticket)
    assert receipt is not None
    assert receipt.block == node.height


def test_a_receipt_that_never_comes_is_waited_for_so_long(node: FakeNode) -> None:
    """Nodes index receipts late; a nonce that stays spent without one is another transaction's."""
    sender = sender_of(node)
    ticket = sender.submit(CALL, "an effect")
    node.spent = ticket.nonce + 1
    assert [sender.poll(ticket) for _ in range(4)] == [None] * 4
    with pytest.raises(TransientError, match=f"nonce {ticket.nonce} was taken"):
        sender.poll(ticket)
