"""Auctions on a real chain and a real network: hostile bids, gone bids, nobody, no money."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner

from client_sdk.commands.running import _counter, _left_alone
from client_sdk.job import Limits
from client_sdk.outcome import lost, quotes_of, refusals_of
from client_sdk.record import load_record
from client_sdk.session import Session
from protocol.auction.auction import Collecting, Lost, OpenFailure, Proposed, Won
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet, run_localnet
from protocol.chain.networks_file import write_deployment
from protocol.chain.views import LeaseState
from protocol.crypto import address_of, seal
from protocol.lease.client_types import Phase
from protocol.messages import Heartbeat, Message, Offer, SealedAnswer, Signed, seal_context, sign
from protocol.net import protocol_id
from protocol.runtime.cli import root
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.keystore import store_key
from protocol.runtime.settings import Settings
from protocol.types import Address, Amount, BlockNo, Blocks, Hash32, InputError, LeaseId, to_hex
from tests.client_rig import (
    CLIENT,
    UNIT,
    Stub,
    bids,
    client_session,
    declines,
    reasons,
    register,
    settle_in,
    small_job,
    stub_provider,
)

pytestmark = pytest.mark.xdist_group("client")
CAP = Amount(UNIT)


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with run_localnet(block_time=1, accounts=10) as found:
        yield found


@pytest.mark.trio
async def test_hostile_bids_are_named_and_the_best_honest_one_wins(net: Localnet, tmp_path: Path) -> None:
    """Forged, replayed, expired, over the cap, for another client, without stake: each with its reason."""

    def forged(stub, offer):
        return stub.quote(offer, stub.bid(offer, 1), key=net.keys[9])

    def replayed(stub, offer):
        return stub.quote(offer, stub.bid(offer, 1), digest=Hash32(b"\1" * 32))

    other = address_of(net.keys[9])
    async with (
        stub_provider(net, 2, forged, bids(1, expiry=1), bids(2_000), bids(30)) as first,
        stub_provider(net, 4, replayed, bids(1, client=other), bids(40)) as second,
        stub_provider(net, 6, bids(1, bond=200 * UNIT), b_junk, declines("no GPU here")),
        client_session(net, tmp_path) as session,
    ):
        # Three providers give ten answers, on a machine that may do much else.
        job = small_job(tmp_path / "job", limits=Limits(time=200, window=120, auction=4))
        prepared = await session.prepare(job)
        heard: list[tuple[int, int, float]] = []
        run, state = await session.auction(prepared, CAP, lambda *told: heard.append(told))
        assert (heard[0][0], heard[0][2]) == (0, pytest.approx(4, abs=0.5))
        assert (heard[-1][0] >= 2, heard[-1][1], heard[-1][2] <= 1) == (True, 1, True)
        assert isinstance(state, Proposed)
        found = quotes_of(state, session.unit)
        assert [each.provider for each in found] == [f"0x{s.owner.hex()}" for s in (first, second)]
        assert (found[0].price, found[0].per_hour, found[0].stake) == ("0.3", "108", "100")
        said = reasons(refusals_of(state))
        for word in ("forged", "replayed", "expired", "over the cap", "another client", "stake too small"):
            assert word in said, said
        assert "no GPU here" in said
        assert "too short" in said
        outcome = await session.open(run)
        assert isinstance(outcome, Won)
        view = await session.chain.run(Chain.lease, outcome.lease)
        assert view.state is LeaseState.OPENED
        with trio.fail_after(20):
            ended = await session.over(run)
        # Nobody starts: this client ends the lease after the start deadline and has its money back.
        assert (ended.phase, ended.reason) == (Phase.REFUNDED, "the provider did not start in time")
        assert ended.settlement is not None
        assert ended.settlement.to_client + ended.settlement.burnt >= ended.bid.deposit()


def test_a_user_is_told_how_long_bids_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    heard = _counter(Settings())
    heard(0, 0, 540.0)
    heard(1, 0, 539.0)
    assert capsys.readouterr().err == "bids are taken for 540 s\n"


def b_junk(stub, offer):
    return b"\0" * 40


@pytest.mark.trio
async def test_an_unstaked_operator_under_many_peer_ids_crowds_nobody_out(
    net: Localnet, tmp_path: Path
) -> None:
    """Peer ids are free and a registration costs its gas: neither takes a place from who has staked."""
    flooded = threading.Event()

    def flood(stub: Stub, offer: Signed[Offer]) -> None:
        payloads = []
        for index in range(300):
            said = stub.quote(offer, stub.bid(offer, 1, capacity_nonce=index))
            envelope = sign(said, stub.chain.domain, stub.key).encode()
            box = seal(offer.message.seal_key, os.urandom(32), envelope, seal_context(offer.digest))
            payloads.append(SealedAnswer(offer.digest, box).encode())
        trio.from_thread.run(pour, address_of(stub.key), payloads)
        flooded.set()

    async def pour(operator: Address, payloads: list[bytes]) -> None:
        async with trio.open_nursery() as nursery:
            for index, payload in enumerate(payloads):
                sender = operator if index < 6 else Address(os.urandom(20))
                nursery.start_soon(session.collector.answer, sender, payload)

    def patient(stub: Stub, offer: Signed[Offer]) -> Message:
        flooded.wait()
        return bids(30, capacity_nonce=250)(stub, offer)

    async with (
        client_session(net, tmp_path) as session,
        stub_provider(net, 4, patient) as honest,
        stub_provider(net, 8, flood, stake=0),
    ):
        # Who names the honest one's operator as his own neither speaks for it nor hides where it is.
        thief = net.chain(0)
        theirs = next(each for each in thief.registrations() if each.owner == honest.owner)
        assert theirs.registration is not None
        elsewhere = (honest.node.addrs[0].replace("/tcp/", "/tcp/1"),)
        said = replace(theirs.registration, owner=thief.address, addrs=elsewhere)
        forged = sign(said, thief.domain, net.keys[0])
        await trio.to_thread.run_sync(thief.send, thief.escrow.register(forged))
        job = small_job(tmp_path / "job", limits=Limits(time=200, window=120, auction=300))
        prepared = await session.prepare(job)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.auction, prepared, CAP)
            with trio.fail_after(120):
                # The flood's own bid has a place until its stake is read.
                while not (state := _collected(session)) or _owners(state) != [honest.owner]:
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        assert flooded.is_set()
        assert any("not by who sent it" in each.reason for each in state.junk)
        assert honest.node.addrs[0] in session.bidders.registered[theirs.operator]


def _owners(state: Collecting) -> list[Address]:
    return [each.bid.owner for each in state.entries]


def _collected(session: Session) -> Collecting | None:
    """What has come in of the one auction that runs."""
    return next((each.state for each in session.collector._open.values()), None)


@pytest.mark.trio
async def test_next_bid_is_opened_unasked_when_the_best_is_gone(net: Localnet, tmp_path: Path) -> None:
    """RULES 10: the cheapest cancels its nonce between the choice and the opening."""
    async with (
        stub_provider(net, 2, bids(10, capacity_nonce=77)) as bait,
        stub_provider(net, 4, bids(20, capacity_nonce=78)) as honest,
        client_session(net, tmp_path) as session,
    ):
        prepared = await session.prepare(small_job(tmp_path / "job"))
        run, state = await session.auction(prepared, CAP)
        assert isinstance(state, Proposed)
        assert state.ranking.ranked[0].entry.bid.owner == bait.owner
        cancel = bait.chain.escrow.cancel_nonces(bait.owner, [77])
        await trio.to_thread.run_sync(bait.chain.send, cancel)
        outcome = await session.open(run)
        assert isinstance(outcome, Won)
        assert outcome.choice.entry.bid.owner == honest.owner
        assert [each.failure for each in outcome.tried] == [OpenFailure.NONCE_SPENT]
        await session.cancel(run)
        with trio.fail_after(20):
            ended = await session.over(run)
        assert ended.reason == "closed by its client"


@pytest.mark.trio
async def test_next_bid_is_opened_when_the_chain_refuses_the_terms_of_the_best(
    net: Localnet, tmp_path: Path
) -> None:
    """A rival's grace is below the deployment's: refused at once; if not, no end of the auction."""
    async with (
        stub_provider(net, 2, bids(10, capacity_nonce=177, grace=1)) as rival,
        stub_provider(net, 4, bids(20, capacity_nonce=178)) as honest,
        client_session(net, tmp_path) as session,
    ):
        prepared = await session.prepare(small_job(tmp_path / "job"))
        run, state = await session.auction(prepared, CAP)
        assert isinstance(state, Proposed)
        assert "grace of 1 blocks" in reasons(refusals_of(state))
        assert [each.entry.bid.owner for each in state.ranking.ranked] == [honest.owner]
        await session.decline(run)
        # A client that takes the deployment for a laxer one gets to the contract with it.
        limits = session.market.limits
        session.market = replace(session.market, limits=replace(limits, min_grace=Blocks(1)))
        run, state = await session.auction(prepared, CAP)
        assert isinstance(state, Proposed)
        assert state.ranking.ranked[0].entry.bid.owner == rival.owner
        outcome = await session.open(run)
        assert isinstance(outcome, Won)
        assert outcome.choice.entry.bid.owner == honest.owner
        assert [each.failure for each in outcome.tried] == [OpenFailure.BID_VOID]
        assert "Escrow_BadBid: reason grace" in outcome.tried[0].reason


@pytest.mark.trio
async def test_no_money_says_how_much_is_missing(net: Localnet, tmp_path: Path) -> None:
    poor = net.chain(8)
    left = poor.token_balance(0, poor.address) - UNIT // 20
    await trio.to_thread.run_sync(poor.send, poor.token(0).transfer(address_of(net.keys[0]), left))
    async with (
        stub_provider(net, 2, bids(10, capacity_nonce=90)),
        client_session(net, tmp_path, 8) as session,
    ):
        prepared = await session.prepare(small_job(tmp_path / "job"))
        run, state = await session.auction(prepared, CAP)
        assert isinstance(state, Proposed)
        outcome = await session.open(run)
        assert isinstance(outcome, Lost)
        assert "too little money: the lease takes 0.1 LOC, this wallet has 0.05 LOC" in str(lost(outcome))
        assert "0.05 LOC more" in str(lost(outcome))
        assert (run.record.over, run.record.lease, run.record.bid) == (True, "", ""), "it was tried in vain"
        bid = state.ranking.ranked[0].entry.bid
        tried = {"lease": to_hex(bid.lease_id()), "bid": to_hex(bid.packed())}
        folder, sent_for = run.folder, replace(run.record, **tried, over=False)
        rest = poor.token_balance(0, poor.address)
        await trio.to_thread.run_sync(poor.send, poor.token(0).transfer(address_of(net.keys[0]), rest))
        with pytest.raises(InputError, match="has neither LOC nor credits"):
            await session.auction(prepared, CAP)
    # The same if the process ended between the attempt and its end.
    sent_for.save(folder)
    async with client_session(net, tmp_path, 8) as session:
        run = await session.resume(folder)
        assert (run.record.state, run.record.lease, run.record.bid) == ("lost", "", "")


@pytest.mark.trio
async def test_credits_pay_first_and_nobody_serves_is_told_with_reasons(
    net: Localnet, tmp_path: Path
) -> None:
    async with (
        stub_provider(net, 2, declines("busy until noon")),
        stub_provider(net, 4, bids(10, capacity_nonce=91)) as winner,
        client_session(net, tmp_path) as session,
    ):
        chain, me = session.chain.blocking, address_of(net.keys[CLIENT])
        call = chain.token(0).approve(chain.escrow.address, Amount(5 * UNIT))
        await trio.to_thread.run_sync(chain.send, call)
        await trio.to_thread.run_sync(chain.send, chain.escrow.deposit(0, me, Amount(5 * UNIT)))
        prepared = await session.prepare(small_job(tmp_path / "job"))
        before = (
            await session.chain.run(Chain.credits, 0, me),
            await session.chain.run(Chain.token_balance, 0, me),
        )
        run, state = await session.auction(prepared, CAP)
        assert isinstance(state, Proposed)
        assert isinstance(await session.open(run), Won)
        after = (
            await session.chain.run(Chain.credits, 0, me),
            await session.chain.run(Chain.token_balance, 0, me),
        )
        assert (before[0] - after[0], before[1] - after[1]) == (UNIT // 10, 0)
        winner.answers = ()
        _, nobody = await session.auction(prepared, CAP)
        assert isinstance(nobody, Lost)
        assert "busy until noon" in str(lost(nobody))


@pytest.mark.trio
async def test_provider_that_restarts_on_another_port_is_found_there(net: Localnet, tmp_path: Path) -> None:
    """It registers again; the client reads that from the chain and dials the new address at once."""
    async with client_session(net, tmp_path) as session:
        answer = bids(10, capacity_nonce=190, start_deadline=120)
        async with stub_provider(net, 2, answer) as before:
            prepared = await session.prepare(small_job(tmp_path / "job"))
            run, state = await session.auction(prepared, CAP)
            assert isinstance(state, Proposed)
            outcome = await session.open(run)
            assert isinstance(outcome, Won)
            assert session.node.is_connected(address_of(before.key))
        async with stub_provider(net, 2) as after:
            assert set(after.node.addrs).isdisjoint(before.node.addrs)
            domain = after.chain.domain

            async def beat(_: object, lease: bytes) -> bytes:
                said = Heartbeat(LeaseId(lease), BlockNo(1), 1, 3, 6, "fetching")
                return sign(said, domain, after.key).encode()

            after.node.serve(protocol_id(domain.chain_id, domain.escrow, "heartbeat"), beat)
            with trio.fail_after(15):
                while run.items != (3, 6):
                    await trio.sleep(0.1)
        await session.cancel(run)
        with trio.fail_after(20):
            await session.over(run)


@pytest.mark.trio
async def test_provider_that_registers_while_the_auction_runs_is_heard(net: Localnet, tmp_path: Path) -> None:
    """Nobody knew it when the offer went out: who signs an answer is read from the chain of now."""

    def late(stub: Stub, offer: Signed[Offer]) -> Message:
        settle_in(stub, 100 * UNIT, True)
        return bids(10, capacity_nonce=210)(stub, offer)

    async with client_session(net, tmp_path) as session, stub_provider(net, 6, late, register=False) as stub:
        operator = address_of(stub.key)
        await session.bidders.refresh(0)
        if operator in session.bidders.registered:
            other = net.chain(6).escrow.set_operator(address_of(net.keys[9]))
            await trio.to_thread.run_sync(net.chain(6).send, other)
        await session.node.connect(stub.node.addrs[0])
        job = small_job(tmp_path / "job", limits=Limits(time=200, window=120, auction=5))
        _, state = await session.auction(await session.prepare(job), CAP)
        assert isinstance(state, Proposed)
        assert [each.entry.bid.owner for each in state.ranking.ranked] == [stub.owner]


@pytest.mark.trio
async def test_provider_that_vanished_without_a_word_is_sought_where_it_registers(
    net: Localnet, tmp_path: Path
) -> None:
    """A power cut closes no connection: the old one stands, half open, while the provider is elsewhere."""
    async with client_session(net, tmp_path) as session, trio.open_nursery() as nursery:
        async with stub_provider(net, 2, bids(10, capacity_nonce=220, start_deadline=120)) as before:
            inside = before.node.addrs[0]
            line = Line(int(inside.split("/")[4]))
            (listener,) = await nursery.start(partial(trio.serve_tcp, line.carry, 0, host="127.0.0.1"))
            outside = inside.replace(inside.split("/")[4], str(listener.socket.getsockname()[1]))
            await trio.to_thread.run_sync(partial(register, before, (outside,)))
            prepared = await session.prepare(small_job(tmp_path / "job"))
            run, state = await session.auction(prepared, CAP)
            assert isinstance(state, Proposed)
            assert isinstance(await session.open(run), Won)
            line.frozen = True
        operator = address_of(before.key)
        assert session.node.is_connected(operator)
        async with stub_provider(net, 2) as after:
            domain = after.chain.domain

            async def beat(_: object, lease: bytes) -> bytes:
                said = Heartbeat(LeaseId(lease), BlockNo(1), 1, 4, 6, "fetching")
                return sign(said, domain, after.key).encode()

            after.node.serve(protocol_id(domain.chain_id, domain.escrow, "heartbeat"), beat)
            with trio.fail_after(20):
                while run.items != (4, 6):
                    await trio.sleep(0.1)
        await session.cancel(run)
        with trio.fail_after(20):
            await session.over(run)
        nursery.cancel_scope.cancel()


@pytest.fixture
def gavel(net: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`gavel job ...` of the client whose sessions live in `tmp_path`."""
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    monkeypatch.setenv("GAVEL_NETWORKS", str(tmp_path / "networks.yaml"))
    file, made = tmp_path / "networks.yaml", net.network.deployments[0]
    write_deployment(file, "local", made, rpc_urls=[net.url], seconds_per_block=1)
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    store_key("default", net.keys[CLIENT], "x", light=True)

    def call(name: str, *args: str) -> Any:
        keys = () if name == "status" else ("--password-file", str(tmp_path / "password"))
        command = ["--json", "job", name, *args, *keys]
        done = CliRunner().invoke(root, command, obj=Settings(), standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    return call


@pytest.mark.trio
async def test_a_lease_is_topped_up_from_the_command_line_to_its_bids_cap(
    net: Localnet, tmp_path: Path, gavel: Callable[..., Any]
) -> None:
    top_up = partial(gavel, "top-up")
    answer = bids(10, capacity_nonce=240, max_blocks=10, top_up_cap=16, start_deadline=60)
    async with stub_provider(net, 2, answer), client_session(net, tmp_path) as session:
        run, state = await session.auction(await session.prepare(small_job(tmp_path / "job")), CAP)
        assert isinstance(state, Proposed), state
        won = await session.open(run)
        assert isinstance(won, Won)
        with pytest.raises(InputError, match="--blocks must be 1 to 6: the bid allows no more"):
            await trio.to_thread.run_sync(partial(top_up, "--blocks", "7"))
        said = await trio.to_thread.run_sync(partial(top_up, "--blocks", "2"))
        assert (said["funded_blocks"], said["cost"]) == (12, "0.02")
        said = await trio.to_thread.run_sync(top_up)
        assert (said["blocks"], said["funded_blocks"]) == (4, 16)
        with pytest.raises(InputError, match="funded for as many blocks as its bid allows"):
            await trio.to_thread.run_sync(top_up)
        assert (await session.chain.run(Chain.lease, won.lease)).funded_blocks == 16
        await session.cancel(run)
        with trio.fail_after(30):
            await session.over(run)
        with pytest.raises(InputError, match="cannot be topped up: its lease is client closed"):
            await trio.to_thread.run_sync(top_up)


@pytest.mark.trio
async def test_a_lease_that_was_sent_for_is_found_by_who_left_before_it_stood(
    net: Localnet, tmp_path: Path, gavel: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C, SIGKILL or a power cut between "Open the bid?" and the block that is confirmed."""

    def said() -> str:
        assert _left_alone(Settings(), run.folder.id) == ExitCode.INTERRUPTED
        return capsys.readouterr().err

    sent_for, may_go = trio.Event(), trio.Event()
    answer = bids(10, capacity_nonce=241, start_deadline=60)
    async with stub_provider(net, 2, answer), client_session(net, tmp_path) as session:
        run, state = await session.auction(await session.prepare(small_job(tmp_path / "job")), CAP)
        assert isinstance(state, Proposed), state
        assert "no lease was opened" in said()

        async def held(*_: object) -> None:
            sent_for.set()
            await may_go.wait()

        send, run.purse.send = run.purse.send, held  # type: ignore[method-assign, assignment]
        with trio.CancelScope() as left:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.open, run)
                await sent_for.wait()
                found = await trio.to_thread.run_sync(gavel, "status")
                assert (found["state"], found["chain"]["state"]) == ("opening", "none")
                with pytest.raises(InputError, match="its lease is not on chain; if it was sent for"):
                    await trio.to_thread.run_sync(gavel, "cancel")
                assert "may still be opened without you" in said()
                run.purse._confirmed = trio.sleep_forever  # type: ignore[method-assign, assignment]
                run.purse.send = send  # type: ignore[method-assign]
                may_go.set()
                lease = run.record.terms.lease_id()
                with trio.fail_after(30):
                    while (await session.chain.run(Chain.lease, lease)).state is LeaseState.NONE:
                        await trio.sleep(0.05)
                left.cancel()
        found = await trio.to_thread.run_sync(gavel, "status")
        assert (found["state"], found["chain"]["state"]) == ("opening", "opened")
        assert (await trio.to_thread.run_sync(gavel, "cancel"))["state"] == "client_closed"


class Line:
    """A wire to a port that can be cut; or frozen, so that it stays open and nothing comes through."""

    def __init__(self, port: int) -> None:
        self.port, self.cut, self.frozen = port, False, False

    async def carry(self, near: trio.SocketStream) -> None:
        if self.cut:
            await near.aclose()
            return
        async with (
            await trio.open_tcp_stream("127.0.0.1", self.port) as far,
            near,
            trio.open_nursery() as nursery,
        ):
            for a, b in ((near, far), (far, near)):
                nursery.start_soon(self._pump, a, b, nursery.cancel_scope)

    async def _pump(self, a: trio.SocketStream, b: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            async for data in a:
                if self.cut:
                    break
                if not self.frozen:
                    await b.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        while self.frozen:
            await trio.sleep(0.1)
        scope.cancel()


@pytest.mark.trio
async def test_rpc_that_fails_in_the_middle_is_told_and_survived(net: Localnet, tmp_path: Path) -> None:
    line = Line(int(net.url.rsplit(":", 1)[1]))
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, line.carry, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        wired = replace(net, network=replace(net.network, rpc_urls=(url,)))
        async with (
            stub_provider(net, 2, bids(10, capacity_nonce=95)),
            client_session(wired, tmp_path) as session,
        ):
            prepared = await session.prepare(small_job(tmp_path / "job"))
            run, state = await session.auction(prepared, CAP)
            assert isinstance(state, Proposed)
            assert isinstance(await session.open(run), Won)
            line.cut = True
            with trio.fail_after(40):
                while not any("chain does not answer" in each.text for each in run.story.events):
                    await trio.sleep(0.05)
            line.cut = False
            with trio.fail_after(60):
                ended = await session.over(run)
            assert ended.reason == "the provider did not start in time"
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_node_that_takes_requests_and_never_answers_is_named_within_seconds(
    net: Localnet, tmp_path: Path
) -> None:
    line = Line(int(net.url.rsplit(":", 1)[1]))
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, line.carry, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        wired = replace(net, network=replace(net.network, rpc_urls=(url,)))
        async with (
            stub_provider(net, 2, bids(10, capacity_nonce=230)),
            client_session(wired, tmp_path) as session,
        ):
            run, state = await session.auction(await session.prepare(small_job(tmp_path / "job")), CAP)
            assert isinstance(state, Proposed)
            assert isinstance(await session.open(run), Won)
            line.frozen = True
            with trio.fail_after(4):
                while not (said := [each.text for each in run.story.events if "waiting for" in each.text]):
                    await trio.sleep(0.05)
            assert said == [f"waiting for node {url}: no answer for 2.5 s"]
            line.frozen = False
            with trio.fail_after(60):
                ended = await session.over(run)
            assert ended.reason == "the provider did not start in time"
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_an_auction_that_is_broken_off_is_over_in_lists(net: Localnet, tmp_path: Path) -> None:
    async with client_session(net, tmp_path) as session:
        prepared = await session.prepare(small_job(tmp_path / "job"))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.auction, prepared, CAP)
                with trio.fail_after(30):
                    while _collected(session) is None:
                        await trio.sleep(0.01)
                (run,) = session.runs.values()
                assert load_record(run.folder).state == "collecting"
                scope.cancel()
        found = load_record(run.folder)
        assert (found.state, found.over) == ("lost", True)
        assert "before any bid was opened" in found.text


@pytest.mark.trio
async def test_silence_is_no_bids(net: Localnet, tmp_path: Path) -> None:
    async with stub_provider(net, 2), client_session(net, tmp_path) as session:
        job = small_job(tmp_path / "job")
        prepared = await session.prepare(replace(job, limits=replace(job.limits, auction=0.3)))
        run, state = await session.auction(prepared, CAP)
        assert isinstance(state, Lost)
        assert str(lost(state)).startswith("no bids")
        assert (run.record.state, run.record.over) == ("lost", True)
