"""Nodes over loopback: who is who, gossip, requests, the address book."""

import os

import pytest
import trio

from protocol.net import (
    Accept,
    Ignore,
    Message,
    NetSettings,
    PeerBusyError,
    PeerProtocolError,
    PeerTimeoutError,
    PeerUnreachableError,
    Reject,
    RequestRefusedError,
    open_node,
)
from protocol.types import InputError, TransientError
from tests.unit.net.support import OFFERS, accept_all, free_port, key, nodes, until

pytestmark = pytest.mark.trio


async def test_peers_prove_their_ethereum_address() -> None:
    from eth_account import Account

    async with nodes(2) as (a, b):
        assert a.address == bytes.fromhex(Account.from_key(key("node 0")).address[2:])
        await until(lambda: a.is_connected(b.address) and b.is_connected(a.address))
        assert [peer.address for peer in a.peers()] == [b.address]


async def test_gossip_reaches_a_node_two_hops_away_with_its_author() -> None:
    async with nodes(3) as (hub, author, reader):
        await hub.subscribe(OFFERS, accept_all)
        inbox = await reader.subscribe(OFFERS, accept_all)
        await until(
            lambda: len(hub.topic_peers(OFFERS)) == 1 and author.topic_peers(OFFERS) == (hub.address,)
        )
        await author.publish(OFFERS, b"offer")
        with trio.fail_after(60):
            assert await anext(inbox) == Message(author.address, b"offer")
        assert not author.is_connected(reader.address)


async def test_a_message_is_validated_before_it_is_forwarded() -> None:
    async with nodes(3) as (hub, author, reader):

        def strict(_sender: bytes, payload: bytes) -> Accept | Reject | Ignore:
            return {b"bad": Reject("bad"), b"stale": Ignore("stale")}.get(payload, Accept())

        await hub.subscribe(OFFERS, strict)
        inbox = await reader.subscribe(OFFERS, accept_all)
        await until(
            lambda: len(hub.topic_peers(OFFERS)) == 1 and author.topic_peers(OFFERS) == (hub.address,)
        )
        for payload in (b"bad", b"stale", b"good"):
            await author.publish(OFFERS, payload)
        with trio.fail_after(60):
            assert (await anext(inbox)).payload == b"good"
        assert (hub.metrics.gossip_rejected, hub.metrics.gossip_ignored) == (1, 1)
        points = {peer.address: peer.points for peer in hub.peers()}
        assert points[author.address] > 9
        assert points[reader.address] == 0


async def test_asynchronous_validators_run_once_per_message() -> None:
    async with nodes(2) as (a, b):
        runs: list[bytes] = []
        gate = trio.Event()

        async def slow(_sender: bytes, payload: bytes) -> Accept:
            runs.append(payload)
            await gate.wait()
            return Accept()

        inbox = await a.subscribe(OFFERS, slow)
        await until(lambda: b.topic_peers(OFFERS) == (a.address,))
        sent: list[object] = []
        push = b._router.send_rpc

        def twice(peer: object, rpc: object, priority: bool = False) -> None:
            if rpc.publish:
                sent.append(rpc)
                push(peer, rpc, priority)
            push(peer, rpc, priority)

        b._router.send_rpc = twice
        await b.publish(OFFERS, b"once")
        # More than one where the topic's mesh is not made yet: gossip then sends a copy of its own.
        await until(lambda: a.metrics.gossip_duplicates >= 1)
        gate.set()
        with trio.fail_after(60):
            assert (await anext(inbox)).payload == b"once"
        assert runs == [b"once"]
        assert len(sent) == 1


async def test_a_validator_that_fails_harms_only_its_message() -> None:
    async with nodes(2) as (a, b):

        def fragile(_sender: bytes, payload: bytes) -> Accept:
            if payload == b"bug":
                raise KeyError("bug")
            if payload == b"wrong":
                raise InputError("wrong")
            return Accept()

        inbox = await a.subscribe(OFFERS, fragile)
        await until(lambda: b.topic_peers(OFFERS) == (a.address,))
        for payload in (b"bug", b"wrong", b"fine"):
            await b.publish(OFFERS, payload)
        with trio.fail_after(60):
            assert (await anext(inbox)).payload == b"fine"
        assert (a.metrics.gossip_ignored, a.metrics.gossip_rejected) == (1, 1)


async def test_a_closed_subscription_ends_and_can_be_made_again() -> None:
    async with nodes(2) as (a, b):
        async with await a.subscribe(OFFERS, accept_all) as first:
            with pytest.raises(InputError, match="already"):
                await a.subscribe(OFFERS, accept_all)
        assert [message async for message in first] == []
        await until(lambda: b.topic_peers(OFFERS) == ())
        inbox = await a.subscribe(OFFERS, accept_all)
        await until(lambda: b.topic_peers(OFFERS) == (a.address,))
        await b.publish(OFFERS, b"again")
        with trio.fail_after(60):
            assert (await anext(inbox)).payload == b"again"


