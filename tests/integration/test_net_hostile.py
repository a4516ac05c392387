"""Peers that do not play by the rules, against real nodes: the honest traffic still arrives."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import libp2p.identity.identify.identify as identify
import pytest
import trio
from libp2p.abc import INetStream
from libp2p.crypto.keys import KeyPair
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.peer.peerstore import env_to_send_in_RPC
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import PUBSUB_SIGNING_PREFIX
from libp2p.utils.varint import encode_varint_prefixed
from multiaddr import Multiaddr

from protocol.net import (
    GossipSettings,
    NetSettings,
    Node,
    PeerTimeoutError,
    PeerUnreachableError,
    StreamSettings,
    guard,
    open_node,
)
from protocol.net.framing import Wire
from protocol.net.host import swarm_of
from protocol.net.identity import address_of, key_pair
from protocol.net.workarounds import yamux
from protocol.types import Address
from tests.unit.net.support import OFFERS, accept_all, has_ipv6, key, nodes, until

pytestmark = pytest.mark.trio

MESH = TProtocol("/meshsub/1.1.0")


def signed(pair: KeyPair, payload: bytes, seqno: int, topic: str = OFFERS) -> rpc_pb2.Message:
    """A gossip message as its author would send it."""
    message = rpc_pb2.Message(
        data=payload,
        topicIDs=[topic],
        from_id=ID.from_pubkey(pair.public_key).to_bytes(),
        seqno=seqno.to_bytes(8, "big"),
    )
    message.signature = pair.private_key.sign(PUBSUB_SIGNING_PREFIX.encode() + message.SerializeToString())
    return message


def frame(*messages: rpc_pb2.Message) -> bytes:
    return encode_varint_prefixed(rpc_pb2.RPC(publish=messages).SerializeToString())


async def gossip_stream(attacker: Node, victim: Node) -> INetStream:
    return await attacker._host.new_stream(victim._host.get_id(), [MESH])


@asynccontextmanager
async def attacked(settings: NetSettings | None = None) -> AsyncIterator[tuple[Node, Node, Node]]:
    """A victim that an honest peer and an attacker are connected to, and the topic joined by the victim."""
    async with nodes(3, settings) as (victim, honest, attacker):
        yield victim, honest, attacker


async def honest_traffic_arrives(victim: Node, honest: Node, inbox: AsyncIterator[object]) -> None:
    for number in range(20):
        payload = b"honest %d" % number
        await honest.publish(OFFERS, payload)
        with trio.fail_after(5):
            while (await anext(inbox)).payload != payload:  # type: ignore[attr-defined]
                pass


async def test_a_flood_of_valid_messages_is_cut_to_the_authors_rate() -> None:
    settings = NetSettings(gossip=GossipSettings(author_messages=10, burst_s=2))
    async with attacked(settings) as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream, pair = await gossip_stream(attacker, victim), key_pair(key("node 2"))

        async def flood() -> None:
            start = time.time_ns()
            for number in range(600):
                await stream.write(frame(signed(pair, os.urandom(100), start + number)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await honest_traffic_arrives(victim, honest, inbox)
            await until(lambda: victim.metrics.gossip_received >= 300)
            nursery.cancel_scope.cancel()
        # 20 of the honest author; of the flood what one author may send.
        assert victim.metrics.gossip_accepted < 20 + 20 + 10 * 10
        assert victim.metrics.gossip_rate_limited > 100


async def test_a_flood_of_frames_bans_the_peer() -> None:
    settings = NetSettings(gossip=GossipSettings(peer_frames=50, burst_s=1))
    async with attacked(settings) as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream = await gossip_stream(attacker, victim)
        async with trio.open_nursery() as nursery:

            async def flood() -> None:
                try:
                    for _ in range(2000):
                        await stream.write(frame(rpc_pb2.Message(topicIDs=["elsewhere"])))
                except Exception:
                    return

            nursery.start_soon(flood)
            await honest_traffic_arrives(victim, honest, inbox)
            await until(lambda: not victim.is_connected(attacker.address))
        assert victim.metrics.peers_banned == 1
        # A ban also keeps the door shut, and the honest peer inside.
        with pytest.raises(Exception):  # noqa: B017, PT011 - refused by whichever layer is first
            await attacker.request(victim.address, "/t/1", b"", timeout_s=2)
        assert victim.is_connected(honest.address)


async def test_a_frame_full_of_small_messages_counts_each_of_them() -> None:
    settings = NetSettings(gossip=GossipSettings(peer_frames=50, burst_s=2))
    async with attacked(settings) as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream, now = await gossip_stream(attacker, victim), time.time_ns()
        authors = [key_pair(key(f"sybil {n}")) for n in range(150)]
        await stream.write(frame(*(signed(author, b"", now) for author in authors)))
        await until(lambda: victim.metrics.gossip_rate_limited == 1)
        assert victim.metrics.gossip_received == 0
        await honest_traffic_arrives(victim, honest, inbox)


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff" * 64,  # a length that never ends
        encode_varint_prefixed(b"\xff" * 64),  # a frame that is no message
        encode_varint_prefixed(bytes(300_000))[:50],  # a frame announced over the limit
    ],
)
async def test_junk_ends_the_stream_and_is_blamed(junk: bytes) -> None:
    async with attacked() as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream = await gossip_stream(attacker, victim)
        await stream.write(junk)
        await until(lambda: victim.metrics.gossip_malformed == 1)
        points = {peer.address: peer.points for peer in victim.peers()}
        assert points[attacker.address] > 20
        assert points[honest.address] == 0
        await honest_traffic_arrives(victim, honest, inbox)


async def test_forged_stale_and_twisted_messages_are_dropped() -> None:
    async with attacked() as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream, author = await gossip_stream(attacker, victim), key_pair(key("node 1"))
        now = time.time_ns()

        forged = signed(key_pair(key("node 2")), b"forged", now)
        forged.from_id = ID.from_pubkey(author.public_key).to_bytes()
        unsigned = signed(author, b"unsigned", now + 1)
        unsigned.ClearField("signature")
        changed = signed(author, b"true", now + 2)
        changed.data = b"false"
        two = signed(author, b"two topics", now + 3)
        two.topicIDs.append("other")
        messages = {
            "gossip_malformed": [forged, unsigned, changed],
            "gossip_ignored": [
                signed(author, b"last year", now - 365 * 86400 * 10**9),
                signed(author, b"tomorrow", now + 86400 * 10**9),
            ],
        }
        for counter, group in messages.items():
            for number, message in enumerate(group, 1):
                await stream.write(frame(message))
                await until(lambda c=counter, n=number: getattr(victim.metrics, c) == n)
        await stream.write(frame(two))
        assert victim.metrics.gossip_accepted == 0

        # The forgeries must not have suppressed what the author really says under that number.
        await stream.write(frame(signed(author, b"true", now + 2)))
        with trio.fail_after(5):
            assert (await anext(inbox)).payload == b"true"


async def test_messages_over_the_limit_are_dropped_and_the_limit_itself_passes() -> None:
    async with attacked() as (victim, _honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        stream, author = await gossip_stream(attacker, victim), key_pair(key("node 1"))
        limit = GossipSettings().max_message
        for number, size in enumerate((limit + 1, limit)):
            await stream.write(frame(signed(author, bytes(size), time.time_ns() + number)))
        with trio.fail_after(5):
            assert len((await anext(inbox)).payload) == limit
        assert victim.metrics.gossip_malformed == 1


async def test_duplicates_and_replays_are_delivered_once() -> None:
    async with attacked() as (victim, _honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        stream, author = await gossip_stream(attacker, victim), key_pair(key("node 1"))
        message = frame(signed(author, b"once", time.time_ns()))
        for _ in range(50):
            await stream.write(message)
        await until(lambda: victim.metrics.gossip_duplicates == 49)
        assert (await anext(inbox)).payload == b"once"
        assert victim.metrics.gossip_accepted == 1


async def test_hostile_control_frames_do_not_end_the_node() -> None:
    async with attacked() as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream = await gossip_stream(attacker, victim)
        control = rpc_pb2.ControlMessage(
            ihave=[rpc_pb2.ControlIHave(topicID=OFFERS, messageIDs=[os.urandom(40) for _ in range(200)])] * 5,
            iwant=[rpc_pb2.ControlIWant(messageIDs=[os.urandom(40)] * 200)] * 5,
            graft=[rpc_pb2.ControlGraft(topicID="no such topic")] * 5,
            prune=[
                rpc_pb2.ControlPrune(
                    topicID=OFFERS,
                    backoff=2**63,
                    peers=[rpc_pb2.PeerInfo(peerID=b"junk", signedPeerRecord=b"x")],
                )
            ],
        )
        rpc = rpc_pb2.RPC(
            control=control,
            subscriptions=[rpc_pb2.RPC.SubOpts(subscribe=True, topicid="x" * 5000)]
            + [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=f"made up {n}") for n in range(60)],
        )
        for _ in range(20):
            await stream.write(encode_varint_prefixed(rpc.SerializeToString()))
        bad = rpc_pb2.RPC(senderRecord=b"junk")
        await stream.write(encode_varint_prefixed(bad.SerializeToString()))
        await honest_traffic_arrives(victim, honest, inbox)
        assert len(victim._pubsub.peer_topics) <= 64 + 1


@pytest.mark.parametrize("kind", ["graft", "prune"])
async def test_a_frame_of_thousands_of_control_messages_is_not_worked_off(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each GRAFT was answered, each PRUNE remembered for as long as its sender liked."""
    answered = list[object]()

    async def answer(*args: object) -> None:
        answered.append(args)

    async with attacked() as (victim, honest, attacker):
        monkeypatch.setattr(victim._router, "emit_prune", answer)
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream = await gossip_stream(attacker, victim)
        control = rpc_pb2.ControlMessage()
        for number in range(9_000):
            getattr(control, kind).add(topicID=f"made up {number}")
        few = rpc_pb2.ControlMessage()
        getattr(few, kind).add(topicID="made up")
        for each in (few, control, few, control):
            await stream.write(encode_varint_prefixed(rpc_pb2.RPC(control=each).SerializeToString()))
        await until(lambda: victim.metrics.gossip_rate_limited == 2)
        await honest_traffic_arrives(victim, honest, inbox)
        assert not answered
        assert set(victim._router.back_off) <= {OFFERS}


