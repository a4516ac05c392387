"""A client that buys audits, on a real chain; provider and auditors are played by hand."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client_sdk.auditing import Outcome, sentence_of
from client_sdk.job import Job, Limits
from client_sdk.job_run import JobRun
from client_sdk.outcome import quotes_of
from protocol.auction.auction import Proposed, Won
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.dispute.audits import Stage
from protocol.messages import Bid
from protocol.types import Amount, InputError
from tests.audit_rig import TOWERS, Answering, Auditor, enlist
from tests.client_rig import UNIT, bids, client_session, small_job, stub_provider
from tests.silent_rig import PROVIDER, Silent

pytestmark = [pytest.mark.trio]
WINDOW = 400.0


def audited(folder: Path, audits: int) -> Job:
    return small_job(folder, limits=Limits(time=200, window=WINDOW, auction=0.7), audits=audits)


def said(run: JobRun) -> str:
    return "\n".join(event.text for event in run.story.events)


def abstain(chain: Chain, bid: Bid) -> None:
    """Give one's task up as soon as it is drawn; blocking."""
    for _ in range(600):
        drawn = [each.auditor for each in chain.audit_tasks(bid.lease_id(), True)]
        if chain.address in drawn:
            seed = chain.audit(bid.lease_id(), True).seed
            chain.send(chain.audits.abstain(bid, True, drawn.index(chain.address), seed))
            return
        time.sleep(0.1)
    raise AssertionError("not drawn")


async def test_audits_are_ordered_after_the_result_and_what_is_not_drawn_comes_back(
    localnet: Localnet, tmp_path: Path
) -> None:
    chain, client = localnet.chain(), localnet.chain(1).address
    await trio.to_thread.run_sync(enlist, localnet, *TOWERS)
    async with (
        client_session(localnet, tmp_path) as session,
        stub_provider(localnet, PROVIDER, bids(10)),
        trio.open_nursery() as nursery,
    ):
        job = audited(tmp_path / "job", 3)
        run, state = await session.auction(await session.prepare(job), Amount(20 * UNIT))
        assert isinstance(state, Proposed)
        (quote,) = quotes_of(state, session.unit, lambda bid: session.audits_cost(run, bid))
        bid = state.ranking.ranked[0].entry.bid
        fee = chain.audit_fee(bid, 6)
        assert session.unit.parse(quote.audits, "audits") == 3 * fee
        assert isinstance(await session.open(run), Won)
        held = chain.token_balance(0, client)
        provider = Silent(localnet, session, run, tmp_path / "job", lambda _: True)
        assert chain.audit(bid.lease_id(), True).stage is Stage.NONE, "nobody is to know before the result"
        await trio.to_thread.run_sync(provider.post)
        with trio.fail_after(60):
            await run.auditing.ordered()
        assert chain.token_balance(0, client) == held - 3 * fee
        assert f"ordered 3 auditors for {session.unit.about(3 * fee)}" in said(run)
        store, spec = session.store, run.record.job_spec
        files = str(store.path(spec.program)), str(store.path(spec.inputs))
        auditor = Auditor(localnet.chain(TOWERS[0]), bid, files, tmp_path / "job" / "outputs")
        nursery.start_soon(Answering.by(localnet.chain(PROVIDER + 1), bid, files, auditor.outputs).play)
        await trio.to_thread.run_sync(localnet.anvil.mine, 5)
        await trio.to_thread.run_sync(abstain, localnet.chain(TOWERS[1]), bid)
        with trio.fail_after(60):
            while await trio.to_thread.run_sync(auditor.turn) is not None:
                await trio.sleep(0.1)
            await run.auditing.finished()
        assert auditor.chain.audit_credit(0, auditor.chain.address) == fee
        assert chain.token_balance(0, client) == held - fee, "one was not drawn, one abstained"
        fees = f"{session.unit.show(fee)} paid, {session.unit.show(Amount(2 * fee))} back"
        assert f"2 of 3 auditors drawn, {fees}; 1 auditor abstained" in said(run)
        assert "nobody has checked" not in said(run), "the other one has"
        assert run.record.audits_paid == fee
        gone = sentence_of(Outcome(2, 2, Amount(0), Amount(2 * fee), False, abstained=2), run.record)
        assert "2 auditors abstained" in gone
        assert gone.endswith("nobody has checked the result; run items again yourself, with gavel job verify")
        late = sentence_of(Outcome(2, 2, Amount(0), Amount(2 * fee), False, late=2), run.record)
        assert "2 auditors agreed with what was public already, unpaid: that proves nothing" in late
        assert late.endswith("nobody has checked the result; run items again yourself, with gavel job verify")
        silent = sentence_of(Outcome(2, 1, Amount(0), Amount(2 * fee), convicted=False), run.record)
        assert "no auditor answered" in silent
        wrong = sentence_of(Outcome(2, 2, Amount(0), Amount(2 * fee), False, accused=1), run.record)
        assert "1 auditor found another result, and could not prove it; run items again yourself" in wrong
        right = sentence_of(Outcome(2, 2, fee, fee, True, accused=1), run.record)
        assert right.endswith("1 auditor found another result: the provider is convicted")
        nursery.cancel_scope.cancel()


async def test_what_cannot_be_audited_is_said_before_anything_is_paid(
    localnet: Localnet, tmp_path: Path
) -> None:
    async with client_session(localnet, tmp_path) as session, stub_provider(localnet, PROVIDER, bids(10)):
        prepared = await session.prepare(audited(tmp_path / "job", 2))
        with pytest.raises(InputError, match="nobody is enrolled as an auditor"):
            await session.auction(prepared, Amount(20 * UNIT))
        await trio.to_thread.run_sync(enlist, localnet, TOWERS[0])
        with pytest.raises(InputError, match=r"2 auditors take more than 0\.25 LOC"):
            await session.auction(prepared, Amount(UNIT // 4))
        for changes, why in (
            ({"private": True}, "nobody else can read"),
            ({"verification": "none"}, "nobody judges"),
            ({"audits": 9}, "expected 0 to 8"),
        ):
            with pytest.raises(InputError, match=why):
                replace(prepared.job, **changes).checked()
        # The cap is for job and audits together, and the money for both must be there.
        run, state = await session.auction(prepared, Amount(20 * UNIT))
        assert isinstance(state, Proposed)
        chain = localnet.chain(1)
        rest = chain.token_balance(0, chain.address) - UNIT // 4
        await trio.to_thread.run_sync(chain.send, chain.token(0).transfer(localnet.chain(9).address, rest))
        with pytest.raises(InputError, match="audits are paid in tokens"):
            await session.open(run)
