"""Providers that serve nothing, or all but one leaf: real processes over one chain."""

from pathlib import Path

import pytest
import trio

from protocol.chain.views import LeaseState
from protocol.crypto import address_of
from protocol.dispute.records import Conviction
from tests.adversary_rig import ended_of, world
from tests.demander import Demander
from tests.provider_rig import OPERATOR
from watchtower.verdicts import Finding, Verdicts

pytestmark = [
    pytest.mark.xdist_group("e2e-cheat"),
    pytest.mark.trio,
    pytest.mark.soak,
    pytest.mark.timeout(600),
]

RIGHT, WRONG = "withheld", "withheld, flip -1 0 0"
NOTHING, ALL_BUT_ONE = "withheld, mute -1 -1", "withheld, mute 1 3"
CLOCK = 30
"""Demands of strangers queue for up to eight of them."""


async def test_a_right_root_whose_outputs_are_withheld_is_forced_out_or_convicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = (RIGHT, WRONG, NOTHING, ALL_BUT_ONE)
    async with world(tmp_path, monkeypatch, lies, move_clock=CLOCK, attempts=2) as made:
        before = made.accounts()
        bids = {}
        for lie in lies:
            bids[lie] = await made.post(lie)
            if lie in (RIGHT, WRONG):
                made.pulse.patient += (bids[lie],)
        chain, verdicts = made.chain, Verdicts(tmp_path / "tower" / "verdicts")
        with trio.fail_after(400):
            while len(await trio.to_thread.run_sync(verdicts.by_lease)) < len(lies):
                assert made.tower.alive, made.tower.said()
                await trio.sleep(0.5)
        await made.convicted([bids[WRONG]])
        found = {each.lease: each for each in verdicts.all()}
        said = {lie: found[f"0x{bid.lease_id().hex()}"] for lie, bid in bids.items()}
        assert {lie: each.finding for lie, each in said.items()} == {
            RIGHT: Finding.MATCH,
            WRONG: Finding.MISMATCH,
            NOTHING: Finding.UNAVAILABLE,
            ALL_BUT_ONE: Finding.UNAVAILABLE,
        }, [each.detail for each in said.values()]
        rewards = 0
        for lie, how in (
            (WRONG, Conviction.PROVEN),
            (NOTHING, Conviction.SILENT),
            (ALL_BUT_ONE, Conviction.SILENT),
        ):
            lease = bids[lie].lease_id()
            verdict, (ended,) = chain.verdict(lease), ended_of(chain, lease)
            assert (verdict.how, verdict.settled) == (how, True), lie
            assert (ended.to_owner, ended.seized + ended.burnt) == (0, bids[lie].bond)
            rewards += verdict.reward
        lease = bids[RIGHT].lease_id()
        assert chain.lease(lease).state is LeaseState.POSTED
        assert chain.lease(lease).freezes == 0
        answered = [
            each for each in chain.demands_of(bids[ALL_BUT_ONE].lease_id()) if each.answer is not None
        ]
        assert answered, "all but one was to be had"
        for judge in (chain.disputes.address, chain.delivery.address):
            assert chain.balance(judge) == 0, "coin is stuck"
            assert chain.token_balance(0, judge) == 0, "tokens are stuck"
        assert made.accounts().tower_tokens - before.tower_tokens == rewards > 0


async def test_a_client_that_demands_what_it_was_served_gains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch, [""], move_clock=CLOCK, watched=False) as made:
        made.window, made.items = 1_000, 1  # whoever demands as here is told the same bytes of one item alone
        bid = await made.post("")
        chain, operator = made.client.chain, address_of(made.net.keys[OPERATOR])
        before, credits_ = chain.balance(operator), made.accounts().client_credits
        root = chain.lease(bid.lease_id()).output_root
        demander = Demander(chain, bid, tmp_path / "job0", root, made.items)
        with trio.fail_after(200):
            while not await trio.to_thread.run_sync(demander.turn):
                await trio.sleep(0.2)
        await trio.to_thread.run_sync(demander.collect)
        assert len(chain.demands_of(bid.lease_id())) > 10
        assert chain.balance(operator) > before - 10**14, "answering was repaid"
        assert chain.balance(chain.delivery.address) == 0, "coin is stuck"
        assert chain.verdict(bid.lease_id()).how is Conviction.NONE
        for _ in range(10):
            await trio.to_thread.run_sync(made.net.anvil.mine, made.window // 10)
        await made.client.until(bid.lease_id(), "finalized")
        assert made.accounts().client_credits >= credits_, "what is left of the deposit"
        (ended,) = ended_of(made.chain, bid.lease_id())
        assert ended.to_owner > 0, "an honest provider is paid"
        assert ended.burnt == 0
