"""A node that nobody can dial is reached through a relay."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, PeerId, Status, StopMessage
from libp2p.relay.circuit_v2.protocol import STOP_PROTOCOL_ID
from libp2p.relay.circuit_v2.utils import read_delimited_msg, write_delimited_msg

from protocol.net import NetSettings, Node, PeerUnreachableError, open_node
from protocol.net.host import swarm_of
from protocol.net.identity import parse_peer_id
from protocol.net.relay import reserve
from protocol.net.workarounds import relay as forwarding
from protocol.store import Artifacts
from tests.unit.net.support import OFFERS, accept_all, free_port, key, until

pytestmark = pytest.mark.trio

# A relay's address that nobody listens on: what a node behind NAT announces of itself is of no use.
UNREACHABLE = ("/ip4/127.0.0.1/tcp/1",)


async def echo(sender: bytes, request: bytes) -> bytes:
    return sender + request


@asynccontextmanager
async def hidden_behind_a_relay() -> AsyncIterator[tuple[Node, Node]]:
    async with open_node(key("relay"), NetSettings(relay_for_others=True)) as relay:
        behind = NetSettings(relays=relay.addrs, announce=UNREACHABLE)
        async with open_node(key("hidden"), behind) as hidden:
            hidden.serve("/t/1", echo)
            await until(lambda: len(hidden.addrs) == 2)
            yield relay, hidden


async def test_requests_gossip_and_artifacts_go_through(tmp_path: Path) -> None:
    async with hidden_behind_a_relay() as (_relay, hidden), open_node(key("client")) as client:
        client.learn(hidden.address, hidden.addrs)
        assert await client.request(hidden.address, "/t/1", b"hello") == client.address + b"hello"

        inbox = await hidden.subscribe(OFFERS, accept_all)
        await until(lambda: hidden.address in client.topic_peers(OFFERS))
        await client.publish(OFFERS, b"offer")
        with trio.fail_after(5):
            assert (await anext(inbox)).sender == client.address

        source, target = Artifacts(tmp_path / "source"), Artifacts(tmp_path / "target")
        artifact = source.put_bytes(bytes(3_000_000))
        hidden.serve_artifacts(source, lambda _peer, _artifact: True)
        await client.fetch_artifact(target, artifact, [hidden.address], max_size=1 << 30)
        assert target.path(artifact).stat().st_size == 3_000_000


async def test_one_client_that_leaves_does_not_cut_the_other() -> None:
    async with hidden_behind_a_relay() as (_relay, hidden), open_node(key("stays")) as stays:
        async with open_node(key("leaves")) as leaves:
            leaves.learn(hidden.address, hidden.addrs)
            await leaves.request(hidden.address, "/t/1", b"1")
            # The order matters: stock, the relay books the later circuit under the hidden peer.
            stays.learn(hidden.address, hidden.addrs)
            await stays.request(hidden.address, "/t/1", b"2")
            await until(lambda: len(hidden.peers()) == 3)
        await until(lambda: len(hidden.peers()) == 2)
        dials = stays.metrics.dials
        for _ in range(12):
            # Stock, the relay cuts the other circuit only after some retries on the first.
            assert await stays.request(hidden.address, "/t/1", b"3") == stays.address + b"3"
            await trio.sleep(0.1)
        assert stays.metrics.dials == dials


async def test_nobody_reserves_a_place_for_another() -> None:
    async with (
        open_node(key("relay"), NetSettings(relay_for_others=True)) as relay,
        open_node(key("other"), NetSettings(bootstrap=relay.addrs)) as other,
        open_node(key("client"), NetSettings(bootstrap=relay.addrs)) as client,
    ):
        await until(lambda: len(relay.peers()) == 2 and client.is_connected(relay.address))
        stream = await client.open_stream(relay.address, "/libp2p/circuit/relay/0.2.0/hop")
        theirs = PeerId(id=other._host.get_id().to_bytes())
        await write_delimited_msg(stream, HopMessage(type=HopMessage.RESERVE, peer=theirs))
        assert (await read_delimited_msg(stream, HopMessage)).status == Status.OK
        client.learn(other.address, [f"{relay.addrs[0]}/p2p-circuit/p2p/{other.peer_id}"])
        with pytest.raises(PeerUnreachableError, match="NO_RESERVATION"):
            await client.request(other.address, "/t/1", b"")


class Source:
    """Which of this machine's addresses the next dial comes from."""

    def __init__(self) -> None:
        self.ip = "127.0.0.1"
        self._open = trio.open_tcp_stream

    async def open(self, host: str, port: int, **rest: Any) -> trio.SocketStream:
        return await self._open(host, port, local_address=self.ip, **rest)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    found = Source()
    monkeypatch.setattr(trio, "open_tcp_stream", found.open)
    return found


async def reserve_at(relay: Node, node: Node) -> None:
    await node.connect(relay.addrs[0])
    await reserve(node._host, parse_peer_id(relay.peer_id))


