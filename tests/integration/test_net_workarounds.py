"""Each fault of the stock library, shown, and our way around it, on real hosts over loopback.

When the stock half of a test fails, the library was mended: delete the workaround.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import libp2p.pubsub.utils
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from libp2p import new_host
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.host.exceptions import StreamFailure
from libp2p.identity import update
from libp2p.identity.identify.identify import ID
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.io.exceptions import MessageTooLarge
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.peer.peerstore import env_to_send_in_RPC
from libp2p.pubsub import gossipsub
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.pubsub.utils import maybe_consume_signed_record
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.stream_muxer.yamux.yamux import YamuxStream
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils.varint import (
    encode_varint_prefixed,
    read_length_prefixed_protobuf,
    read_varint_prefixed_bytes_limited,
)
from multiaddr import Multiaddr

from protocol.net import open_node
from protocol.net.framing import Wire
from protocol.net.gossip.router import PROTOCOLS
from protocol.net.host import swarm_of
from protocol.net.identity import key_pair
from protocol.net.workarounds.frames import FrameReader
from protocol.net.workarounds.queues import FLOOR, Pool, widen
from protocol.net.workarounds.reads import EagerStream
from protocol.net.workarounds.records import RecordCache, own_record
from protocol.net.workarounds.yamux import MAX_HELD, open_window
from tests.unit.net.support import OFFERS, accept_all, key, nodes, until

LOCAL = Multiaddr("/ip4/127.0.0.1/tcp/0")
T = TProtocol("/t/1")


@asynccontextmanager
async def stock(name: str, **arguments: Any) -> AsyncIterator[IHost]:
    host = new_host(key_pair=key_pair(key(name)), **arguments)
    async with host.run(listen_addrs=[LOCAL]):
        yield host


@asynccontextmanager
async def stock_gossip(names: str) -> AsyncIterator[list[Pubsub]]:
    """Stock pubsubs, the first one connected to all others."""
    async with AsyncExitStack() as stack:
        made: list[Pubsub] = []
        for name in names:
            host = await stack.enter_async_context(stock(name))
            router = GossipSub(PROTOCOLS, 6, 4, 12, heartbeat_interval=1)
            pubsub = Pubsub(host, router)
            for service in (pubsub, router):
                await stack.enter_async_context(background_trio_service(service))
            await pubsub.wait_until_ready()
            if made:
                await made[0].host.connect(info_from_p2p_addr(host.get_addrs()[0]))
            made.append(pubsub)
        yield made


async def connect(a: IHost, b: IHost) -> None:
    await a.connect(info_from_p2p_addr(b.get_addrs()[0]))


class Pieces:
    """A byte stream that gives what it has in pieces, and counts the reads."""

    def __init__(self, data: bytes, piece: int) -> None:
        self.data, self.piece, self.at, self.reads = data, piece, 0, 0

    async def read(self, n: int | None = None) -> bytes:
        self.reads += 1
        end = self.at + min(self.piece, n if n is not None else self.piece)
        data, self.at = self.data[self.at : end], min(end, len(self.data))
        return data


# ---------------------------------------------------------------- gossip frames


@pytest.mark.trio
async def test_stock_reads_a_frames_length_byte_by_byte() -> None:
    frames = [bytes([n]) * 300 for n in range(100)]
    data = b"".join(map(encode_varint_prefixed, frames))
    theirs, ours = Pieces(data, 65536), Pieces(data, 65536)
    for frame in frames:
        assert await read_varint_prefixed_bytes_limited(theirs, 1000) == frame  # type: ignore[arg-type]
    reader = FrameReader(ours, 1000)  # type: ignore[arg-type]
    assert [await reader.next() for _ in frames] == frames
    assert theirs.reads == 300
    assert ours.reads == 1


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(1, 70))
def test_frames_come_out_whole_however_they_are_cut(frames: list[bytes], piece: int) -> None:
    async def check() -> None:
        source = Pieces(b"".join(map(encode_varint_prefixed, frames)), piece)
        reader = FrameReader(source, 400)  # type: ignore[arg-type]
        assert [await reader.next() for _ in frames] == frames

    trio.run(check)


@pytest.mark.trio
async def test_a_frame_over_the_limit_is_refused_by_its_length_alone() -> None:
    source = Pieces(encode_varint_prefixed(bytes(2000))[:10], 10)
    with pytest.raises(MessageTooLarge):
        await FrameReader(source, 1000).next()  # type: ignore[arg-type]


# ---------------------------------------------------------------- queues


def test_stock_queues_drop_the_33rd_frame() -> None:
    rpc = rpc_pb2.RPC(publish=[rpc_pb2.Message(data=bytes(1000))])
    queue = RpcQueue()
    assert [queue.push(rpc) for _ in range(33)].count(True) == 32
    widen(queue, 4096, 1 << 20, Pool(1 << 30))
    fitted = 32 + [queue.push(rpc) for _ in range(4096)].count(True)
    # The bytes run out before the count does, and come back as the queue drains.
    assert fitted == (1 << 20) // rpc.ByteSize()
    assert queue._queue.pop() == rpc
    assert queue.push(rpc)
    assert not queue.push(rpc)


def test_peers_that_read_nothing_pin_no_more_together_than_one_limit_and_keep_nobody_elses_floor() -> None:
    pool, rpc = Pool(1 << 20), rpc_pb2.RPC(publish=[rpc_pb2.Message(data=bytes(10_000))])
    queues = [RpcQueue() for _ in range(6)]
    for queue in queues:
        widen(queue, 4096, 1 << 23, pool)
    for queue in queues[:4]:
        while queue.push(rpc):
            pass
    held = [queue._queue.waiting_bytes for queue in queues]  # type: ignore[attr-defined]
    assert sum(held) <= (1 << 20) + 4 * FLOOR
    assert sum(held) > 1 << 20
    # Those that read have their floor, and one that leaves gives back what it held.
    assert all(queues[4].push(rpc) for _ in range(FLOOR // rpc.ByteSize()))
    assert not queues[4].push(rpc)
    del queues[0], queue
    assert queues[3].push(rpc)


@pytest.mark.trio
async def test_stock_gossip_drops_the_eleventh_message_of_a_second_and_the_33rd_unread() -> None:
    async with stock_gossip("ab") as (a, b):
        inbox = await b.subscribe(OFFERS)
        await a.subscribe(OFFERS)
        await a.wait_for_mesh(b.my_id, OFFERS, timeout=20)
        for n in range(40):
            await a.publish(OFFERS, bytes([n]))
        with trio.fail_after(20):
            got = [await inbox.get() for _ in range(10)]
        with trio.move_on_after(0.3):
            got.append(await inbox.get())
        assert len(got) == 10

    async with nodes(2) as (reader, writer):
        ours = await reader.subscribe(OFFERS, accept_all)
        await until(lambda: writer.topic_peers(OFFERS) == (reader.address,))
        for n in range(90):
            await writer.publish(OFFERS, bytes([n]))
        await until(lambda: reader.metrics.gossip_accepted == 90)
        with trio.fail_after(5):
            assert [(await anext(ours)).payload[0] for _ in range(90)] == list(range(90))


# ---------------------------------------------------------------- records, numbers, validators


@pytest.mark.trio
async def test_stock_verifies_an_unchanged_record_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = 0
    real = libp2p.pubsub.utils.consume_envelope

    def counting(*arguments: Any) -> Any:
        nonlocal checks
        checks += 1
        return real(*arguments)

    monkeypatch.setattr(libp2p.pubsub.utils, "consume_envelope", counting)
    async with stock_gossip("ab") as (a, b):
        hello = a.get_hello_packet()
        checks = 0
        for _ in range(5):
            assert maybe_consume_signed_record(hello, b.host, a.my_id)
        assert checks == 5
        cache, checks = RecordCache(b.host), 0
        for _ in range(5):
            assert cache.admit(rpc_pb2.RPC.FromString(hello.SerializeToString()), a.my_id)
        assert checks == 1
        # Another peer may not pass it off as its own.
        assert not cache.admit(rpc_pb2.RPC.FromString(hello.SerializeToString()), b.my_id)


@pytest.mark.trio
async def test_stock_numbers_messages_from_the_second_of_its_start() -> None:
    async with stock("a") as host:
        first = Pubsub(host, GossipSub(PROTOCOLS, 6, 4, 12))
        used = {first._next_seqno() for _ in range(100)}
        restarted = Pubsub(host, GossipSub(PROTOCOLS, 6, 4, 12))
        assert restarted._next_seqno() in used
    used = set()
    for _ in range(2):
        async with open_node(key("a")) as node:
            numbers = {node._pubsub._next_seqno() for _ in range(100)}
        assert not numbers & used
        used |= numbers


@pytest.mark.trio
async def test_stock_validates_a_message_again_while_its_validator_runs() -> None:
    async with stock_gossip("ab") as (a, b):
        await b.subscribe(OFFERS)
        runs, gate = 0, trio.Event()

        async def slow(_peer: object, _message: object) -> bool:
            nonlocal runs
            runs += 1
            await gate.wait()
            return True

        b.set_topic_validator(OFFERS, slow, is_async_validator=True)
        message = await _signed(a)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.push_msg, a.my_id, message)
            nursery.start_soon(b.push_msg, a.my_id, message)
            await until(lambda: runs == 2)
            gate.set()
    # Ours: test_net.test_asynchronous_validators_run_once_per_message, over the wire.


@pytest.mark.trio
async def test_stock_forgets_to_announce_a_topic_joined_while_it_greets() -> None:
    def join_while_greeting(
        pubsub: Pubsub, nursery: trio.Nursery, join: Callable[[], Awaitable[Any]]
    ) -> None:
        greet = pubsub.get_hello_packet

        def greeting() -> rpc_pb2.RPC:
            packet = greet()
            nursery.start_soon(join)
            return packet

        pubsub.get_hello_packet = greeting  # type: ignore[method-assign]

    async with stock_gossip("a") as (a,), stock_gossip("b") as (b,), trio.open_nursery() as nursery:
        join_while_greeting(b, nursery, lambda: b.subscribe(OFFERS))
        await a.host.connect(info_from_p2p_addr(b.host.get_addrs()[0]))
        await b.wait_for_peer(a.my_id)
        assert OFFERS in b.topic_ids
        with pytest.raises(trio.TooSlowError):
            await a.wait_for_subscription(b.my_id, OFFERS, timeout=0.5)

    async with open_node(key("a")) as ours, open_node(key("b")) as other, trio.open_nursery() as nursery:
        join_while_greeting(other._pubsub, nursery, lambda: other.subscribe(OFFERS, accept_all))
        await ours.connect(other.addrs[0])
        await until(lambda: ours.topic_peers(OFFERS) == (other.address,))


async def _signed(pubsub: Pubsub) -> rpc_pb2.Message:
    caught: list[rpc_pb2.Message] = []

    async def keep(_forwarder: object, message: rpc_pb2.Message) -> None:
        caught.append(message)

    pubsub.push_msg = keep  # type: ignore[method-assign,assignment]
    await pubsub.publish(OFFERS, b"once")
    return caught[0]


# ---------------------------------------------------------------- handlers


async def _raise(stream: INetStream) -> None:
    await stream.read(1)
    raise KeyError("a bug in a handler")


@pytest.mark.trio
async def test_stock_dies_of_an_exception_in_a_stream_handler() -> None:
    died = False
    async with stock("client") as client:
        try:
            async with stock("server") as server:
                server.set_stream_handler(T, _raise)
                await connect(client, server)
                stream = await client.new_stream(server.get_id(), [T])
                await stream.write(b"!")
                await trio.sleep(5)
        except* KeyError:
            died = True
    assert died

    async with nodes(2) as (server_node, client_node):
        server_node._host.set_stream_handler(T, _raise)
        for _ in range(3):
            stream = await client_node.open_stream(server_node.address, T)
            await stream.write(b"!")
        await until(lambda: server_node.metrics.stream_faults == 3)
        assert server_node.is_connected(client_node.address)


@pytest.mark.trio
async def test_stock_accepts_plaintext() -> None:
    pair = key_pair(key("client"))
    naked = {TProtocol(PLAINTEXT_PROTOCOL_ID): InsecureTransport(pair)}
    async with stock("client", sec_opt=naked) as client, stock("server") as server, nodes(1) as (ours,):
        await connect(client, server)
        assert client.get_connected_peers() == [server.get_id()]
        with pytest.raises(Exception, match="unable to connect"):
            await client.connect(info_from_p2p_addr(Multiaddr(ours.addrs[0])))
        assert ours.peers() == ()


# ---------------------------------------------------------------- identify


@pytest.mark.trio
async def test_stock_keeps_for_ever_what_a_peer_says_of_itself() -> None:
    kept = update._safe_parse_multiaddr_cached
    junk = Identify(listen_addrs=[b"\xff" + bytes([number]) * 1000 for number in range(50)])

    async def answer(stream: INetStream) -> None:
        await stream.write(encode_varint_prefixed(junk.SerializeToString()))
        await stream.close()

    async with stock("talker") as talker:
        talker.set_stream_handler(ID, answer)
        async with stock("server") as server:
            kept.cache_clear()
            await connect(talker, server)
            await until(lambda: kept.cache_info().currsize >= 50)
        async with nodes(1) as (ours,):
            kept.cache_clear()
            await talker.connect(info_from_p2p_addr(Multiaddr(ours.addrs[0])))
            await until(lambda: bool(ours.peers()))
            with pytest.raises(StreamFailure):
                await talker.new_stream(ours._host.get_id(), [ID_PUSH])
            stream = await talker.new_stream(ours._host.get_id(), [ID])
            said = await read_length_prefixed_protobuf(stream)
            assert Identify.FromString(said).listen_addrs  # who asks is answered
            await trio.sleep(0.1)
            assert kept.cache_info().currsize <= 1  # the talker's, of what ours said


# ---------------------------------------------------------------- dialling


@pytest.mark.trio
async def test_stock_tries_one_address_and_then_blocks_the_peer() -> None:
    dead = Multiaddr("/ip4/127.0.0.1/tcp/1")
    async with stock("server") as server, stock("client") as client:
        swarm_of(client).retry_config.max_retries = 0
        alive = server.get_addrs()[0].decapsulate(Multiaddr(f"/p2p/{server.get_id()}"))
        both = PeerInfo(server.get_id(), [dead, alive])
        with pytest.raises(Exception, match="unable to connect"):
            await client.connect(both)
        with pytest.raises(Exception, match="negative cache"):
            await client.connect(PeerInfo(server.get_id(), [alive]))
    # Ours: test_net.test_learnt_addresses_are_dialled_when_needed_and_must_fit_the_key and
    # test_a_lost_peer_is_found_again_after_its_restart.


@pytest.mark.trio
async def test_stock_dials_every_peer_it_heard_of() -> None:
    async with stock("rumoured") as rumoured, stock("client") as client, nodes(1) as (ours,):
        for host in (client, ours._host):
            info = info_from_p2p_addr(rumoured.get_addrs()[0])
            swarm_of(host).peerstore.add_addrs(info.peer_id, info.addrs, 100)
            await swarm_of(host).auto_connector.maybe_connect()
        await until(lambda: client.get_connected_peers() == [rumoured.get_id()])
        assert ours.peers() == ()


@pytest.mark.trio
async def test_stock_is_dialled_only_so_often_in_its_life() -> None:
    few = ConnectionConfig(max_connections=3, high_watermark=3, low_watermark=0, min_connections=0)
    async with stock("server", connection_config=few) as server:
        for number in range(4):
            async with stock("client") as client:
                swarm_of(client).retry_config.max_retries = 0
                if number == 3:
                    with pytest.raises(Exception, match="unable to connect"):
                        await connect(client, server)
                    break
                await connect(client, server)
                await client.disconnect(server.get_id())
            await until(lambda: not server.get_connected_peers())

    async with open_node(key("server")) as node, open_node(key("client")) as other:
        for _ in range(4):
            await other.connect(node.addrs[0])
            await until(lambda: node._door.open == 1)
            await other.disconnect(node.address)
            await until(lambda: node._door.open == 0)


# ---------------------------------------------------------------- yamux and Noise


async def _flood(host: IHost, peer: Any, size: int) -> None:
    """Send `size` bytes on one stream, whatever window the other side granted."""
    stream = await host.new_stream(peer, [T])
    stream.muxed_stream.send_window = 1 << 40  # type: ignore[attr-defined]
    for _ in range(size >> 20):
        await stream.write(bytes(1 << 20))


@pytest.mark.trio
async def test_stock_keeps_whatever_a_peer_sends_past_its_window() -> None:
    size = MAX_HELD + (4 << 20)

    async def never_read(_stream: INetStream) -> None:
        await trio.sleep_forever()

    def held(host: IHost) -> int:
        return sum(
            len(buffer)
            for conns in swarm_of(host).connections.values()
            for conn in conns
            for buffer in conn.muxed_conn.stream_buffers.values()  # type: ignore[attr-defined]
        )

    async with stock("server") as server, stock("client") as client:
        server.set_stream_handler(T, never_read)
        await connect(client, server)
        await _flood(client, server.get_id(), size)
        await until(lambda: held(server) == size)

    async with nodes(1) as (ours,), stock("client") as client:
        ours._host.set_stream_handler(T, never_read)
        await client.connect(info_from_p2p_addr(Multiaddr(ours.addrs[0])))
        with suppress(Exception):  # the sender may notice or not
            await _flood(client, ours._host.get_id(), size)
        await until(lambda: ours.peers() == ())
        assert held(ours._host) == 0


@pytest.mark.trio
async def test_stock_senders_run_into_a_closed_window_and_ours_do_not() -> None:
    size, waits = 4 << 20, []

    async def send(stream: INetStream) -> None:
        await stream.read(1)
        with trio.move_on_after(0.5):
            for _ in range(size >> 16):
                await stream.write(bytes(1 << 16))
        waits.append(stream.muxed_stream._zero_window_waits)  # type: ignore[attr-defined]

    async with nodes(2) as (server, client):
        server._host.set_stream_handler(T, send)
        for wide in (False, True):
            stream = await client.open_stream(server.address, T)
            if wide:
                await open_window(stream, size)
            await stream.write(b"?")
            await until(lambda count=1 + wide: len(waits) == count)
            # Nothing was read meanwhile.
        assert waits[0] > 0
        assert waits[1] == 0
        wire = Wire(stream)
        assert len(await wire.read_exact(size)) == size


@pytest.mark.trio
async def test_stock_answers_each_read_with_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = 0
    real = YamuxStream.send_window_update

    async def counting(self: YamuxStream, increment: int, skip_lock: bool = False) -> None:
        nonlocal updates
        updates += 1
        await real(self, increment, skip_lock)

    monkeypatch.setattr(YamuxStream, "send_window_update", counting)

    async def chat(stream: INetStream) -> None:
        for _ in range(100):
            await stream.write(await stream.read(1000))

    async def talk(stream: INetStream) -> int:
        nonlocal updates
        await stream.write(bytes(100))
        updates = 0
        for _ in range(99):
            await stream.read(1000)
            await stream.write(bytes(100))
        return updates

    async with stock("server") as server, stock("client") as client:
        server.set_stream_handler(T, chat)
        await connect(client, server)
        assert await talk(await client.new_stream(server.get_id(), [T])) >= 197
    async with nodes(2) as (server_node, client_node):
        server_node._host.set_stream_handler(T, chat)
        assert await talk(await client_node.open_stream(server_node.address, T)) == 0


@pytest.mark.trio
async def test_a_calm_window_still_opens() -> None:
    size = 3 << 20

    async def send(stream: INetStream) -> None:
        await Wire(stream).write(bytes(size))

    async with nodes(2) as (server, client):
        server._host.set_stream_handler(T, send)
        wire = Wire(await client.open_stream(server.address, T))
        with trio.fail_after(10):
            for _ in range(size // 1024):
                await wire.read_exact(1024)


@pytest.mark.trio
async def test_stock_builds_its_own_record_for_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stock("a") as host:
        builds = 0
        real = host.get_addrs

        def counting() -> Any:
            nonlocal builds
            builds += 1
            return real()

        monkeypatch.setattr(host, "get_addrs", counting)
        for record in (env_to_send_in_RPC, own_record):
            builds = 0
            assert len({record(host)[0] for _ in range(10)}) == 1
            assert builds >= (10 if record is env_to_send_in_RPC else 1)
        assert builds <= 2
        assert gossipsub.env_to_send_in_RPC is own_record  # type: ignore[attr-defined]


@given(st.binary(max_size=600), st.integers(1, 100), st.lists(st.integers(1, 90), min_size=1))
def test_reading_ahead_changes_no_byte(data: bytes, piece: int, sizes: list[int]) -> None:
    async def check() -> None:
        source = EagerStream(Pieces(data, piece))  # type: ignore[arg-type]
        got, turn = b"", 0
        while more := await source.read(sizes[turn % len(sizes)]):
            assert len(more) <= sizes[turn % len(sizes)]
            got, turn = got + more, turn + 1
        assert got == data

    trio.run(check)


@pytest.mark.trio
async def test_stock_reads_a_noise_message_in_at_least_two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    from libp2p.io.trio import TrioTCPStream

    reads = 0
    real = TrioTCPStream.read

    async def counting(self: TrioTCPStream, n: int | None = None) -> bytes:
        nonlocal reads
        reads += 1
        return await real(self, n)

    monkeypatch.setattr(TrioTCPStream, "read", counting)

    async def pump(send: Callable[[], Awaitable[INetStream]]) -> int:
        nonlocal reads
        stream = await send()
        await trio.sleep(0.05)
        reads = 0
        for _ in range(100):
            await stream.write(bytes(100))
        await until(lambda: drained == 10_000)
        return reads

    drained = 0

    async def drain(stream: INetStream) -> None:
        nonlocal drained
        drained = 0
        while drained < 10_000:
            drained += len(await stream.read(10_000))

    async with stock("server") as server, stock("client") as client:
        server.set_stream_handler(T, drain)
        await connect(client, server)
        theirs = await pump(lambda: client.new_stream(server.get_id(), [T]))
    async with nodes(2) as (server_node, client_node):
        server_node._host.set_stream_handler(T, drain)
        ours = await pump(lambda: client_node.open_stream(server_node.address, T))
    assert theirs > 200
    assert ours <= theirs / 2


@pytest.mark.trio
async def test_stock_lets_a_vanished_peer_count_as_connected() -> None:
    def keepalive(host: IHost) -> set[int]:
        found = set()
        for conns in swarm_of(host).connections.values():
            for conn in conns:
                stream = conn.muxed_conn.secured_conn.conn.read_writer.read_write_closer.stream  # type: ignore[attr-defined]
                tcp = getattr(stream, "_inner", stream).stream
                found.add(tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        return found

    async with stock("server") as server, stock("client") as client:
        await connect(client, server)
        assert keepalive(client) == {0}
    async with nodes(2) as (a, b):
        await until(lambda: bool(b.peers()))
        assert keepalive(a._host) == keepalive(b._host) == {1}
