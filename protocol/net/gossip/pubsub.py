"""libp2p's pubsub with its faults worked around and every input bounded."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import IHost, INetStream
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import MessageTooLarge
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub

from protocol.net.gossip.admission import Admission, Refusal
from protocol.net.gossip.control import cost, tame
from protocol.net.gossip.subscription import Message, Subscription
from protocol.net.guard import reset
from protocol.net.limits import Buckets
from protocol.net.metrics import NetMetrics
from protocol.net.score import Fault
from protocol.net.settings import GossipSettings
from protocol.net.verdict import Accept, Ignore, Reject, Validator, Verdict
from protocol.net.workarounds.frames import FrameReader
from protocol.net.workarounds.queues import Pool, widen
from protocol.net.workarounds.records import RecordCache
from protocol.net.workarounds.seen import next_sequence
from protocol.types import Address
from protocol.types.errors import InputError

logger = logging.getLogger(__name__)

_STREAMS = 2
"""Gossip streams of one peer, which needs one: of more, the oldest is ended."""
_MAX_TOPIC = 128
_MAX_SUBSCRIPTIONS = 64

_FAULTS = {
    Refusal.MALFORMED: Fault.MALFORMED,
    Refusal.OVERSIZED: Fault.OVERSIZED,
    Refusal.FORGED: Fault.FORGED,
}


@dataclass(frozen=True)
class _Joined:
    validator: Validator
    subscription: Subscription


class GuardedPubsub(Pubsub):
    """One per node. Nothing that a peer sends raises out of it: faults are counted and blamed."""

    def __init__(
        self,
        host: IHost,
        router: GossipSub,
        settings: GossipSettings,
        metrics: NetMetrics,
        blame: Callable[[ID, Fault], None],
    ) -> None:
        super().__init__(
            host,
            router,
            max_inbound_rpc_size=settings.max_rpc,
            max_subscriptions_per_rpc=_MAX_SUBSCRIPTIONS,
            max_subscriptions_per_peer=_MAX_SUBSCRIPTIONS,
        )
        self._settings = settings
        self._metrics = metrics
        self._blame = blame
        self._admission = Admission(settings)
        self.seen_messages.stop()
        self.seen_messages = self._admission.seen
        self._records = RecordCache(host)
        self._joined: dict[str, _Joined] = {}
        self._streams: dict[ID, list[trio.CancelScope]] = {}
        self._pool = Pool(settings.all_queues_bytes)
        self._pending: Counter[ID] = Counter()
        self._frames: Buckets[ID] = Buckets(settings.peer_frames, settings.peer_frames * settings.burst_s)
        self._bytes: Buckets[ID] = Buckets(settings.peer_bytes, settings.peer_bytes * settings.burst_s)
        self.counter = next_sequence(0)

    # ------------------------------------------------------------------ this node's own use

    async def join(self, topic: str, validator: Validator) -> Subscription:
        """Subscribe with a validator. Raises InputError if already joined, or for too long a name."""
        if topic in self._joined:
            raise InputError(f"already subscribed to {topic}")
        if len(topic) > _MAX_TOPIC:
            raise InputError(f"topic name of {len(topic)} characters, limit {_MAX_TOPIC}")

        async def leave() -> None:
            if self._joined.pop(topic, None) is not None:
                await self.unsubscribe(topic)

        subscription = Subscription(topic, self._settings.queue, leave)
        self._joined[topic] = _Joined(validator, subscription)
        await self.subscribe(topic)
        return subscription

    async def send(self, topic: str, payload: bytes) -> None:
        """Sign and publish. Raises InputError if the payload is longer than every other node accepts."""
        if len(payload) > self._settings.max_message:
            raise InputError(f"message of {len(payload)} bytes, limit {self._settings.max_message}")
        self._metrics.gossip_published += 1
        await self.publish(topic, payload)

    def _next_seqno(self) -> bytes:
        self.counter = next_sequence(self.counter)
        return self.counter.to_bytes(8, "big")

    async def push_msg(self, msg_forwarder: ID, msg: rpc_pb2.Message) -> None:
        """Send out a message of our own; what peers send goes through `_receive` instead."""
        if msg_forwarder != self.my_id:
            self._receive(msg_forwarder, msg)
            return
        self.seen_messages.add(self.get_message_id(msg))
        await self.router.publish(msg_forwarder, msg)

    # ------------------------------------------------------------------ what peers send

    async def continuously_read_stream(self, stream: INetStream) -> None:
        """Read frames until the stream ends. Never raises but for cancellation."""
        peer = stream.muxed_conn.peer_id
        scopes = self._streams.setdefault(peer, [])
        with trio.CancelScope() as scope:
            scopes.append(scope)
            if len(scopes) > _STREAMS:
                scopes.pop(0).cancel()
            try:
                await self._read_frames(stream, peer)
            finally:
                if scope in scopes:
                    scopes.remove(scope)
                if not scopes and self._streams.get(peer) is scopes:
                    del self._streams[peer]
        if scope.cancelled_caught:
            await reset(stream)

    async def _read_frames(self, stream: INetStream, peer: ID) -> None:
        reader = FrameReader(stream, self._settings.max_rpc)
        try:
            while self.manager.is_running:
                frame = await reader.next()
                if self._within_rate(peer, messages=1, size=len(frame)):
                    await self._on_frame(peer, frame)
                # A flood that is always ready to read must not keep other tasks from running.
                await trio.lowlevel.checkpoint()
        except MessageTooLarge:
            await self._drop_stream(stream, peer, Fault.OVERSIZED)
        except (ParseError, DecodeError):
            await self._drop_stream(stream, peer, Fault.MALFORMED)
        except Exception as error:
            logger.debug("gossip stream of %s ended: %r", peer, error)
            if not self._peer_is_connected(peer):
                self._handle_dead_peer(peer)

    async def _drop_stream(self, stream: INetStream, peer: ID, fault: Fault) -> None:
        self._metrics.gossip_malformed += 1
        self._blame(peer, fault)
        await stream.reset()
        self._handle_dead_peer(peer)

    def _within_rate(self, peer: ID, messages: int, size: int = 0) -> bool:
        now = trio.current_time()
        if self._frames.take(peer, messages, now) and self._bytes.take(peer, size, now):
            return True
        self._metrics.gossip_rate_limited += 1
        self._blame(peer, Fault.RATE)
        return False

    async def _on_frame(self, peer: ID, frame: bytes) -> None:
        rpc = rpc_pb2.RPC.FromString(frame)
        if not self._records.admit(rpc, peer):
            self._blame(peer, Fault.FORGED)
            return
        # One frame holds thousands of small messages: each of them costs as much as a frame.
        more = len(rpc.publish) + cost(rpc.control) - 1
        if more > 0 and not self._within_rate(peer, messages=more):
            return
        for message in rpc.publish:
            self._receive(peer, message)
        if len(rpc.subscriptions) > _MAX_SUBSCRIPTIONS:
            self._blame(peer, Fault.OVERSIZED)
        else:
            for change in rpc.subscriptions:
                if len(change.topicid) <= _MAX_TOPIC:
                    self.handle_subscription(peer, change)
        if (control := tame(rpc.control, self._joined)).ByteSize():
            try:
                await self.router.handle_rpc(rpc_pb2.RPC(control=control), peer)
            except Exception as error:
                # The router trusts its input; stock, this would end the whole host.
                logger.debug("control frame of %s refused: %r", peer, error)
                self._blame(peer, Fault.MALFORMED)

    def _receive(self, peer: ID, message: rpc_pb2.Message) -> None:
        self._metrics.gossip_received += 1
        joined = self._joined.get(message.topicIDs[0]) if len(message.topicIDs) == 1 else None
        if joined is None or message.from_id == self.my_id.to_bytes():
            return
        author = self._admission.judge(message)
        if isinstance(author, Refusal):
            self._refuse(peer, author)
            return
        try:
            verdict = joined.validator(author, message.data)
        except Exception as error:
            verdict = self._verdict_of(error)
        if isinstance(verdict, Accept | Reject | Ignore):
            self._settle(peer, author, message, joined, verdict)
        elif self._pending[peer] >= self._settings.pending_per_peer:
            # It was marked as seen: the author may send it again under a new number.
            self._metrics.gossip_rate_limited += 1
            if inspect.iscoroutine(verdict):
                verdict.close()
        else:
            self._pending[peer] += 1
            self.manager.run_task(self._await_verdict, peer, author, message, joined, verdict)

    async def _await_verdict(
        self, peer: ID, author: Address, message: rpc_pb2.Message, joined: _Joined, later: Awaitable[Verdict]
    ) -> None:
        verdict: Verdict = Ignore("validator took too long")
        try:
            with trio.move_on_after(self._settings.validate_timeout_s):
                verdict = await later
        except Exception as error:
            verdict = self._verdict_of(error)
        finally:
            self._pending[peer] -= 1
            if self._pending[peer] <= 0:
                del self._pending[peer]
        self._settle(peer, author, message, joined, verdict)

    @staticmethod
    def _verdict_of(error: Exception) -> Verdict:
        if isinstance(error, InputError):
            return Reject(str(error))
        logger.error("gossip validator failed", exc_info=error)
        return Ignore(f"validator failed: {error!r}")

    def _refuse(self, peer: ID, why: Refusal) -> None:
        match why:
            case Refusal.DUPLICATE:
                self._metrics.gossip_duplicates += 1
            case Refusal.STALE:
                self._metrics.gossip_ignored += 1
            case Refusal.RATE:
                # The author's doing, not the forwarder's.
                self._metrics.gossip_rate_limited += 1
            case _:
                self._metrics.gossip_malformed += 1
                self._blame(peer, _FAULTS[why])

    def _settle(
        self, peer: ID, author: Address, message: rpc_pb2.Message, joined: _Joined, verdict: Verdict
    ) -> None:
        match verdict:
            case Accept():
                self._metrics.gossip_accepted += 1
                if not joined.subscription.offer(Message(author, bytes(message.data))):
                    self._metrics.gossip_dropped_slow_reader += 1
                if self.manager.is_running:
                    self.manager.run_task(self._forward, peer, message)
            case Reject(reason):
                self._metrics.gossip_rejected += 1
                self._blame(peer, Fault.INVALID)
                logger.debug("message of 0x%s over %s rejected: %s", author.hex(), peer, reason)
            case Ignore(reason):
                self._metrics.gossip_ignored += 1
                logger.debug("message of 0x%s ignored: %s", author.hex(), reason)

    async def _forward(self, peer: ID, message: rpc_pb2.Message) -> None:
        try:
            await self.router.publish(peer, message)
        except Exception as error:
            logger.error("could not forward a message", exc_info=error)

    # ------------------------------------------------------------------ peers that come and go

    async def _handle_new_peer(self, peer_id: ID) -> None:
        before = set(self.topic_ids)
        await super()._handle_new_peer(peer_id)
        queue = self.peer_queues.get(peer_id)
        if queue is None:
            return
        widen(queue, self._settings.queue, self._settings.queue_bytes, self._pool)
        # Stock, an answer to IWANT is a frame of up to 1 MiB, for which its reader ends the stream.
        queue.max_message_size = self._settings.max_rpc
        # Stock, a topic joined after the greeting was written and before the peer was booked is never
        # announced to it: this node would hear nothing from it, for as long as both live.
        for topic in before ^ set(self.topic_ids):
            queue.push(self._build_announce_rpc(topic, topic in self.topic_ids)[0])

    def _handle_dead_peer(self, peer_id: ID) -> None:
        super()._handle_dead_peer(peer_id)
        self._records.forget(peer_id)
