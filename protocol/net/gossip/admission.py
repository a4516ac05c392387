"""Which gossip messages get as far as their validator: the checks that cost little, in order of cost."""

from __future__ import annotations

import logging
import time
from enum import Enum, auto

import trio
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import signature_validator

from protocol.net.identity import address_of
from protocol.net.limits import Buckets
from protocol.net.settings import GossipSettings
from protocol.net.workarounds.seen import SeenMessages
from protocol.types import Address
from protocol.types.errors import InputError

log = logging.getLogger(__name__)

_NS = 1_000_000_000
_WARN_EVERY_S = 600.0


class Refusal(Enum):
    """Why a message goes no further."""

    MALFORMED = auto()
    OVERSIZED = auto()
    DUPLICATE = auto()
    STALE = auto()
    FORGED = auto()
    RATE = auto()


class Admission:
    """Keeps what was seen and how much each author sends."""

    def __init__(self, settings: GossipSettings) -> None:
        self._settings = settings
        # A message is fresh for at most max_age before and after its author's time, so an id has to
        # be remembered for twice that, else it could be replayed in between.
        self.seen = SeenMessages(ttl_s=2 * settings.max_age_s, max_ids=100_000)
        self._warned_at = float("-inf")
        self._authors: Buckets[tuple[bytes, str]] = Buckets(
            settings.author_messages, settings.author_messages * settings.burst_s
        )

    def _warn(self, age_s: float) -> None:
        """Tell now and then that clocks differ: whose is wrong hears nobody, and is heard by nobody."""
        now = trio.current_time()
        if now - self._warned_at < _WARN_EVERY_S:
            return
        self._warned_at = now
        log.warning(
            "a gossip message was dropped: by this machine's clock it is %.0f s %s, at most %d s are taken; "
            "if many peers' messages are, this clock is wrong (gavel doctor)",
            abs(age_s),
            "old" if age_s > 0 else "ahead",
            self._settings.max_age_s,
        )

    def judge(self, message: rpc_pb2.Message) -> Address | Refusal:
        """Return the author's address if the message may go to its validator, else why not.

        A message is marked as seen here, after its signature was checked and before any validator
        runs: unsigned copies must not be able to suppress the real message, and copies that
        arrive while a validator runs must not be validated again.
        """
        if len(message.topicIDs) != 1 or len(message.seqno) != 8 or len(message.from_id) > 64:
            return Refusal.MALFORMED
        if len(message.data) > self._settings.max_message:
            return Refusal.OVERSIZED
        message_id = message.from_id + message.seqno
        if self.seen.has(message_id):
            return Refusal.DUPLICATE
        age_s = (time.time_ns() - int.from_bytes(message.seqno, "big")) / _NS
        if abs(age_s) > self._settings.max_age_s:
            self._warn(age_s)
            return Refusal.STALE
        try:
            author = address_of(ID(message.from_id))
        except InputError:
            return Refusal.MALFORMED
        if not signature_validator(message):
            return Refusal.FORGED
        self.seen.add(message_id)
        if not self._authors.take((author, message.topicIDs[0]), 1, trio.current_time()):
            return Refusal.RATE
        return author
