"""One question, one answer: a request stream carries a frame each way and is done.

Request: frame. Answer: one status byte, then a frame (the answer, or why not, as UTF-8).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID

from protocol.net.errors import (
    PeerBusyError,
    PeerProtocolError,
    PeerTimeoutError,
    PeerUnreachableError,
    RequestRefusedError,
)
from protocol.net.framing import Wire, deadline
from protocol.net.guard import reset
from protocol.net.identity import address_of
from protocol.net.limits import Buckets
from protocol.net.metrics import NetMetrics
from protocol.net.score import Fault
from protocol.net.settings import StreamSettings
from protocol.types import Address
from protocol.types.errors import InputError, TransientError

logger = logging.getLogger(__name__)

RequestHandler = Callable[[Address, bytes], Awaitable[bytes]]
"""`answer = await handler(sender, request)`. InputError refuses, TransientError says "busy, ask again";
both reach the peer as one line. Anything else is logged here and reaches the peer as "internal error"."""

MAX_REASON = 512


class Status(IntEnum):
    """First byte of an answer."""

    OK = 1
    REFUSED = 2
    BUSY = 3


@dataclass(frozen=True)
class Served:
    """One protocol that this node answers."""

    handler: RequestHandler
    max_request: int
    max_response: int
    timeout_s: float
    buckets: Buckets[ID]


class RequestServer:
    """Answers request streams of one protocol."""

    def __init__(
        self,
        served: Served,
        settings: StreamSettings,
        metrics: NetMetrics,
        blame: Callable[[ID, Fault], None],
    ) -> None:
        self._served = served
        self._settings = settings
        self._metrics = metrics
        self._blame = blame

    async def __call__(self, stream: INetStream) -> None:
        """Serve one stream."""
        peer = stream.muxed_conn.peer_id
        wire = Wire(stream)
        try:
            async with deadline(self._settings.request_s, "the request"):
                request = await wire.read_frame(self._served.max_request)
        except PeerTimeoutError:
            self._metrics.requests_timed_out += 1
            self._blame(peer, Fault.SLOW)
            await reset(stream)
            return
        except PeerProtocolError:
            self._blame(peer, Fault.OVERSIZED)
            await reset(stream)
            return
        status, payload = await self._answer(peer, request)
        async with deadline(self._settings.request_s, "taking the answer"):
            await wire.write(bytes([status]))
            await wire.write_frame(payload)
            await wire.finish()
        await stream.close()

    async def _answer(self, peer: ID, request: bytes) -> tuple[Status, bytes]:
        if not self._served.buckets.take(peer, 1, trio.current_time()):
            return self._refuse(Status.BUSY, "too many requests; slow down")
        try:
            async with deadline(self._served.timeout_s, "the answer"):
                answer = await self._served.handler(address_of(peer), request)
        except InputError as error:
            return self._refuse(Status.REFUSED, str(error))
        except TransientError as error:
            return self._refuse(Status.BUSY, str(error))
        except Exception as error:
            logger.error("request handler failed", exc_info=error)
            return self._refuse(Status.BUSY, "internal error")
        if len(answer) > self._served.max_response:
            logger.error("answer of %d bytes is over its limit %d", len(answer), self._served.max_response)
            return self._refuse(Status.BUSY, "internal error")
        self._metrics.requests_served += 1
        return Status.OK, answer

    def _refuse(self, status: Status, reason: str) -> tuple[Status, bytes]:
        self._metrics.requests_refused += 1
        return status, reason.encode()[:MAX_REASON]


async def ask(stream: INetStream, payload: bytes, max_response: int) -> bytes:
    """Send `payload` on a fresh request stream and return the answer.

    Raises RequestRefusedError, PeerBusyError (the peer's words), PeerProtocolError, PeerUnreachableError.
    """
    wire = Wire(stream)
    try:
        await wire.write_frame(payload)
        await wire.finish()
    except PeerUnreachableError as error:
        # The peer may have answered already, having read as much as it wanted to.
        logger.debug("request was cut short: %r", error)
    status = (await wire.read_exact(1))[0]
    if status not in tuple(Status):
        raise PeerProtocolError(f"the peer answered with unknown status {status}")
    body = await wire.read_frame(max_response if status == Status.OK else MAX_REASON)
    if status == Status.OK:
        return body
    reason = "".join(c if c.isprintable() else "?" for c in body.decode("utf-8", "replace"))
    raise (RequestRefusedError if status == Status.REFUSED else PeerBusyError)(reason)
