"""A client that challenges a result from its receipt, on a real chain."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from client_sdk.calls import settled_for_user
from client_sdk.challenge import Challenged, Rerunning, challenge_receipt, check_open
from client_sdk.home import ClientHome
from client_sdk.outcome import NoResultError, result_of
from client_sdk.receipts import write_receipt
from client_sdk.wallet import Wallet
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.dispute.records import Conviction
from protocol.messages import Bid, delegates_hash
from protocol.runtime.keystore import store_key
from protocol.types import BidFlags, InputError, Verification, Wei
from tests.chain_helpers import CLIENT, make_bid
from tests.client_rig import client_session
from tests.game_rig import House, house, networks_file
from tests.provider_rig import ROOT
from tests.silent_rig import silent

pytestmark = [pytest.mark.trio]


async def challenge(world: House, bid: Bid, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Challenged:
    """Challenge the result under a bid with the client's wallet."""
    net = world.net
    monkeypatch.setenv("GAVEL_NETWORKS", str(networks_file(net, world.folder)))
    path = world.folder / "receipt.json"
    envelope = world.cheat.provider.receipts[bid.lease_id()]
    write_receipt(path, bid, envelope, net.chain().domain, net.network)
    home, wallet = ClientHome.of("local", world.folder / "client"), Wallet(net.keys[CLIENT])
    return await trio.to_thread.run_sync(
        partial(challenge_receipt, path, home, wallet, **changes), abandon_on_cancel=True
    )


async def pass_the_claim_period(world: House, said: list[str]) -> None:
    """Pass it once a share is claimed."""
    while not any("a share of the reward is claimed" in line for line in said):
        await trio.sleep(0.1)
    await world.pass_time(11)


