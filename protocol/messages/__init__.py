"""Canonical EIP-712 messages that cross the network or the chain. Pure."""

from protocol.messages.bid import PACKED_BYTES, Bid, delegates_hash, job_hash
from protocol.messages.envelope import MAX_ENVELOPE, MESSAGES, Signed, open_signed, sign
from protocol.messages.job_spec import JobSpec
from protocol.messages.market import Decline, Offer, Quote, SealedAnswer, seal_context
from protocol.messages.message import Domain, Message, type_string
from protocol.messages.provider import Heartbeat, Receipt, Registration

__all__ = [
    "MAX_ENVELOPE",
    "MESSAGES",
    "PACKED_BYTES",
    "Bid",
    "Decline",
    "Domain",
    "Heartbeat",
    "JobSpec",
    "Message",
    "Offer",
    "Quote",
    "Receipt",
    "Registration",
    "SealedAnswer",
    "Signed",
    "delegates_hash",
    "job_hash",
    "open_signed",
    "seal_context",
    "sign",
    "type_string",
]
