"""How often a node asks for its place at a relay, and when a circuit counts as idle."""

from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest
import trio
from libp2p.abc import IHost, INetStream
from libp2p.peer.id import ID
from trio.testing import MockClock

from protocol.net import relay
from protocol.net.relay import Reservations
from protocol.net.workarounds import relay as forwarding


@pytest.mark.trio
@pytest.mark.parametrize("granted", [0.0, 3600.0, 1e9])
async def test_a_place_is_renewed_in_time_and_not_without_a_pause(
    granted: float, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay whose clock was an hour behind was asked a hundred times a second."""
    asked: list[float] = []

    async def grant(_host: IHost, _relay: ID) -> float:
        assert len(asked) < 1000
        asked.append(trio.current_time())
        return granted

    async def reach(_addr: str) -> ID:
        return ID(b"relay")

    monkeypatch.setattr(relay, "reserve", grant)
    network = SimpleNamespace(get_connections=lambda _peer: ["one"])
    host = SimpleNamespace(get_id=lambda: "me", get_network=lambda: network)
    places = Reservations(cast(IHost, host), reach, trio.sleep_forever)
    with trio.move_on_after(2 * 3600):
        await places.keep("/relay")
    assert list(places.addrs) == ["/relay"]
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert min(pauses) >= 30
    assert max(pauses) <= 1800


@pytest.mark.trio
@pytest.mark.parametrize(("size", "counts"), [(30, False), (300, True)])
async def test_pings_keep_no_circuit_from_being_idle(
    size: int, counts: bool, autojump_clock: MockClock
) -> None:
    """The muxers of both ends ping each other every 30 s: with that no circuit ever made room."""
    written: list[bytes] = []

    class Stream:
        async def read(self, _most: int) -> bytes:
            await trio.sleep(30)
            return bytes(size) if len(written) < 3 else b""

        async def write(self, data: bytes) -> None:
            written.append(data)

    circuit = forwarding._Circuit()
    start, stream = circuit.used, cast(INetStream, Stream())
    await forwarding._pump(circuit, stream, stream)
    assert circuit.used - start == (90 if counts else 0)
    assert circuit.over.is_set()
    assert len(written) == 3