async def test_a_message_is_sent_three_times_to_who_asks_for_it() -> None:
    """64 messages of 30 KiB ten times a second, for nobody who reads them, pinned 11 MB for each free key."""
    async with attacked() as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        await honest.publish(OFFERS, bytes(30_000))
        await until(lambda: bool(victim._router.mcache.msgs))
        ids = [each.hex().encode() for each in victim._router.mcache.msgs]
        sent = list[int]()
        queues, peer = victim._pubsub.peer_queues, attacker._host.get_id()
        await until(lambda: peer in queues)
        queue = queues[peer]
        push = queue.push

        def pushed(rpc: rpc_pb2.RPC, priority: bool = False) -> bool:
            sent.extend(len(each.data) for each in rpc.publish)
            return push(rpc, priority)

        queue.push = pushed  # type: ignore[method-assign]
        stream = await gossip_stream(attacker, victim)
        ask = rpc_pb2.RPC(control=rpc_pb2.ControlMessage(iwant=[rpc_pb2.ControlIWant(messageIDs=ids)]))
        for _ in range(8):
            await stream.write(encode_varint_prefixed(ask.SerializeToString()))
        # Frames of a stream are handled in order: once this is here, the others were done.
        await stream.write(frame(signed(key_pair(key("node 2")), b"after", time.time_ns())))
        with trio.fail_after(5):
            assert [(await anext(inbox)).payload for _ in range(2)] == [bytes(30_000), b"after"]
        assert sent == [30_000] * 3


