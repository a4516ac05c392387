"""Watchtower daemons as auditors, on a real chain."""

import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.crypto import cut_keccak256
from protocol.dispute.records import Conviction
from protocol.engines.worker.dispute_records import AccuseResult
from protocol.engines.worker.game_wire import JOBS
from protocol.tape.merkle import climb
from protocol.types import ArtifactId, Blocks, Hash32, Verification
from tests.audit_rig import TO_DRAW, TOWERS, Towers, answers_of, enlist, order
from tests.game_rig import FLIP, open_cheat
from tests.watch_rig import open_provider
from watchtower.standings import Standings

pytestmark = pytest.mark.trio
WINDOW = Blocks(300)


async def test_two_watchtowers_are_paid_for_agreeing_through_a_crash_between_commitment_and_reveal(
    localnet: Localnet, tmp_path: Path
) -> None:
    first, second = TOWERS
    async with open_provider(localnet, tmp_path, depth=2) as provider, trio.open_nursery() as nursery:
        await trio.to_thread.run_sync(enlist, localnet, *TOWERS)
        bid = provider.bid(1, challenge_window=WINDOW, verification=int(Verification.TAPE))
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        chain = localnet.chain()
        before = [chain.token_balance(0, localnet.chain(each).address) for each in TOWERS]
        towers = Towers(localnet, tmp_path, nursery)
        crashing = towers.start(first)
        fee = await trio.to_thread.run_sync(order, provider, bid, 2, chain.audit_clocks.draw)
        # Nobody drew in time: the tower has another block draw.
        with trio.fail_after(120):
            while chain.audit(bid.lease_id(), True).draw_block < chain.block_number():
                await trio.sleep(0.1)
        await trio.to_thread.run_sync(localnet.anvil.mine, TO_DRAW)
        answers = answers_of(provider, bid)
        answers.silent = True
        nursery.start_soon(answers.play)
        await towers.until(first, lambda note: note.part == "committed")
        crashing.cancel()
        # Neither its files nor the provider's are there any more: salt and run are made anew.
        shutil.rmtree(towers.data(first))
        towers.start(first)
        towers.start(second)
        await towers.until(second, lambda note: note.part == "committed")
        answers.silent = False
        for tower in TOWERS:
            over = await towers.until(tower, lambda note: note.over)
            assert (over.fee, over.reward, over.doing) == (fee, 0, "")
        with trio.fail_after(60):
            while [
                chain.token_balance(0, localnet.chain(each).address) - had
                for each, had in zip(TOWERS, before, strict=True)
            ] != [fee, fee]:
                await trio.sleep(0.2)
        assert chain.lease(bid.lease_id()).freezes == 0
        for tower in TOWERS:
            with trio.fail_after(60):
                while "0 audits under way" not in (note := towers.auditor(tower)).text or note.owed:
                    await trio.sleep(0.1)
        nursery.cancel_scope.cancel()


async def test_inputs_that_are_served_to_nobody_cost_an_auditor_nothing_and_served_late_are_run(
    localnet: Localnet, tmp_path: Path
) -> None:
    first, second = TOWERS
    async with open_provider(localnet, tmp_path, depth=2) as provider, trio.open_nursery() as nursery:
        await trio.to_thread.run_sync(enlist, localnet, *TOWERS)
        bid = provider.bid(1, challenge_window=WINDOW, verification=int(Verification.TAPE))
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        inputs = ArtifactId(provider.job.spec.inputs)
        provider.hidden.add(inputs)
        towers = Towers(localnet, tmp_path, nursery)
        crashing = towers.start(first)
        fee = await trio.to_thread.run_sync(order, provider, bid, 2)
        nursery.start_soon(answers_of(provider, bid).play)
        chain, lease = localnet.chain(), bid.lease_id()
        auditors = [localnet.chain(each).address for each in TOWERS]
        staked = [chain.auditor(each) for each in auditors]
        refused = await towers.until(first, lambda note: "artifact" in note.doing)
        assert refused.part == "assigned", "there is time to try again"
        crashing.cancel()
        half = chain.audit(lease, True).commit_until - chain.audit_clocks.commit // 2
        await trio.to_thread.run_sync(localnet.anvil.mine, half - chain.clock())
        towers.start(first)
        over = await towers.until(first, lambda note: note.over)
        assert over.doing.startswith("abstained, without pay or loss"), over.doing
        assert "artifact" in over.doing, "and why"
        assert over.fee == over.reward == 0
        assert chain.clock() < chain.audit(lease, True).commit_until
        # It is late, but who can answer does.
        provider.hidden.clear()
        towers.start(second)
        paid = await towers.until(second, lambda note: note.over)
        assert (paid.fee, paid.doing) == (fee, "")
        for auditor, before in zip(auditors, staked, strict=True):
            now = chain.auditor(auditor)
            assert (now.stake, now.left_at, now.busy) == (before.stake, 0, 0)
        assert chain.audit_credit(0, localnet.chain(1).address) == fee, "one is paid back"
        assert chain.lease(lease).freezes == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("lie", ["result", pytest.param("trace", marks=pytest.mark.soak)])
