"""A provider bids for no more artifacts than its store has room for, all its bids and leases together."""

from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import run_localnet
from protocol.messages import Decline, Quote
from protocol.store import Artifacts
from tests.chain_helpers import OPERATOR
from tests.provider_rig import long_job, make_job, open_client, provider_home

pytestmark = pytest.mark.xdist_group("provider")


@pytest.mark.trio
async def test_jobs_that_would_find_no_room_beside_others_are_declined(tmp_path: Path) -> None:
    """Each of two slots has half of the store: a larger job is declined, and bids close no other slot."""
    networks, made = tmp_path / "networks.yaml", Artifacts(tmp_path / "made")
    spec = long_job(made, tmp_path / "size", 4, items=200).spec
    made.close()
    # Outputs are as large as inputs, and lie there twice while they are made.
    quota = 2 * (spec.program_bytes + 3 * spec.input_bytes) + 40_000
    slow = {"start_blocks": 300, "result_blocks": 150, "bid_blocks": 300}
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks, price=slow, lease={"slots": 2}, quota=f"{quota} B") as daemon,
    ):
        daemon.start()
        async with open_client(net, tmp_path) as client:
            await daemon.meet(client)
            larger = await client.ask(long_job(client.store, tmp_path / "larger", 4, items=700))
            assert isinstance(larger, Decline), "it would leave the other slot less than its share"
            assert "store has room for" in larger.reason
            kinds = ((4, 200), (5, 200), (6, 550))
            jobs = [long_job(client.store, tmp_path / f"{depth}", depth, items) for depth, items in kinds]
            first, beside_a_bid = await client.ask(jobs[0]), await client.ask(jobs[1])
            assert isinstance(first, Quote)
            assert isinstance(beside_a_bid, Quote), "asking for a bid is free, and must not close other slots"
            await client.until(await client.open(first), "posted", "finalized")
            with trio.fail_after(30):
                while (await trio.to_thread.run_sync(daemon.call, "leases"))[0]["phase"] == "posting":
                    await trio.sleep(0.2)
            beside_a_lease = await client.ask(jobs[2])
            assert isinstance(beside_a_lease, Decline), "served on for a while, it takes its room"
            assert "store has room for" in beside_a_lease.reason


@pytest.mark.trio
async def test_an_operator_without_coin_bids_for_nothing(tmp_path: Path) -> None:
    """A lease that it could not start would cost both sides the show-up sum."""
    networks = tmp_path / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks) as daemon,
    ):
        operator = net.chain(OPERATOR).address
        net.anvil.call("anvil_setBalance", "0x" + operator.hex(), hex(10**9))
        daemon.start()
        async with open_client(net, tmp_path) as client:
            await daemon.meet(client)
            answer = await client.ask(make_job(client.store, tmp_path / "job", items=2))
        assert isinstance(answer, Decline)
        assert "its operator holds 0.000001 coin" in answer.reason
