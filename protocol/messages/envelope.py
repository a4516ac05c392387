"""Signed messages as they cross the network: version, tag, body, signature."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from protocol import crypto
from protocol.crypto import SIGNATURE_BYTES
from protocol.messages.bid import Bid
from protocol.messages.job_spec import JobSpec
from protocol.messages.market import Decline, Offer, Quote, SealedAnswer
from protocol.messages.message import Domain, Message
from protocol.messages.provider import Heartbeat, Receipt, Registration
from protocol.types import Address, Hash32, InputError

VERSION = 1
MESSAGES: dict[int, type[Message]] = {
    cls.TAG: cls
    for cls in (Bid, JobSpec, Offer, Quote, Decline, SealedAnswer, Registration, Heartbeat, Receipt)
}
MAX_ENVELOPE = max(cls.MAX_BYTES for cls in MESSAGES.values()) + 2 + SIGNATURE_BYTES

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Signed(Generic[M]):
    """A message with its signer, as recovered, and the EIP-712 digest that names it."""

    message: M
    signer: Address
    digest: Hash32
    signature: bytes

    def encode(self) -> bytes:
        """Return the envelope's bytes."""
        return bytes([VERSION, self.message.TAG]) + self.message.encode() + self.signature


def sign(message: M, domain: Domain, private_key: bytes) -> Signed[M]:
    """Return `message` signed for `domain`. `InputError` if it contradicts itself."""
    message.check()
    digest = message.digest(domain)
    signature = crypto.sign_digest(private_key, digest)
    return Signed(message, crypto.recover(digest, signature), digest, signature)


def open_signed(data: bytes, expected: type[M], domain: Domain) -> Signed[M]:
    """Return the signed message of type `expected` that `data` holds.

    `InputError` for any other bytes. The signer is whoever made the signature: the caller decides whether
    that address may say this.
    """
    if len(data) < 2 + SIGNATURE_BYTES:
        raise InputError("envelope is too short")
    if data[0] != VERSION:
        raise InputError(f"message version {data[0]} is unknown, this software speaks {VERSION}")
    if data[1] != expected.TAG:
        raise InputError(f"expected a {expected.__name__}, got message type {data[1]}")
    message = expected.decode(data[2:-SIGNATURE_BYTES])
    digest = message.digest(domain)
    return Signed(message, crypto.recover(digest, data[-SIGNATURE_BYTES:]), digest, data[-SIGNATURE_BYTES:])
