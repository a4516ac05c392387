"""A client whose provider serves nothing: it demands the outputs on a real chain, or is made whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trio

from client_sdk.burning import burn_fee, check_burn, terms_of
from client_sdk.calls import settled_for_user
from client_sdk.job import Limits
from client_sdk.job_run import JobRun
from client_sdk.outcome import NoResultError, result_of
from client_sdk.wallet import Wallet
from protocol.auction.auction import Won
from protocol.chain.client import Chain
from protocol.chain.delivery_reads import SeenDemand
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.dispute.delivery import Kind
from protocol.types import Amount, Blocks, InputError
from tests.chain_helpers import ready_client
from tests.client_rig import UNIT, bids, client_session, expected, small_job, stub_provider
from tests.silent_rig import ITEMS, PROVIDER, Answers, Silent, silent

pytestmark = [pytest.mark.trio]


async def settled(run: JobRun) -> None:
    """Wait for the user's answer, and for the last bond."""
    with trio.fail_after(120):
        await run.loop.wait_for(run.machine, settled_for_user)
        await run.delivery.idle()


def said(run: JobRun) -> str:
    return "\n".join(event.text for event in run.story.events)


async def test_outputs_that_nobody_serves_come_over_the_chain(localnet: Localnet, tmp_path: Path) -> None:
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", lambda _: True, session) as provider,
    ):
        run = provider.run
        await settled(run)
        result = result_of(run.lease_state(), run.folder)  # type: ignore[arg-type]
        got = next(iter(np.load(result.path.parent.parent / "outputs.npz").values()))
        wanted = expected(small_job(tmp_path / "job", ITEMS), tmp_path / "job")
        assert [each.tobytes() for each in got] == [each.tobytes() for each in wanted]
        assert "13 demands" in said(run)
        assert "the chain has shown all outputs" in said(run)
        assert len(provider.answered) == 13
        chain = localnet.chain()
        assert chain.balance(chain.delivery.address) == 0, "every bond came back"
        assert chain.lease(provider.bid.lease_id()).freezes == 0


async def test_a_client_that_was_away_finds_its_demands_answered_and_collects(
    localnet: Localnet, tmp_path: Path
) -> None:
    """The session ends with demands open, which are answered; another one goes on from the chain."""
    job = small_job(tmp_path / "job", ITEMS, limits=Limits(time=200, window=200, auction=0.7))
    async with stub_provider(localnet, PROVIDER, bids(10)), trio.open_nursery() as nursery:
        async with client_session(localnet, tmp_path) as session:
            run, _ = await session.auction(await session.prepare(job), 5 * UNIT)
            assert isinstance(await session.open(run), Won)
            provider = Silent(localnet, session, run, tmp_path / "job", lambda _: True)
            await trio.to_thread.run_sync(provider.post)
            run.delivery.patience_s = 1.0
            chain, lease = localnet.chain(), provider.bid.lease_id()
            with trio.fail_after(60):
                while not await read(chain, lease):
                    await trio.sleep(0.1)
        await trio.to_thread.run_sync(provider.answer)
        assert all(each.answer is not None for each in await read(chain, lease))
        assert chain.balance(chain.delivery.address) > 0
        nursery.start_soon(provider.play)
        async with client_session(localnet, tmp_path) as session:
            run = await session.resume(session.setup.home.job("last"))
            await settled(run)
            assert result_of(run.lease_state(), run.folder).path.exists()  # type: ignore[arg-type]
        assert chain.balance(chain.delivery.address) == 0, "every bond came back"
        nursery.cancel_scope.cancel()


