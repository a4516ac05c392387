"""The auditor's own run of a drawn item. Nothing of the provider's is taken over but the job."""

from protocol.dispute.audits import Roots
from protocol.engines.worker.dispute_records import (
    AccuseArgs,
    AccuseResult,
    Item,
    OpenTraceArgs,
    OpenTraceResult,
)
from protocol.games.asking import ask, hash32, reading
from protocol.messages import Bid
from protocol.runtime.child import Child
from protocol.types import Hash32, TransientError, to_hex
from watchtower.auditing.survey import Seen
from watchtower.fetching import Hold
from watchtower.judge import PostedResult
from watchtower.obtaining import Rig, WithheldError, keep, obtain


async def run_item(rig: Rig, child: Child, seen: Seen, limit_s: float) -> Roots:
    """Return what the drawn item comes to here; in `limit_s` seconds of execution at most.

    `TransientError` if the job cannot be had now, or this machine computes it in two ways. `InputError` if it
    cannot be run here at all.
    """
    result = await _result(rig, seen)
    try:
        job, served = await obtain(rig, child, result, _held(result)), True
    except WithheldError as error:
        job, served = error.job, False
    files = job.files
    item = Item(
        str(files.program),
        str(files.inputs),
        seen.sight.audit.item,
        rig.config.device,
        rig.config.threads,
        limit_s,
    )
    # Before anything is committed to: a game may follow, in which the provider serves nothing any more.
    # Outputs that it serves to nobody are demanded then.
    keep(rig, result, job)
    if not served:
        return await _roots(child, item, fresh=False)
    args = AccuseArgs(item, str(files.outputs))
    found = await ask(child, args, AccuseResult)
    with reading(child, args.OP):
        roots = Roots(hash32(found.trace_root), hash32(found.item_root))
    # A false accusation costs half of the stake: what differs from the result is computed twice.
    if found.differs and await _roots(child, item, fresh=True) != roots:
        raise TransientError(f"item {item.item} comes out in two ways on this machine")
    return roots


async def _roots(child: Child, item: Item, *, fresh: bool) -> Roots:
    args = OpenTraceArgs(item, fresh)
    found = await ask(child, args, OpenTraceResult)
    with reading(child, args.OP):
        return Roots(hash32(found.trace_root), hash32(found.item_root))


async def _result(rig: Rig, seen: Seen) -> PostedResult:
    bid: Bid = seen.opened.bid
    root = await rig.chain.run(lambda chain: chain.result(bid.lease_id()))
    return PostedResult(bid.lease_id(), bid, Hash32(root), seen.sight.window_end)


def _held(result: PostedResult) -> Hold:
    # No longer: a game that comes of it holds for itself, and audits of large jobs must not fill the store.
    return Hold(f"audit {to_hex(result.lease)}", result.window_end)
