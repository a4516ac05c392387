"""From the contract's answer to the lease machine's view of the chain."""

from protocol.chain.views import LeaseState, LeaseView
from protocol.lease.provider_types import ChainLease, Stage
from protocol.messages import Bid
from protocol.types import BlockNo

_STAGES = {
    LeaseState.NONE: Stage.ABSENT,
    LeaseState.OPENED: Stage.OPEN,
    LeaseState.RUNNING: Stage.STARTED,
    LeaseState.CLOSING: Stage.STARTED,
    LeaseState.SERVING: Stage.STARTED,
    LeaseState.POSTED: Stage.POSTED,
    LeaseState.FINALIZED: Stage.SETTLED,
    LeaseState.CONVICTED: Stage.CONVICTED,
}
"""Every other state is a close."""


def chain_lease(bid: Bid, view: LeaseView) -> ChainLease:
    """Return what the machine has to know of the lease of `bid`."""
    stage = _STAGES.get(view.state, Stage.CLOSED)
    opened = view.state is LeaseState.OPENED
    posted = stage in (Stage.POSTED, Stage.SETTLED, Stage.CONVICTED)
    return ChainLease(
        stage=stage,
        start_by=BlockNo(view.opened_at + bid.start_deadline) if opened else BlockNo(0),
        started_at=view.started_at,
        result_by=view.deadline,
        posted_at=view.last_beat if posted else BlockNo(0),
        window_end=BlockNo(view.last_beat + bid.challenge_window) if posted else BlockNo(0),
        output_root=view.output_root,
        paid_blocks=view.paid_blocks,
        withdrawn_blocks=view.withdrawn_blocks,
        funded_blocks=view.funded_blocks,
        closing=view.state is LeaseState.CLOSING,
        frozen=view.freezes > 0,
        ending=view.state.name.lower().replace("_", "-") if stage >= Stage.SETTLED else "",
    )
