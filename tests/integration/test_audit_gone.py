"""An auditor that has committed to the truth accuses and plays from what it has, served no more."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.dispute.audits import Stage
from protocol.dispute.records import Conviction
from protocol.games.board import openings_by
from protocol.messages import Receipt, open_signed, sign
from protocol.types import ArtifactId, BlockNo, LeaseId
from tests.audit_rig import TOWERS, Towers, answers_of, enlist, order
from tests.chain_helpers import OPERATOR
from tests.game_rig import FLIP, open_cheat
from tests.integration.test_watchtower_delivery import answering_late
from tests.provider_rig import make_job
from tests.watch_rig import ITEMS, Provider, open_provider

pytestmark = [pytest.mark.trio, pytest.mark.soak]
WIDTH, DEPTH = 256, 2
CONFIRMED = 3
"""Blocks after which what the provider revealed is read."""


def vanish(provider: Provider, lease: LeaseId, folder: Path) -> None:
    """Serve nothing from now on."""
    provider.receipts.clear()
    provider.served = False


def keep_back(provider: Provider, lease: LeaseId, folder: Path) -> None:
    """Serve all that was served before: the outputs are still to be had by demands alone."""


def disguise(provider: Provider, lease: LeaseId, folder: Path) -> None:
    """Serve a receipt whose specification has the bid's roots, and names another program."""
    domain, spec = provider.net.chain(OPERATOR).domain, provider.job.spec
    strange = make_job(provider.store, folder / "strange", ITEMS, WIDTH, DEPTH + 1).spec
    named = replace(spec, program=strange.program, program_bytes=strange.program_bytes)
    receipt = open_signed(provider.receipts[lease], Receipt, domain).message
    receipt = replace(receipt, spec=ArtifactId(provider.store.put_bytes(named.encode())))
    provider.receipts[lease] = sign(receipt, domain, provider.net.keys[OPERATOR]).encode()


@pytest.mark.parametrize("turn", [vanish, disguise, keep_back])
async def test_who_is_served_nothing_after_it_has_committed_wins_all_the_same(
    localnet: Localnet, tmp_path: Path, turn: object
) -> None:
    tower = TOWERS[0]
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(
            open_provider(localnet, tmp_path, width=WIDTH, depth=DEPTH)
        )
        cheat = await open_cheat(stack, provider, tmp_path, FLIP)
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        await trio.to_thread.run_sync(enlist, localnet, tower)
        bid = await cheat.post()
        lease, outputs = bid.lease_id(), tmp_path / "false-outputs"
        provider.hidden.add(provider.store.put_file(outputs))
        nursery.start_soon(answers_of(provider, bid, cheat.accused).play)
        nursery.start_soon(cheat.defend, bid)
        nursery.start_soon(answering_late, localnet, bid, outputs)
        towers = Towers(localnet, tmp_path, nursery)
        towers.start(tower)
        fee = await trio.to_thread.run_sync(order, provider, bid, 1)
        await towers.until(tower, lambda note: note.part in ("committed", "revealed", "accusing"))
        await trio.to_thread.run_sync(turn, provider, lease, tmp_path)
        chain, me = localnet.chain(), localnet.chain(tower).address
        with trio.fail_after(300):
            while chain.audit(lease, True).stage is not Stage.CONTESTED:
                await trio.sleep(0.2)
            await trio.to_thread.run_sync(localnet.anvil.mine, CONFIRMED)
            while not openings_by(chain, me, BlockNo(0)):  # on a loaded machine the window waits for it
                await trio.sleep(0.2)
            assert chain.demands_of(lease) == ()
            nursery.start_soon(towers.pass_time)
            while chain.verdict(lease).how is Conviction.NONE:
                await trio.sleep(0.2)
        over = await towers.until(tower, lambda note: note.over)
        assert over.fee == fee, over.doing
        auditor = chain.auditor(me)
        assert (auditor.stake, auditor.left_at) == (chain.audit_prices.stake, 0)
        nursery.cancel_scope.cancel()
