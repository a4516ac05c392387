"""Buffered reads below Noise, and connections that notice that they are dead.

Stock, each Noise message costs a system call for its two bytes of length and several for its body, and
each of them a turn of the scheduler: about a third of the time that a transfer or a busy gossip
connection takes.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from libp2p.abc import IRawConnection, ISecureConn
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport

from protocol.net.workarounds.hosts import remote_address

_READ = 256 * 1024


class EagerStream(ReadWriteCloser):
    """A byte stream that reads ahead: what the socket has, up to 256 KiB."""

    def __init__(self, inner: ReadWriteCloser) -> None:
        self._inner = inner
        self._ahead = b""
        self._at = 0

    async def read(self, n: int | None = None) -> bytes:
        """Return up to `n` bytes, at least one unless the stream ended."""
        if self._at == len(self._ahead):
            self._at = 0
            self._ahead = await self._inner.read(_READ)
        end = len(self._ahead) if n is None else self._at + n
        data = self._ahead[self._at : end]
        self._at += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Write all of `data`."""
        await self._inner.write(data)

    async def close(self) -> None:
        """Close the stream."""
        await self._inner.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Return host and port of the other side."""
        return remote_address(self._inner)


class EagerNoise(Transport):
    """Noise over buffered reads."""

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Shake hands as the side that was dialled."""
        return await super().secure_inbound(_eager(conn))

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        """Shake hands as the side that dialled."""
        return await super().secure_outbound(_eager(conn), peer_id)


def _eager(conn: IRawConnection) -> IRawConnection:
    if isinstance(conn, RawConnection):
        watch_for_death(conn.stream)
        conn.stream = EagerStream(conn.stream)
    return conn


def watch_for_death(stream: object) -> None:
    """Have the kernel end a TCP connection whose other side vanished without a word, in half a minute.

    Stock, such a peer counts as connected for a quarter of an hour and more.
    """
    options = {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 15,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 30_000,
    }
    if isinstance(stream, TrioTCPStream):
        for (level, option), value in options.items():
            with suppress(OSError):
                stream.stream.setsockopt(level, option, value)