async def test_no_peer_is_kept_out_of_a_mesh_for_longer_than_a_minute_and_none_is_remembered_after() -> None:
    async with attacked(NetSettings(gossip=GossipSettings(heartbeat_s=0.05))) as (victim, honest, attacker):
        await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        stream = await gossip_stream(attacker, victim)
        control = rpc_pb2.ControlMessage(prune=[rpc_pb2.ControlPrune(topicID=OFFERS, backoff=2**63)])
        await stream.write(encode_varint_prefixed(rpc_pb2.RPC(control=control).SerializeToString()))
        router, peer = victim._router, attacker._host.get_id()
        await until(lambda: peer in router.back_off.get(OFFERS, {}))
        assert router.back_off[OFFERS][peer] <= time.time() + 61
        router.back_off[OFFERS][peer] = int(time.time()) - 1
        await until(lambda: peer not in router.back_off.get(OFFERS, {}))


async def test_nobody_can_make_a_node_dial() -> None:
    async with attacked() as (victim, _honest, attacker), open_node(key("bait")) as bait:
        inbox = await victim.subscribe(OFFERS, accept_all)
        record, _ = env_to_send_in_RPC(bait._host)
        introduced = rpc_pb2.PeerInfo(peerID=bait._host.get_id().to_bytes(), signedPeerRecord=record)
        prune = rpc_pb2.ControlPrune(topicID=OFFERS, backoff=1, peers=[introduced])
        stream = await gossip_stream(attacker, victim)
        rpc = rpc_pb2.RPC(control=rpc_pb2.ControlMessage(prune=[prune]))
        await stream.write(encode_varint_prefixed(rpc.SerializeToString()))
        # Frames of a stream are handled in order: once this is here, the other was done.
        await stream.write(frame(signed(key_pair(key("node 2")), b"after", time.time_ns())))
        with trio.fail_after(5):
            assert (await anext(inbox)).payload == b"after"
        assert bait.peers() == ()


