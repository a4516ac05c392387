"""A yamux connection that bounds what a peer can make us hold, and does not answer each read with a frame.

Stock yamux only logs when a peer sends past its window and keeps all of it, reads a data frame of
any announced length (up to 4 GiB) into memory, and gives up on a stream after 5 s of zero window. It
sends a window update after every read: for gossip that is a second encrypted frame per message. A stream
that this side has closed and the other never does is kept for as long as the connection.
"""

from __future__ import annotations

from typing import cast

import trio
from libp2p.abc import IMuxedConn, IMuxedStream, INetStream, ISecureConn
from libp2p.custom_types import TProtocol
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

PROTOCOL = TProtocol("/yamux/1.0.0")
MAX_FRAME = 1024 * 1024
"""Longest data frame, bytes; honest peers send 64 KiB."""
MAX_HELD = 24 * 1024 * 1024
"""Bytes that may wait, over all streams of a connection, to be read by us: four fetches with all that
they asked for (17 MiB), and room for the small ones."""

MAX_STREAMS = 512
"""Streams of a connection that are kept, whoever opened them: honest peers have a tenth of it."""


class FloodError(trio.TooSlowError):
    """The peer broke a bound.

    It has to be this kind: yamux answers any other error of a data frame by closing one stream, and then
    takes the unread body for frames. This kind closes the connection.
    """


class BoundYamux(Yamux):
    """Closes the connection of a peer that breaks a bound."""

    async def open_stream(self) -> YamuxStream:
        """Open a stream to the peer."""
        return _calm(await super().open_stream())

    async def accept_stream(self) -> IMuxedStream:
        """Wait for a stream that the peer opens."""
        stream = await super().accept_stream()
        if len(self.streams) > MAX_STREAMS:
            await self.close()
            raise MuxedConnUnavailable(f"the peer keeps {MAX_STREAMS} streams open")
        return _calm(stream) if isinstance(stream, YamuxStream) else stream

    async def _read_data_body(self, length: int) -> bytes:
        if length > MAX_FRAME:
            raise FloodError(f"data frame of {length} bytes, limit {MAX_FRAME}")
        held = sum(map(len, self.stream_buffers.values()))
        if held + length > MAX_HELD:
            raise FloodError(f"peer sent {held + length} bytes that nobody asked for")
        return await super()._read_data_body(length)


class BoundMuxers(MuxerMultistream):
    """Negotiates yamux, and then makes a bound one: stock, the class registered for it is passed over."""

    def __init__(self) -> None:
        super().__init__({PROTOCOL: BoundYamux})

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Negotiate the multiplexer of a connection and return it, multiplexed."""
        protocol, _ = await self._selector.select(conn, conn.is_initiator, self.negotiate_timeout)
        muxed = BoundYamux(conn, peer_id, is_initiator=conn.is_initiator)
        return self._annotate_connection(muxed, conn, protocol)


def _calm(stream: YamuxStream) -> YamuxStream:
    """Have the stream update its window once half of it was read, and never grow it by itself."""

    async def update(*, bytes_read: int = 0) -> None:
        stream._pending_recv_release += bytes_read
        if stream._pending_recv_release >= stream.target_recv_window // 2:
            released, stream._pending_recv_release = stream._pending_recv_release, 0
            stream.recv_window += released
            await stream.send_window_update(released)

    stream._auto_tune_and_send_window_update = update  # type: ignore[method-assign]
    return stream


async def see_off(stream: INetStream, seconds: float) -> None:
    """Give the other side some seconds to close a stream that nobody reads any more, then drop it.

    One that this side has not closed is left alone: it is somebody's still, as a relay's circuit is.
    """
    muxed = cast(NetStream, stream).muxed_stream
    if not isinstance(muxed, YamuxStream) or not muxed.send_closed:
        return
    events, name = muxed.conn.stream_events, muxed.stream_id
    with trio.move_on_after(seconds):
        while not muxed.recv_closed and name in events:
            events[name] = event = trio.Event()
            await event.wait()
    await drop(stream)


async def drop(stream: INetStream) -> None:
    """Reset a stream and forget what waits in it. Stock, a stream with bytes that nobody reads is kept on."""
    await stream.reset()
    muxed = cast(NetStream, stream).muxed_stream
    if not isinstance(muxed, YamuxStream):
        return
    async with muxed.conn.streams_lock:
        if buffer := muxed.conn.stream_buffers.get(muxed.stream_id):
            buffer.clear()
        muxed.conn._finalize_stream_locked(muxed, fully_closed=True)


async def open_window(stream: INetStream, size: int) -> None:
    """Let the peer have `size` bytes under way on this stream without ever waiting for us.

    Stock, a window starts at 256 KiB and grows only while reads are less than four round trips apart; a
    sender at zero window polls every 10 ms and gives up after 5 s. A reader that never lets more than
    `size` bytes be under way keeps its sender from ever seeing a zero window.
    """
    muxed = cast(NetStream, stream).muxed_stream
    # Twice: up to half of the window may be read and not yet reported.
    more = 2 * size - muxed.target_recv_window if isinstance(muxed, YamuxStream) else 0
    if isinstance(muxed, YamuxStream) and more > 0:
        muxed.target_recv_window += more
        muxed.recv_window += more
        await muxed.send_window_update(more)
