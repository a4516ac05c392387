"""A provider daemon whose right result is challenged falsely, on a real chain with a real worker."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import trio
import yaml

from protocol.chain.client import Chain
from protocol.crypto import address_of
from protocol.dispute.moves import PostTrace
from protocol.dispute.pace import Opened, post_from
from protocol.dispute.records import Phase
from protocol.messages import Decline, Quote
from protocol.runtime.keystore import store_key
from protocol.types import ZERO_HASH, BlockNo, Blocks, LeaseId, Wei
from tests.judged import ITEMS, STALLED, WINDOW, Accuser, Result, World, demander, posted, walleted
from tests.provider_rig import OPERATOR, OWNER, PASSWORD, Client, Daemon, make_job, open_client

pytestmark = [pytest.mark.xdist_group("provider"), pytest.mark.trio]

CHALLENGERS = (4, 5, 6)
DEAR = 600 * 10**9


async def test_false_challenges_of_every_kind_are_all_answered_through_a_power_cut(
    judged: World, tmp_path: Path
) -> None:
    """Four games at once, about three items, and demands; the daemon is killed in their middle."""
    net, daemon = judged.net, judged.daemon
    async with open_client(net, tmp_path) as client:
        await daemon.meet(client)
        result = await posted(client, tmp_path / "job")
        before = judged.coin(OPERATOR)
        accusers = [
            Accuser(net.chain(account), result, number % 2, Random(number), 2 if number == 2 else 99)
            for number, account in enumerate(CHALLENGERS)
        ]
        accusers.append(await trio.to_thread.run_sync(walleted, judged, result, 8, 2))
        demands = demander(client, result)
        with trio.fail_after(200):
            async with trio.open_nursery() as nursery:
                for each in accusers:
                    nursery.start_soon(each.play)
                await daemon.seen("answering with Disputes.trace")
                daemon.kill()
                assert not await trio.to_thread.run_sync(demands.turn)
                daemon.start()
                await daemon.meet(client)
            await daemon.seen("answering a demand for")
            net.anvil.mine(STALLED)
            await judged.settled(result)
            await judged.idle()
        assert accusers[-1].hidden, "where the wallet's game went had to be found"
        rows = judged.games_of(result)
        assert len(rows) == len(accusers)
        assert all(row["moves"] for row in rows)
        repaid, fees = (sum(float(row[name]) for row in rows) for name in ("repaid", "fees"))
        spent = before - judged.coin(OPERATOR)
        print("moves", [row["moves"] for row in rows], "fees", fees, "repaid", repaid, "spent", spent)
        # Its key holds more than any bond: the bonds keep what the answers cost, for the owner.
        assert repaid == 0 < fees
        lost = net.chain().coin(address_of(net.keys[OWNER]))
        assert lost > spent, "what challengers lost is the owner's, and pays for all answers"
        lease = LeaseId(result.bid.lease_id())
        assert {each.now.status.open for each in client.chain.demands_of(lease)} == {False}
        await trio.to_thread.run_sync(demands.collect)
        assert not client.chain.lease(lease).freezes
        assert_paced(client, result)
        net.anvil.mine(WINDOW)
        await client.until(lease, "finalized")
        paid = await trio.to_thread.run_sync(daemon.call, "withdraw", "--coin")
        assert float(paid["withdrawn_coin"]) * 10**18 == pytest.approx(lost)
        assert net.chain().coin(address_of(net.keys[OWNER])) == 0


async def test_a_fault_of_the_machine_is_alarmed_about_never_answered_from_and_outlived(
    judged: World, tmp_path: Path
) -> None:
    """Whatever it computes has a wrong bit in it after the result was posted, until it is mended."""
    net, daemon = judged.net, judged.daemon
    async with open_client(net, tmp_path) as client:
        await daemon.meet(client)
        result = await posted(client, tmp_path / "job")
        daemon.kill()
        daemon.module, daemon.extra = "tests.cheat.provider", {"CHEAT_FLIP": "2:0:0"}
        daemon.start()
        await daemon.meet(client)
        last = ITEMS - 1
        accuser = Accuser(net.chain(CHALLENGERS[0]), result, last, Random(1), 2)
        with trio.fail_after(150):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accuser.play)
                await daemon.seen("THIS MACHINE CONTRADICTS ITS OWN RESULT")
                (row,) = judged.games_of(result)
                assert (row["doing"], row["turn"], row["moves"]) == ("doubting", "ours", 0)
                posted_root = net.chain().trace_root(result.case(last))
                assert posted_root == ZERO_HASH, "a wrong trace would convict a right result"
                assert "no new jobs" in (await refused(client, tmp_path))
                daemon.kill()
                daemon.module, daemon.extra = Daemon.module, {}
                daemon.start()
                await daemon.meet(client)
                while judged.games_of(result)[0]["doing"] == "doubting":
                    net.anvil.mine()  # pauses between tries are counted in blocks
                    await trio.sleep(0.2)
            net.anvil.mine(STALLED)
            await judged.settled(result)
        assert judged.games_of(result)[0]["moves"] > 0
        assert "no new jobs" in (await refused(client, tmp_path)), "the machine is not trusted yet"
        answer = await trio.to_thread.run_sync(daemon.call, "resume")
        assert answer == {"was": "its results are in doubt"}
        assert isinstance(await another(client, tmp_path / "next"), Quote)


async def test_a_base_fee_above_the_limit_does_not_convict(judged: World, tmp_path: Path) -> None:
    """Gas is dearer than the operator's limit for a whole clock: the answer comes in its second half."""
    net, daemon = judged.net, judged.daemon

    def dear(blocks: int = 0) -> None:
        for _ in range(blocks):
            net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(DEAR))
            net.anvil.mine()
        net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(DEAR))

    async with open_client(net, tmp_path) as client:
        await daemon.meet(client)
        result = await posted(client, tmp_path / "job")
        rich = replace(net.network, fees=replace(net.network.fees, maximum=Wei(10 * DEAR)))
        accuser = Accuser(Chain.connect(rich, net.keys[CHALLENGERS[0]]), result, 0, Random(4), 0)
        with trio.fail_after(150):
            dear(1)
            await trio.to_thread.run_sync(accuser.open)
            while "the limit is" not in daemon.log()[daemon.mark :]:
                await trio.sleep(0.1)
            (game,) = net.chain().games_of(result.bid)
            assert game.now.phase is Phase.TRACE, "nothing is answered at that price yet"
            dear(game.now.moved_at + game.now.provider_left // 2 + 1 - net.chain().clock())
            while (now := net.chain().games_of(result.bid)[0].now).phase is Phase.TRACE:
                await trio.sleep(0.1)
            assert now.phase is Phase.PICK
            assert net.chain().node.base_fee() > net.network.fees.maximum
            net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(10**9))
            net.anvil.mine(STALLED)
            await judged.settled(result)