async def test_a_wrong_result_is_convicted_line_by_line(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(localnet, tmp_path) as world:
        said: list[str] = []
        world.nursery.start_soon(pass_the_claim_period, world, said)
        found = await challenge(world, world.bid, monkeypatch, say=said.append)
        assert found.convicted
        assert world.net.chain().verdict(world.bid.lease_id()).how is Conviction.PROVEN
        assert found.games[0].reward == world.bid.bond // 2
        for line in (
            "running all items again",
            "item 0 is wrong",
            "opened game",
            "landed on node 1",
            "proved",
        ):
            assert any(line in each for each in said), said
        with pytest.raises(InputError, match="no result stands: the lease is convicted"):
            await challenge(world, world.bid, monkeypatch)


async def test_a_right_result_is_not_challenged_and_a_wrong_item_alone_is_found(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(localnet, tmp_path) as world:
        provider = world.cheat.provider
        bid = provider.bid(2, verification=int(Verification.TAPE))
        good = await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        found = await challenge(world, good, monkeypatch, rerun=Rerunning(item=2))
        assert (found.convicted, found.games) == (False, ())
        assert "the result is right" in found.text
        with pytest.raises(InputError, match="bond_per_game allows"):
            await challenge(world, world.bid, monkeypatch, max_bond=Wei(1), rerun=Rerunning(item=2))
        assert world.net.chain().games_of(good) == ()
        assert world.net.chain().games_of(world.bid) == ()


async def test_what_cannot_be_challenged_is_refused_with_the_reason(localnet: Localnet) -> None:
    chain = localnet.chain(CLIENT)
    bid = make_bid(localnet)
    with pytest.raises(InputError, match="no tape's"):
        check_open(chain, bid, own=False)
    tape = make_bid(localnet, verification=int(Verification.TAPE))
    with pytest.raises(InputError, match="no result stands: the lease is none"):
        check_open(chain, tape, own=False)
    private = make_bid(localnet, verification=int(Verification.TAPE), flags=int(BidFlags.PRIVATE))
    with pytest.raises(InputError, match="private"):
        check_open(localnet.chain(4), private, own=False)
    friends = frozenset(localnet.chain(account).address for account in (4, 5))
    named = replace(private, delegates=delegates_hash(friends))
    with pytest.raises(InputError, match="no result stands"):
        check_open(localnet.chain(4), named, own=False, delegates=friends)
    with pytest.raises(InputError, match="private"):
        check_open(localnet.chain(6), named, own=False, delegates=friends)


async def test_a_broken_off_command_says_how_to_go_on_and_goes_on(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(localnet, tmp_path) as world:
        world.cheat.limit = 0
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        password, receipt = home / "password", tmp_path / "receipt.json"
        password.write_text("x")
        password.chmod(0o600)
        monkeypatch.setenv("GAVEL_HOME", str(home))
        store_key("payer", localnet.keys[CLIENT], "x", light=True)
        envelope = world.cheat.provider.receipts[world.bid.lease_id()]
        write_receipt(receipt, world.bid, envelope, localnet.chain().domain, localnet.network)
        networks = str(networks_file(localnet, tmp_path))
        env = {**os.environ, "GAVEL_HOME": str(home), "GAVEL_NETWORKS": networks, "PYTHONPATH": str(ROOT)}
        wallet = ["--wallet", "payer", "--password-file", str(password)]
        module = [sys.executable, "-m", "protocol.runtime.cli"]
        command = [*module, "job", "challenge", str(receipt), "--item", "0", *wallet]
        told = tmp_path / "told"
        with told.open("wb") as out:
            running = subprocess.Popen(command, cwd=ROOT, env=env, stderr=out, stdout=out)
        try:
            with trio.fail_after(120):
                while "the provider is to move" not in told.read_text():
                    assert running.poll() is None, told.read_text()
                    await trio.sleep(0.1)
            running.send_signal(signal.SIGINT)
            assert await trio.to_thread.run_sync(running.wait) == 130
        finally:
            running.kill()
        assert f"gavel job challenge {receipt} goes on with it" in told.read_text()
        world.cheat.limit = 1 << 30
        said: list[str] = []
        world.nursery.start_soon(pass_the_claim_period, world, said)
        found = await challenge(world, world.bid, monkeypatch, say=said.append)
        assert "this game convicted the provider by a proof" in found.games[0].sentence()
        assert "reward 5 " in found.games[0].sentence()
        assert len(world.net.chain().games_of(world.bid)) == 1


@pytest.mark.parametrize(
    ("lie", "said_of_it"),
    [("wrong", "first at item"), pytest.param("padded", "wrong", marks=pytest.mark.soak)],
)
async def test_a_client_without_a_receipt_challenges_from_what_it_checked(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str, said_of_it: str
) -> None:
    """The provider signs nothing, answers all demands, and what it posted is wrong, or no outputs' root."""
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", lambda _: True, session, **{lie: True}) as provider,
    ):
        run = provider.run
        with trio.fail_after(120):
            await run.loop.wait_for(run.machine, settled_for_user)
            await run.delivery.idle()
        with pytest.raises(NoResultError, match=said_of_it) as told:
            result_of(run.lease_state(), run.folder)  # type: ignore[arg-type]
    assert not run.folder.receipt.exists()
    assert f"gavel job challenge {run.folder.evidence} proves it on chain" in told.value.advice
    monkeypatch.setenv("GAVEL_NETWORKS", str(networks_file(localnet, tmp_path)))
    home, said = ClientHome.of("local", tmp_path / "client"), list[str]()
    challenge = partial(
        challenge_receipt, run.folder.evidence, home, Wallet(localnet.keys[CLIENT]), say=said.append
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_time_once_it_is_open, localnet, said)
        with trio.fail_after(120):
            found = await trio.to_thread.run_sync(challenge, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    assert found.convicted, said
    assert localnet.chain().lease(provider.bid.lease_id()).state is LeaseState.CONVICTED


async def pass_time_once_it_is_open(net: Localnet, said: list[str]) -> None:
    """The provider, which serves nothing, plays no game either."""
    while not any("opened game" in line for line in said):
        await trio.sleep(0.1)
    while True:
        await trio.to_thread.run_sync(net.anvil.mine, 20)
        await trio.sleep(0.5)
