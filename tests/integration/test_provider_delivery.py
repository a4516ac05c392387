"""A provider daemon that serves nothing, and whose outputs are demanded on chain, with a real worker.

That demands are answered through a power cut is shown beside games in `test_provider_defence`.
"""

from pathlib import Path

import pytest
import trio

from protocol.engines.worker.delivering import KeptOutputs
from provider_node.control import ask
from tests.judged import ITEMS, WINDOW, World, demander, posted
from tests.provider_rig import OPERATOR, open_client

pytestmark = [pytest.mark.xdist_group("provider"), pytest.mark.trio]


async def test_every_demand_is_answered_by_itself_and_repaid(judged: World, tmp_path: Path) -> None:
    async with open_client(judged.net, tmp_path) as client:
        await judged.daemon.meet(client)
        result = await posted(client, tmp_path / "job")
        demands = demander(client, result)
        before, answered = judged.coin(OPERATOR), ask(judged.daemon.data, "status")["demands_answered"]
        with trio.fail_after(150):
            while not await trio.to_thread.run_sync(demands.turn):
                await trio.sleep(0.1)
            while (status := ask(judged.daemon.data, "status"))["demands"]:
                await trio.sleep(0.1)
        assert status["demands_trouble"] == ""
        assert status["demands_answered"] > answered + 1
        print({name: value for name, value in status.items() if name.startswith("demands")})
        assert judged.coin(OPERATOR) > before - 10**14, "answering was repaid"
        known, lease = demands.known(), demands.bid.lease_id()
        kept = KeptOutputs(judged.daemon.data / "artifacts" / "work" / f"{lease.hex()}.out")
        assert b"".join(known.items[0, item] for item in range(ITEMS)) == kept.item_roots()
        assert {item for item, _, _ in known.leaves} == set(range(ITEMS))
        await trio.to_thread.run_sync(demands.collect)
        assert not client.chain.lease(lease).freezes
        assert client.chain.balance(client.chain.delivery.address) == 0
        judged.net.anvil.mine(WINDOW)
        await client.until(lease, "finalized")