async def test_requests_carry_the_asker_and_every_kind_of_answer() -> None:
    async with nodes(2) as (server, client):

        async def handler(sender: bytes, request: bytes) -> bytes:
            match request:
                case b"refuse":
                    raise InputError("this bid is over your cap")
                case b"busy":
                    raise TransientError("the chain is behind")
                case b"bug":
                    raise KeyError("bug")
                case b"long":
                    return bytes(2000)
                case b"never":
                    await trio.sleep_forever()
            return sender + request

        server.serve("/t/1", handler, max_request=100, max_response=3000)
        ask = server.address, "/t/1"
        assert await client.request(*ask, b"hello") == client.address + b"hello"
        with pytest.raises(RequestRefusedError, match="over your cap"):
            await client.request(*ask, b"refuse")
        with pytest.raises(PeerBusyError, match="behind"):
            await client.request(*ask, b"busy")
        with pytest.raises(PeerBusyError, match="internal error"):
            await client.request(*ask, b"bug")
        with pytest.raises(PeerProtocolError, match="2000 bytes, limit 1000"):
            await client.request(*ask, b"long", max_response=1000)
        with pytest.raises(PeerTimeoutError):
            await client.request(*ask, b"never", timeout_s=0.2)
        with pytest.raises(PeerUnreachableError, match="does not serve"):
            await client.request(server.address, "/t/2", b"hello")
        assert await client.request(*ask, b"still there") == client.address + b"still there"
        with pytest.raises(PeerUnreachableError):
            await client.request(*ask, bytes(101))
        assert server.peers()[0].points >= 49


async def test_many_requests_at_once() -> None:
    async with nodes(2) as (server, client):

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        server.serve("/t/1", echo, per_peer_rate=1000)
        answers: list[bytes] = []

        async def one(index: int) -> None:
            answers.append(await client.request(server.address, "/t/1", bytes([index])))

        async with trio.open_nursery() as nursery:
            for index in range(24):
                nursery.start_soon(one, index)
        assert sorted(answers) == [bytes([index]) for index in range(24)]


async def test_a_peer_that_asks_too_often_is_told_so() -> None:
    async with nodes(2) as (server, client):

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        server.serve("/t/1", echo, per_peer_rate=0.2)
        await client.request(server.address, "/t/1", b"1")
        with pytest.raises(PeerBusyError, match="slow down"):
            await client.request(server.address, "/t/1", b"2")


async def test_learnt_addresses_are_dialled_when_needed_and_must_fit_the_key() -> None:
    async with open_node(key("a")) as a, open_node(key("b")) as b:
        with pytest.raises(PeerUnreachableError, match="unknown"):
            await b.request(a.address, "/t/1", b"")
        with pytest.raises(InputError, match="not of the key"):
            b.learn(b"\x01" * 20, a.addrs)

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        a.serve("/t/1", echo)
        # A dead address before the live one must not hide it.
        dead = f"/ip4/127.0.0.1/tcp/1/p2p/{a.peer_id}"
        b.learn(a.address, [dead, *a.addrs])
        assert await b.request(a.address, "/t/1", b"found") == b"found"


async def test_a_peer_is_dialled_by_name() -> None:
    async with open_node(key("a")) as a, open_node(key("b")) as b:
        port = a.addrs[0].split("/")[4]
        assert await b.connect(f"/dns4/localhost/tcp/{port}/p2p/{a.peer_id}") == a.address


async def test_a_lost_peer_is_found_again_after_its_restart() -> None:
    port = free_port()
    settings = NetSettings(listen=(f"/ip4/127.0.0.1/tcp/{port}",))
    addr = f"/ip4/127.0.0.1/tcp/{port}/p2p/" + (await _peer_id("a"))
    async with open_node(
        key("b"), NetSettings(bootstrap=(addr,), redial_first_s=0.05, redial_last_s=0.2)
    ) as b:
        await until(lambda: b.metrics.dials_failed >= 2)
        for _ in range(2):
            async with open_node(key("a"), settings) as a:
                await until(lambda: b.is_connected(a.address))
                inbox = await a.subscribe(OFFERS, accept_all)
                await until(lambda: b.topic_peers(OFFERS) == (a.address,))
                await b.publish(OFFERS, b"hello")
                with trio.fail_after(60):
                    assert (await anext(inbox)).payload == b"hello"
            await until(lambda: not b.peers())


async def test_wrong_input_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="32 bytes"):
        async with open_node(b"short"):
            pass
    with pytest.raises(InputError, match="multiaddr"):
        async with open_node(key("a"), NetSettings(listen=("nonsense",))):
            pass
    with pytest.raises(InputError, match="/p2p/"):
        async with open_node(key("a"), NetSettings(bootstrap=("/ip4/127.0.0.1/tcp/1",))):
            pass
    with pytest.raises(InputError, match="cannot listen"):
        async with open_node(key("a"), NetSettings(listen=("/ip4/192.0.2.1/tcp/0",))):
            pass
    async with open_node(key("a")) as a:
        with pytest.raises(InputError, match="own address"):
            await a.connect(a.addrs[0])
        with pytest.raises(InputError, match="limit"):
            await a.publish(OFFERS, bytes(1 << 20))


async def test_an_error_of_the_body_leaves_unwrapped() -> None:
    with pytest.raises(KeyError):
        async with open_node(os.urandom(32)):
            raise KeyError("mine")


async def test_a_node_that_left_and_came_back_hears_of_topics_again() -> None:
    """As a program does that connects twice with the same key."""
    async with open_node(key("a")) as a:
        await a.subscribe(OFFERS, accept_all)
        for _ in range(3):
            async with open_node(key("b")) as b:
                await b.connect(a.addrs[0])
                await until(lambda b=b: b.topic_peers(OFFERS) == (a.address,))


async def _peer_id(name: str) -> str:
    async with open_node(key(name)) as node:
        return node.peer_id
