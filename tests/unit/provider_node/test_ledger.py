"""Transactions of leases, asked of a node that is behind others: by its word nothing is done."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from protocol.chain.views import LeaseState, LeaseView
from protocol.messages import Bid
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import TransientError
from provider_node.ledger import Ledger
from tests.lease_views import lease_view
from tests.strategies.provider import BID

pytestmark = pytest.mark.trio
CONTEXT = Context(MachineId("lease", bytes(32)), bytes(32), 0)
EFFECT = SimpleNamespace(output_root=bytes(32))
State = LeaseState
CALLS = ("start", "post_result", "finalize", "expire", "close_by_provider")


class FakeNode:
    """Says of every lease that it stands at `state`, and takes every transaction."""

    def __init__(self, state: State) -> None:
        self.view, self.sent = lease_view(state), 0
        call = SimpleNamespace(what="a call")
        self.blocking = SimpleNamespace(escrow=SimpleNamespace(**dict.fromkeys(CALLS, lambda *_: call)))

    async def run(self, *_: Any) -> LeaseView:
        return self.view

    async def send(self, *_: Any) -> None:
        self.sent += 1


def ledger_at(node: FakeNode) -> Ledger:
    bid = SimpleNamespace(owner=bytes(20), struct_hash=lambda: bytes(32), start_deadline=10)
    loop = SimpleNamespace(state=lambda _: SimpleNamespace(bid=bid, reason="so"))
    rest = SimpleNamespace(height=100, forget=lambda _: None)
    return Ledger(*cast(Any, (node, loop, rest, rest, node)))


@pytest.mark.parametrize(
    ("name", "behind", "wanted", "done"),
    [
        ("start", [State.NONE], [State.OPENED], [State.RUNNING, State.START_MISSED]),
        (
            "post",
            [State.NONE, State.OPENED],
            [State.RUNNING, State.CLOSING],
            [State.POSTED, State.RESULT_MISSED],
        ),
        ("finalize", [State.NONE, State.RUNNING], [State.POSTED], [State.FINALIZED, State.CONVICTED]),
        ("close", [State.NONE], [State.OPENED, State.RUNNING], [State.PROVIDER_CLOSED, State.CLIENT_CLOSED]),
    ],
)
async def test_what_a_node_that_is_behind_says_counts_for_nothing(
    name: str, behind: list[State], wanted: list[State], done: list[State]
) -> None:
    for state in behind:
        node = FakeNode(state)
        with pytest.raises(TransientError, match=f"is behind says that the lease is {state.name}"):
            await getattr(ledger_at(node), name)(EFFECT, CONTEXT)
        assert node.sent == 0
    for state in wanted + done:
        node = FakeNode(state)
        await getattr(ledger_at(node), name)(EFFECT, CONTEXT)
        assert node.sent == (state in wanted), state.name


async def test_a_withdrawal_is_of_one_token() -> None:
    """The contract refuses a batch of several (`Escrow_MixedBatch`): nobody would be paid any more."""
    batches, sent = list[list[int]](), list[object]()

    def withdraw(bids: list[Bid]) -> object:
        batches.append([bid.capacity_nonce for bid in bids])
        return len(batches)

    async def send(call: object) -> None:
        sent.append(call)

    here: Any = SimpleNamespace(
        blocking=SimpleNamespace(escrow=SimpleNamespace(withdraw=withdraw)), send=send
    )
    bids = [replace(BID, token=token, capacity_nonce=n) for n, token in enumerate((0, 1, 0, 2, 1))]
    await Ledger(here, here, here, here, here)._withdraw(bids)
    assert sorted(batches) == [[0, 2], [1, 4], [3]]
    assert sent == [1, 2, 3]