async def test_an_error_in_one_heartbeat_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = 0

    def stumble() -> None:
        nonlocal rounds
        rounds += 1
        raise KeyError("state that a peer made")

    settings = NetSettings(gossip=GossipSettings(heartbeat_s=0.05))
    async with attacked(settings) as (victim, honest, _attacker):
        monkeypatch.setattr(victim._router, "mesh_heartbeat", stumble)
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        await until(lambda: rounds > 2)
        await honest_traffic_arrives(victim, honest, inbox)


async def test_a_fault_of_the_router_costs_the_peer_points_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with attacked() as (victim, honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))

        async def stumble(_rpc: object, _peer: object) -> None:
            raise KeyError("the router trusted its input")

        monkeypatch.setattr(victim._router, "handle_rpc", stumble)
        stream = await gossip_stream(attacker, victim)
        control = rpc_pb2.ControlMessage(graft=[rpc_pb2.ControlGraft(topicID=OFFERS)])
        await stream.write(encode_varint_prefixed(rpc_pb2.RPC(control=control).SerializeToString()))
        # The same stream goes on.
        await stream.write(frame(signed(key_pair(key("node 2")), b"after", time.time_ns())))
        with trio.fail_after(5):
            assert (await anext(inbox)).payload == b"after"
        assert {peer.address: peer.points for peer in victim.peers()}[attacker.address] > 20


async def test_a_request_that_trickles_in_is_cut_off() -> None:
    settings = NetSettings(streams=StreamSettings(request_s=0.3))
    async with attacked(settings) as (victim, honest, attacker):

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        victim.serve("/t/1", echo)
        wires = [Wire(await attacker.open_stream(victim.address, "/t/1")) for _ in range(3)]
        for wire in wires:
            await wire.write(b"\x00\x00")
        await until(lambda: victim.metrics.requests_timed_out == 3)
        assert {p.address: p.points for p in victim.peers()}[attacker.address] > 14
        assert await honest.request(victim.address, "/t/1", b"quick") == b"quick"