async def test_an_operator_that_is_replaced_in_the_middle_of_a_game_is_taken_over_from(
    judged: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner names another key, which goes on in the game that the old one answered in."""
    net, daemon = judged.net, judged.daemon
    async with open_client(net, tmp_path) as client:
        await daemon.meet(client)
        result = await posted(client, tmp_path / "job")
        accuser = Accuser(net.chain(CHALLENGERS[1]), result, 0, Random(2), 1)
        with trio.fail_after(150):
            await accuser.play()
            daemon.kill()
            monkeypatch.setenv("GAVEL_HOME", str(daemon.home))
            store_key("other", net.keys[9], PASSWORD, light=True)
            file = daemon.home / "provider.yaml"
            file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "operator": "other"}))
            accuser.stalls_after = 99
            daemon.start()
            await daemon.meet(client)
            await accuser.go_on()
            await judged.settled(result)
        assert address_of(net.keys[9]) == net.chain().operator_of(address_of(net.keys[OWNER]))
        assert "answering with Disputes.adopt" in daemon.log()[daemon.mark :]


def assert_paced(client: Client, result: Result) -> None:
    """Each trace stood on the chain from its turn on, and not before."""
    played = client.chain.games_of(result.bid)
    opened = [Opened(game.case.item, BlockNo(game.now.opened_at)) for game in played]
    view, terms = client.chain.lease(LeaseId(result.bid.lease_id())), result.bid
    cap = Blocks(6 * (view.last_beat - view.started_at))
    turns = sorted(
        post_from(item, opened, terms.trace_allowance, cap) for item in {each.item for each in opened}
    )
    made = sorted(
        {
            game.case.item: step.state.moved_at
            for game in reversed(played)
            for step in game.steps
            if step.state and step.made and isinstance(step.made.move, PostTrace)
        }.values()
    )
    print("turns", turns, "traces posted", made)
    assert len(turns) == len(made) > 1
    assert turns[-1] > max(game.now.opened_at for game in played), "some trace had to wait"
    assert all(post >= turn for post, turn in zip(made, turns, strict=True))


async def another(client: Client, folder: Path) -> Quote | Decline:
    """Ask for another job."""
    job = make_job(client.store, folder, items=1, width=64)
    return await client.ask(job, verification=1, challenge_window=WINDOW, max_blocks=100)


async def refused(client: Client, folder: Path) -> str:
    """Ask for another job; return why it is not taken."""
    answer = await another(client, folder / "another")
    assert isinstance(answer, Decline)
    return answer.reason
