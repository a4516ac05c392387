"""A provider daemon that changes one bit is convicted by a watchtower: real processes, a block a second."""

from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import run_localnet
from protocol.chain.views import LeaseState
from protocol.dispute.records import Conviction
from protocol.messages import Quote
from tests.game_rig import FLIP, TOWER, TowerProcess
from tests.provider_rig import make_job, open_client, provider_home
from watchtower.standings import Standings

pytestmark = [pytest.mark.xdist_group("e2e-cheat"), pytest.mark.trio]


async def test_a_lying_daemon_defends_itself_and_is_convicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = tmp_path / "networks.yaml"
    terms = {"start_blocks": 40, "result_blocks": 40}
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks, price=terms) as provider,
    ):
        provider.module, provider.extra = "tests.cheat.provider", {"CHEAT_FLIP": FLIP}
        provider.start()
        tower = TowerProcess(net, tmp_path, networks, monkeypatch)
        async with open_client(net, tmp_path) as client:
            await provider.meet(client)
            job = make_job(client.store, tmp_path / "job", items=2, width=256, depth=2)
            quote = await client.ask(job, verification=1, challenge_window=500, max_blocks=60)
            assert isinstance(quote, Quote), quote
            lease = await client.open(quote)
            await client.until(lease, "posted")
            chain = net.chain()
            tokens = chain.token_balance(0, net.chain(TOWER).address)
            watching = tower.start()
            try:
                await client.until(lease, "convicted", wait_s=240.0)
                standings = Standings(tmp_path / "tower" / "games")
                with trio.fail_after(60):
                    while not (seen := standings.all()) or not seen[0].over:
                        await trio.sleep(0.2)
            finally:
                watching.terminate()
                watching.wait()
        verdict = chain.verdict(lease)
        assert chain.lease(lease).state is LeaseState.CONVICTED
        assert verdict.how is Conviction.PROVEN
        assert chain.token_balance(0, net.chain(TOWER).address) - tokens == verdict.reward > 0
        (game,) = seen[0].games
        assert (game.item, game.node, game.element, game.segment) == (0, 1, 1, 7)