async def test_a_peer_cannot_hold_more_streams_than_its_share() -> None:
    settings = NetSettings(streams=StreamSettings(per_peer=8))
    async with attacked(settings) as (victim, honest, attacker):

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        victim.serve("/t/1", echo)
        held = 0
        for _ in range(12):
            try:
                await attacker.open_stream(victim.address, "/t/1")
            except Exception:
                continue
            held += 1
        assert held <= 8
        assert victim.metrics.streams_refused >= 4
        assert await honest.request(victim.address, "/t/1", b"mine") == b"mine"


async def test_one_host_with_many_keys_leaves_stream_places_to_others() -> None:
    """Gossip streams need not say anything, and never end: 33 free keys took all places of a node."""
    settings = NetSettings(streams=StreamSettings(total=12))
    async with open_node(key("victim"), settings) as victim, contextlib.AsyncExitStack() as stack:

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        victim.serve("/t/1", echo)
        for number in range(4):
            attacker = await stack.enter_async_context(open_node(key(f"sybil {number}")))
            await attacker.connect(victim.addrs[0])
            for _ in range(5):
                await attacker._host.get_network().new_stream(victim._host.get_id())
        await until(lambda: victim.metrics.streams_refused >= 4)
        honest = await stack.enter_async_context(open_node(key("honest")))
        who = await honest.connect(victim.addrs[0])
        # From the attacker's own host, and with places for what it holds alone.
        for _ in range(3):
            assert await honest.request(who, "/t/1", b"mine") == b"mine"