async def test_garbage_behind_the_last_item_convicts_though_all_is_answered(
    localnet: Localnet, tmp_path: Path
) -> None:
    """No outputs hash to what was posted, and nobody can be asked to show more: the root itself is wrong."""
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", lambda _: True, session, behind=True) as provider,
    ):
        run, chain, lease = provider.run, localnet.chain(), provider.bid.lease_id()
        with trio.fail_after(60):
            while "the result has items that the job has not" not in said(run):
                await trio.sleep(0.1)
        assert len(provider.answered) == 1, "the items' tree was enough"
        await trio.to_thread.run_sync(localnet.anvil.mine, 12)  # the claim period
        await settled(run)
        assert (await trio.to_thread.run_sync(chain.lease, lease)).state is LeaseState.CONVICTED
        assert chain.balance(chain.delivery.address) == 0, "every bond came back"


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        (lambda _: False, "nothing"),
        (lambda each: each.wanted.kind is not Kind.LEAVES or each.spot.item != 4, "all but one leaf"),
    ],
    ids=["nothing", "all-but-one"],
)
async def test_a_provider_that_withholds_is_convicted_and_the_client_made_whole(
    localnet: Localnet, tmp_path: Path, answers: Answers, what: str
) -> None:
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", answers, session) as provider,
    ):
        run, chain = provider.run, localnet.chain()
        lease, client = provider.bid.lease_id(), session.purse.address
        before = chain.credits(0, client)
        with trio.fail_after(60):
            while not any(not answers(each) for each in await read(chain, lease)):
                await trio.sleep(0.1)
        assert len(provider.answered) >= (0 if what == "nothing" else 1)
        await trio.sleep(2)
        owed = [each.now.until for each in await read(chain, lease) if each.now.status.open]
        await trio.to_thread.run_sync(localnet.anvil.mine, max(owed) - chain.clock() + 1)
        with trio.fail_after(60):
            while "convicted of silence" not in said(run):
                await trio.sleep(0.1)
        await trio.to_thread.run_sync(localnet.anvil.mine, 12)  # the claim period
        await settled(run)
        with pytest.raises(NoResultError):
            result_of(run.lease_state(), run.folder)  # type: ignore[arg-type]
        assert (await trio.to_thread.run_sync(chain.lease, lease)).state is LeaseState.CONVICTED
        assert chain.balance(chain.delivery.address) == 0, "every bond came back"
        paid = run.lease_state().settlement  # type: ignore[union-attr]
        assert paid is not None
        assert (paid.to_owner, chain.credits(0, client)) == (0, before + paid.to_client)
        assert paid.to_client > 0
        assert chain.stake(provider.bid.owner, 0).locked == 0


async def read(chain: Chain, lease: bytes) -> tuple[SeenDemand, ...]:
    return await trio.to_thread.run_sync(chain.demands_of, lease)


async def test_the_fee_of_what_is_too_large_to_be_demanded_can_be_burnt_by_the_client_alone(
    localnet: Localnet, tmp_path: Path
) -> None:
    fee = UNIT // 10
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", lambda _: True, session, 201, completion_fee=fee) as provider,
    ):
        bid, run = provider.bid, provider.run
        with trio.fail_after(60):
            while "too many to demand" not in said(run):
                await trio.sleep(0.1)
        assert await read(localnet.chain(), bid.lease_id()) == ()
        chain, wallet = localnet.chain(1), session.setup.wallet
        spec, store = run.record.job_spec, session.store
        terms = await trio.to_thread.run_sync(terms_of, store.path(spec.program), store.path(spec.inputs))
        with pytest.raises(InputError, match="no completion fee"):
            check_burn(chain, wallet, replace(bid, completion_fee=Amount(0)))
        with pytest.raises(InputError, match="only the client"):
            check_burn(chain, Wallet(localnet.keys[6]), bid)
        with pytest.raises(InputError, match="as much as the fee"):
            check_burn(chain, wallet, bid)
        await trio.to_thread.run_sync(ready_client, localnet, 10 * UNIT)
        before = chain.credits(0, bid.client)
        check_burn(chain, wallet, bid)
        small = replace(terms, shape=replace(terms.shape, items=200))
        with pytest.raises(InputError, match="can be demanded"):
            burn_fee(chain, wallet, bid, small)
        assert await trio.to_thread.run_sync(burn_fee, chain, wallet, bid, terms) == fee
        assert chain.credits(0, bid.client) == before - fee
        await trio.to_thread.run_sync(localnet.anvil.mine, 201)
        with pytest.raises(InputError, match="window ended"):
            check_burn(chain, wallet, bid)


async def test_nothing_is_demanded_beyond_the_budget(localnet: Localnet, tmp_path: Path) -> None:
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", lambda _: True, session) as provider,
    ):
        provider.run.delivery.given = 10**9  # type: ignore[assignment]
        with trio.fail_after(60):
            while "the budget is" not in said(provider.run):
                await trio.sleep(0.1)
        assert await read(localnet.chain(), provider.bid.lease_id()) == ()
        assert Blocks(0) == localnet.chain().lease(provider.bid.lease_id()).freezes
