"""What the contract answers, as the lease machine reads it."""

from typing import Any

import pytest

from protocol.chain.views import LeaseState, LeaseView
from protocol.lease.provider_types import Stage
from protocol.types import BlockNo, LeaseId
from provider_node.views import chain_lease
from provider_node.watcher import Watcher
from tests.lease_views import lease_view
from tests.strategies.provider import BID, fresh


def view(state: LeaseState, **changes: int) -> LeaseView:
    return lease_view(state, **{"grace": 10, "funded_blocks": 40, **changes})


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        (LeaseState.NONE, Stage.ABSENT),
        (LeaseState.OPENED, Stage.OPEN),
        (LeaseState.RUNNING, Stage.STARTED),
        (LeaseState.CLOSING, Stage.STARTED),
        (LeaseState.POSTED, Stage.POSTED),
        (LeaseState.FINALIZED, Stage.SETTLED),
        (LeaseState.CONVICTED, Stage.CONVICTED),
        (LeaseState.CLIENT_CLOSED, Stage.CLOSED),
        (LeaseState.PROVIDER_CLOSED, Stage.CLOSED),
        (LeaseState.START_MISSED, Stage.CLOSED),
        (LeaseState.RESULT_MISSED, Stage.CLOSED),
        (LeaseState.RAN_OUT, Stage.CLOSED),
    ],
)
def test_every_state_of_the_contract_has_a_stage(state: LeaseState, stage: Stage) -> None:
    found = chain_lease(BID, view(state))
    assert found.stage == stage
    assert bool(found.ending) == (stage >= Stage.SETTLED)


def test_deadlines_are_absolute_heights() -> None:
    opened = chain_lease(BID, view(LeaseState.OPENED, opened_at=100))
    assert opened.start_by == 100 + BID.start_deadline
    running = chain_lease(
        BID, view(LeaseState.RUNNING, started_at=110, deadline=160, paid_blocks=9, withdrawn_blocks=3)
    )
    assert (running.paid_blocks, running.withdrawn_blocks, running.funded_blocks) == (9, 3, 40)
    assert (running.started_at, running.result_by, running.closing) == (110, 160, False)
    assert chain_lease(BID, view(LeaseState.CLOSING, deadline=120)).closing
    posted = chain_lease(BID, view(LeaseState.POSTED, last_beat=130, freezes=1))
    assert (posted.posted_at, posted.window_end, posted.frozen) == (130, 130 + BID.challenge_window, True)


def test_an_end_that_was_seen_at_a_made_up_height_is_not_held_back_for_so_many_blocks() -> None:
    nothing: Any = None
    watcher = Watcher(nothing, nothing, confirmations=3, poll_s=1.0)
    seen, told = chain_lease(BID, view(LeaseState.FINALIZED)), []
    for watcher.height in map(BlockNo, (1_000_000, 20, 21, 22)):
        told.append(watcher._confirmed(LeaseId(b"\1" * 32), seen, fresh()) is not None)
    assert told == [False, False, False, True]