async def test_a_peer_has_two_gossip_streams_and_its_newest_are_read() -> None:
    async with attacked() as (victim, _honest, attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        pair, peer = key_pair(key("node 2")), attacker._host.get_id()
        for number in range(6):
            stream = await gossip_stream(attacker, victim)
            await stream.write(frame(signed(pair, b"%d" % number, time.time_ns())))
            with trio.fail_after(5):
                assert (await anext(inbox)).payload == b"%d" % number
        await until(lambda: victim._guard.open_streams(peer) <= 2, 5)
        assert len(victim._pubsub._streams[peer]) == 2


async def test_streams_that_a_peer_never_closes_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them stayed for as long as the connection, counted by nobody."""
    monkeypatch.setattr(guard, "_LINGER_S", 0.2)
    async with attacked() as (victim, honest, attacker):

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        victim.serve("/t/1", echo)
        before = kept_streams(victim)
        for _ in range(20):
            wire = Wire(await attacker.open_stream(victim.address, "/t/1"))
            await wire.write_frame(b"and no end")
            assert await wire.read_exact(1) == b"\x01"
        await until(lambda: kept_streams(victim) <= before + 4, 10)  # gossip's may open only now
        assert victim.metrics.stream_faults == 0
        assert await honest.request(victim.address, "/t/1", b"mine") == b"mine"


async def test_refused_streams_leave_nothing_behind() -> None:
    async with attacked(NetSettings(streams=StreamSettings(per_peer=4))) as (victim, _honest, attacker):
        before = kept_streams(victim)
        network = attacker._host.get_network()
        for _ in range(20):
            stream = await network.new_stream(victim._host.get_id())
            with contextlib.suppress(Exception):
                await stream.write(b"\x13/multistream/1.0.0\n")
        await until(lambda: victim.metrics.streams_refused >= 16)
        await until(lambda: kept_streams(victim) <= before + 4, 10)


async def test_a_peer_that_keeps_streams_by_the_hundred_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with attacked() as (victim, honest, attacker):
        monkeypatch.setattr(yamux, "MAX_STREAMS", 6)
        with contextlib.suppress(Exception):
            for _ in range(12):
                await attacker._host.get_network().new_stream(victim._host.get_id())
        await until(lambda: not victim.is_connected(attacker.address), 10)
        assert victim.is_connected(honest.address)


def kept_streams(node: Node) -> int:
    connections = swarm_of(node._host).get_connections()
    return sum(len(conn.muxed_conn.streams) for conn in connections)  # type: ignore[attr-defined]


async def test_a_negotiation_that_never_ends_holds_its_own_share_only() -> None:
    settings = NetSettings(streams=StreamSettings(per_peer=4))
    async with attacked(settings) as (victim, honest, attacker):
        network = attacker._host.get_network()
        for _ in range(10):
            # Streams on which not even a protocol is named.
            await network.new_stream(victim._host.get_id())
        await until(lambda: victim.metrics.streams_refused >= 6)

        async def echo(_sender: bytes, request: bytes) -> bytes:
            return request

        victim.serve("/t/1", echo)
        assert await honest.request(victim.address, "/t/1", b"mine") == b"mine"


async def test_raw_bytes_on_the_port_do_not_end_the_node() -> None:
    async with attacked() as (victim, honest, _attacker):
        port = int(victim.addrs[0].split("/")[4])
        for junk in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(5000),
            b"\x13/multistream/1.0.0\n" + os.urandom(99),
        ):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(junk)
            await stream.aclose()
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        await honest_traffic_arrives(victim, honest, inbox)


async def test_peers_that_left_leave_nothing_behind() -> None:
    async with open_node(key("victim")) as victim:
        await victim.subscribe(OFFERS, accept_all)
        strangers = []
        for number in range(3):
            async with open_node(key(f"stranger {number}")) as stranger:
                await stranger.connect(victim.addrs[0])
                await until(lambda s=stranger: s.topic_peers(OFFERS) == (victim.address,))
                strangers.append(stranger._host.get_id())
        await until(lambda: victim.peers() == () and not victim._pubsub.peers)
        swarm = swarm_of(victim._host)
        tables = (
            swarm.peerstore.peer_data_map,
            swarm.peerstore.peer_record_map,
            swarm.auto_connector._recent_disconnects,
            swarm.connections,
            victim._pubsub.peers,
            victim._pubsub.peer_queues,
            victim._router.peer_protocol,
            victim._router._pending_messages,
            victim._pubsub._records._last,
            victim._guard._open._keys,
            victim._pubsub._streams,
            victim._door._open._keys,
        )
        for table in tables:
            assert not [peer for peer in strangers if peer in table]


async def silent(port: int, source: str) -> trio.SocketStream:
    """A connection from an address of this machine that never says anything."""
    ends = trio.socket.socket()
    await ends.bind((source, 0))
    await ends.connect(("127.0.0.1", port))
    return trio.SocketStream(ends)


async def test_connections_that_never_shake_hands_shut_nobody_out() -> None:
    settings = NetSettings(max_peers=2, handshakes=32, dial_timeout_s=60)
    async with (
        open_node(key("victim"), settings) as victim,
        open_node(key("honest")) as honest,
        open_node(key("other")) as other,
    ):
        port = int(victim.addrs[0].split("/")[4])
        idle = [await silent(port, f"127.0.0.{2 + number % 4}") for number in range(60)]
        await until(lambda: victim.metrics.connections_refused >= len(idle) - 32)
        assert victim._door.shaking == 32
        await honest.connect(victim.addrs[0])
        await victim.connect(other.addrs[0])
        assert victim._door.open == 1
        for stream in idle:
            await stream.aclose()
        await until(lambda: victim._door.shaking == 0)


async def test_who_fills_a_node_makes_room_for_those_of_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four addresses with free keys kept everybody out, for as long as they stayed."""
    real, source = trio.open_tcp_stream, ["127.0.0.2"]

    async def opened(host: str, port: int, **rest: Any) -> trio.SocketStream:
        return await real(host, port, local_address=source[0], **rest)

    monkeypatch.setattr(trio, "open_tcp_stream", opened)
    async with (
        open_node(key("victim"), NetSettings(max_peers=3)) as victim,
        contextlib.AsyncExitStack() as stack,
    ):
        sybils = []
        for number in range(3):
            source[0] = f"127.0.0.{2 + number // 2}"
            sybils.append(await stack.enter_async_context(open_node(key(f"sybil {number}"))))
            await sybils[-1].connect(victim.addrs[0])
        source[0] = "127.0.0.9"
        honest = await stack.enter_async_context(open_node(key("honest")))
        await honest.connect(victim.addrs[0])
        await until(lambda: not victim.is_connected(sybils[1].address), 10)
        assert victim.is_connected(honest.address)
        assert victim.is_connected(sybils[2].address)
        assert victim._door.open == 3


async def test_nobody_tells_a_node_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four strangers said so in identify, and it told that to everybody."""
    lie = Multiaddr("/ip4/203.0.113.5/tcp/22")
    real, source = trio.open_tcp_stream, [""]
    told = identify._mk_identify_protobuf

    async def opened(host: str, port: int, **rest: Any) -> trio.SocketStream:
        return await real(host, port, local_address=source[0], **rest)

    monkeypatch.setattr(trio, "open_tcp_stream", opened)
    monkeypatch.setattr(identify, "_mk_identify_protobuf", lambda host, _: told(host, lie))
    async with open_node(key("victim")) as victim, contextlib.AsyncExitStack() as stack:
        for number in range(4):
            source[0] = f"127.0.0.{10 + number}"
            liar = await stack.enter_async_context(open_node(key(f"liar {number}")))
            await liar.connect(victim.addrs[0])
        await trio.sleep(0.5)
        assert not [each for each in victim.addrs if "203.0.113.5" in each]


async def test_many_handshakes_of_one_host_push_out_its_own() -> None:
    async with open_node(key("victim"), NetSettings(handshakes=3, dial_timeout_s=60)) as victim:
        port = int(victim.addrs[0].split("/")[4])
        idle = [await silent(port, "127.0.0.2")]
        await until(lambda: victim._door.shaking == 1)
        for count in range(1, 8):
            idle.append(await silent(port, "127.0.0.3"))
            await until(lambda n=count: victim.metrics.connections_refused == max(n - 2, 0))
        assert list(victim._door._shaking.values()).count("127.0.0.2") == 1
        for stream in idle:
            await stream.aclose()


async def test_a_silent_connection_is_closed_after_a_while() -> None:
    async with open_node(key("victim"), NetSettings(dial_timeout_s=0.5)) as victim:
        stream = await silent(int(victim.addrs[0].split("/")[4]), "127.0.0.2")
        with trio.fail_after(60):
            while await stream.receive_some(1024):
                pass
        await until(lambda: victim._door.shaking == 0)


async def test_peers_that_fill_a_node_leave_it_places_to_dial() -> None:
    async with (
        open_node(key("victim"), NetSettings(max_peers=2)) as victim,
        open_node(key("first")) as first,
        open_node(key("second")) as second,
        open_node(key("third")) as third,
    ):
        await first.connect(victim.addrs[0])
        await second.connect(victim.addrs[0])
        await until(lambda: victim._door.open == 2)
        with pytest.raises(PeerUnreachableError):
            await third.connect(victim.addrs[0])
        assert victim.metrics.connections_refused == 1
        await victim.connect(third.addrs[0])


async def test_dials_that_nobody_answers_take_no_place_for_ever() -> None:
    """Stock, the resource manager keeps the place of each dial that is cancelled in its handshake."""
    settings = NetSettings(max_peers=1, handshakes=1, dialled=2, dial_timeout_s=0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        async with open_node(key("victim"), settings) as victim:
            for number in range(5):
                peer = ID.from_pubkey(key_pair(key(f"mute {number}")).public_key).to_base58()
                with pytest.raises(PeerUnreachableError, match="no answer"):
                    await victim.connect(f"/ip4/127.0.0.1/tcp/{mute.getsockname()[1]}/p2p/{peer}")


async def test_who_is_asked_for_waits_for_no_background_dial() -> None:
    """Made-up peers from registrations, with addresses that accept and say nothing, keep the dialler busy."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        where = f"/ip4/127.0.0.1/tcp/{mute.getsockname()[1]}/p2p/"
        async with open_node(key("honest")) as honest, open_node(key("kept")) as kept:
            settings = NetSettings(dial_timeout_s=60)
            async with open_node(key("victim"), settings) as victim:
                for number in range(30):
                    peer = ID.from_pubkey(key_pair(key(f"mute {number}")).public_key)
                    victim.learn(address_of(peer), [where + peer.to_base58()])
                await until(lambda: victim.metrics.dials >= 8)
                victim.learn(kept.address, kept.addrs, keep=True)
                await until(lambda: victim.is_connected(kept.address), 30)
                victim.learn(honest.address, honest.addrs)
                with trio.fail_after(30):
                    await victim.connect(honest.addrs[0])
                assert victim.metrics.dials == 8 + 2


async def test_one_host_cannot_take_all_places() -> None:
    async with (
        open_node(key("victim"), NetSettings(max_per_host=1)) as victim,
        open_node(key("first")) as first,
        open_node(key("second")) as second,
    ):
        await first.connect(victim.addrs[0])
        await until(lambda: victim._door.open == 1)
        with pytest.raises(PeerUnreachableError):
            await second.connect(victim.addrs[0])


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_a_host_with_ipv6_is_known_by_its_network() -> None:
    async with (
        open_node(key("victim"), NetSettings(listen=("/ip6/::1/tcp/0",))) as victim,
        open_node(key("first")) as first,
    ):
        await first.connect(victim.addrs[0])
        await until(lambda: set(victim._door._open._keys) == {"::/64"})


async def test_a_slow_reader_loses_its_own_messages_only() -> None:
    settings = NetSettings(gossip=replace(GossipSettings(author_messages=1000), queue=10))
    async with attacked(settings) as (victim, honest, _attacker):
        inbox = await victim.subscribe(OFFERS, accept_all)
        await until(lambda: honest.topic_peers(OFFERS) == (victim.address,))
        for number in range(30):
            await honest.publish(OFFERS, bytes([number]))
            await until(lambda n=number: victim.metrics.gossip_accepted == n + 1)
        assert victim.metrics.gossip_dropped_slow_reader == 20
        assert [(await anext(inbox)).payload[0] for _ in range(10)] == list(range(10))


async def test_names_that_nobody_answers_for_take_no_threads_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server that says nothing holds a thread for longer than any deadline of ours."""
    real, gate, asked = socket.getaddrinfo, threading.Event(), list[object]()

    def look_up(host: object, *rest: object) -> object:
        if host != "localhost" and "silent" in str(host):
            asked.append(host)
            gate.wait()
            raise OSError("no such host")
        return real(host, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with open_node(key("victim")) as victim, open_node(key("kept")) as kept:
        port, kept_id = kept.addrs[0].split("/")[4], kept.peer_id
        try:
            async with trio.open_nursery() as nursery:
                for number in range(50):
                    peer = key_pair(key(f"silent {number}"))
                    peer_id = ID.from_pubkey(peer.public_key)
                    victim.learn(address_of(peer_id), [f"/dns4/silent{number}.example/tcp/1/p2p/{peer_id}"])
                    nursery.start_soon(ask_for, victim, address_of(peer_id))
                await until(lambda: len(asked) >= 16)
                with trio.fail_after(5):
                    await trio.to_thread.run_sync(int)
                    victim.learn(kept.address, [f"/dns4/localhost/tcp/{port}/p2p/{kept_id}"], keep=True)
                    while not victim.is_connected(kept.address):
                        await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
        finally:
            gate.set()


async def ask_for(node: Node, address: Address) -> None:
    with contextlib.suppress(PeerUnreachableError, PeerTimeoutError):
        await node.request(address, "/t/1", b"", timeout_s=60)