async def test_what_an_audit_finds_becomes_a_game_and_convicts(
    localnet: Localnet, tmp_path: Path, lie: str
) -> None:
    """A false result, and a right one over whose item a made-up trace is revealed (RULES 8).

    The outputs are served to nobody, and need not be: the game takes what the provider revealed of the item.
    """
    tower = TOWERS[0]
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(localnet, tmp_path, width=256, depth=2))
        # The worker that lies flips nothing at a node which no program has.
        cheat = await open_cheat(stack, provider, tmp_path, FLIP if lie == "result" else "9999:0:0")
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        await trio.to_thread.run_sync(enlist, localnet, tower)
        bid = await cheat.post()
        provider.hidden.add(provider.store.put_file(tmp_path / "false-outputs"))

        async def run(item: int) -> AccuseResult:
            found = await cheat.accused(item)
            if lie == "result":
                return found
            end = (bytes(cut_keccak256(b"made up")), *found.end[1:])
            last = JOBS.decode(found.job).program
            root = climb(Hash32(end[0]), last.nodes - last.outputs - 1, tuple(map(Hash32, end[1:])))
            return replace(found, trace_root=root, end=end)

        chain, auditor = localnet.chain(), localnet.chain(tower)
        tokens = chain.token_balance(0, auditor.address)
        nursery.start_soon(answers_of(provider, bid, run).play)
        nursery.start_soon(cheat.defend, bid)
        towers = Towers(localnet, tmp_path, nursery)
        # No limit on games is one on this: half of the stake is at risk.
        towers.start(tower, bond_per_game="0", bond_per_day="0", gas_per_game="0", gas_per_day="0")
        fee = await trio.to_thread.run_sync(order, provider, bid, 1)
        with trio.fail_after(120):
            # The game's share; and, where the audit convicted, the auditor's part before it.
            while chain.verdict(bid.lease_id()).claims < (1 if lie == "result" else 2):
                await trio.sleep(0.1)
        nursery.start_soon(towers.pass_time)  # the claim period
        over = await towers.until(tower, lambda note: note.over)
        with trio.fail_after(60):
            while not (standings := Standings(towers.data(tower) / "games").all()) or not standings[0].over:
                await trio.sleep(0.1)
        verdict, (game,) = chain.verdict(bid.lease_id()), standings[0].games
        assert verdict.how is (Conviction.PROVEN if lie == "result" else Conviction.SILENT)
        assert chain.lease(bid.lease_id()).state is LeaseState.CONVICTED
        assert chain.demands_of(bid.lease_id()) == (), "what is demanded comes as late as the provider likes"
        note = chain.auditor(auditor.address)
        assert (note.stake, note.left_at) == (chain.audit_prices.stake, 0)
        assert over.fee == fee
        assert over.reward + game.reward == verdict.reward > 0
        with trio.fail_after(60):
            while chain.token_balance(0, auditor.address) - tokens != fee + over.reward + game.reward:
                await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