async def test_a_place_ends_with_its_peers_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 free keys that reserved and left took all places for an hour."""
    monkeypatch.setattr(forwarding, "RESERVATIONS", 2)
    async with open_node(key("relay"), NetSettings(relay_for_others=True)) as relay:
        for number in range(2):
            async with open_node(key(f"passes by {number}")) as node:
                await reserve_at(relay, node)
        await until(lambda: not relay.peers())
        async with open_node(key("hidden")) as hidden:
            await reserve_at(relay, hidden)


async def test_places_of_a_relay_are_shared_out_by_site(
    monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    monkeypatch.setattr(forwarding, "RESERVATIONS", 2)
    async with (
        open_node(key("relay"), NetSettings(relay_for_others=True)) as relay,
        AsyncExitStack() as stack,
    ):
        sybils = [await stack.enter_async_context(open_node(key(f"sybil {number}"))) for number in range(3)]
        for sybil in sybils[:2]:
            await reserve_at(relay, sybil)
        with pytest.raises(PeerUnreachableError, match="RESOURCE_LIMIT"):
            await reserve_at(relay, sybils[2])
        source.ip = "127.0.0.9"
        hidden = await stack.enter_async_context(open_node(key("hidden")))
        await reserve_at(relay, hidden)
        # Whose place went is told so by the end of its connection, and does not get it back.
        await until(lambda: sybils[1].metrics.dials == 2)
        assert sybils[0].metrics.dials == 1
        source.ip = "127.0.0.1"
        with pytest.raises(PeerUnreachableError, match="RESOURCE_LIMIT"):
            await reserve_at(relay, sybils[1])
        await reserve_at(relay, sybils[0])
        await reserve_at(relay, hidden)


async def test_circuits_of_a_place_are_shared_out_by_site_and_idle_ones_make_room(
    monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    """16 free keys that dialled a node behind NAT and said nothing kept everybody from it for an hour."""
    monkeypatch.setattr(forwarding, "CIRCUITS", 2)
    async with hidden_behind_a_relay() as (_relay, hidden), AsyncExitStack() as stack:
        addr = hidden.addrs[1]
        names = ("first", "second", "third", "from elsewhere")
        nodes = [await stack.enter_async_context(open_node(key(name))) for name in names]
        first, second, third, elsewhere = nodes
        for node in (first, second):
            await node.connect(addr)
        with pytest.raises(PeerUnreachableError, match="RESOURCE_LIMIT"):
            await third.connect(addr)

        source.ip = "127.0.0.9"
        await elsewhere.connect(addr)
        assert await elsewhere.request(hidden.address, "/t/1", b"!") == elsewhere.address + b"!"
        await until(lambda: not second.is_connected(hidden.address))
        assert first.is_connected(hidden.address)

        source.ip = "127.0.0.1"
        monkeypatch.setattr(forwarding, "IDLE_S", 0.0)
        await third.connect(addr)
        assert await third.request(hidden.address, "/t/1", b"!") == third.address + b"!"


async def test_a_node_that_forwards_for_nobody_refuses() -> None:
    async with (
        open_node(key("selfish")) as selfish,
        open_node(key("client")) as client,
        open_node(key("hidden"), NetSettings(announce=UNREACHABLE)) as hidden,
    ):
        await hidden.connect(selfish.addrs[0])
        client.learn(hidden.address, [f"{selfish.addrs[0]}/p2p-circuit/p2p/{hidden.peer_id}"])
        with pytest.raises(PeerUnreachableError):
            await client.request(hidden.address, "/t/1", b"")
        await hidden.connect(selfish.addrs[0])
        assert hidden.is_connected(selfish.address)


async def test_without_a_reservation_the_relay_forwards_nothing() -> None:
    async with (
        open_node(key("relay"), NetSettings(relay_for_others=True)) as relay,
        open_node(key("other"), NetSettings(bootstrap=relay.addrs)) as other,
        open_node(key("client")) as client,
    ):
        await until(lambda: relay.is_connected(other.address))
        client.learn(other.address, [f"{relay.addrs[0]}/p2p-circuit/p2p/{other.peer_id}"])
        with pytest.raises(PeerUnreachableError, match="NO_RESERVATION"):
            await client.request(other.address, "/t/1", b"")


async def test_the_place_is_reserved_again_when_the_relay_comes_back() -> None:
    listen = (f"/ip4/127.0.0.1/tcp/{free_port()}",)
    settings = NetSettings(relay_for_others=True, listen=listen)
    async with open_node(key("relay"), settings) as relay:
        addrs = relay.addrs
    behind = NetSettings(relays=addrs, announce=UNREACHABLE, redial_first_s=0.05, redial_last_s=0.1)
    async with open_node(key("hidden"), behind) as hidden:
        for _ in range(2):
            async with open_node(key("relay"), settings):
                await until(lambda: len(hidden.addrs) == 2)
            await until(lambda: len(hidden.addrs) == 1)


async def test_connections_that_a_relay_hands_over_pass_the_door_and_no_others() -> None:
    """Nine connections carried hundreds of others, which nothing counted, and then nobody could dial."""
    async with (
        hidden_behind_a_relay() as (_relay, hidden),
        open_node(key("client")) as client,
        open_node(key("stranger")) as stranger,
    ):
        client.learn(hidden.address, hidden.addrs)
        await client.request(hidden.address, "/t/1", b"hello")
        assert hidden._door.open == 1

        addr = next(iter(swarm_of(hidden._host).listeners.values())).get_addrs()[0]
        await stranger.connect(f"{addr}/p2p/{hidden.peer_id}")
        assert hidden._door.open == 2
        stream = await stranger.open_stream(hidden.address, STOP_PROTOCOL_ID)
        made_up = PeerId(id=stranger._host.get_id().to_bytes())
        answer = None
        with trio.fail_after(5), suppress(Exception):
            await write_delimited_msg(stream, StopMessage(type=StopMessage.CONNECT, peer=made_up))
            answer = await read_delimited_msg(stream, StopMessage)
        assert answer is None
