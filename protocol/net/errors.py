"""What can go wrong between two peers, sorted by what the caller can do about it."""

from __future__ import annotations

from protocol.types.errors import InputError, TransientError


class PeerUnreachableError(TransientError):
    """No connection to the peer, and none of its known addresses answers: try again later."""


class PeerTimeoutError(TransientError):
    """The peer did not answer in time."""


class PeerBusyError(TransientError):
    """The peer answers, but refuses more work from this node now: wait, then ask again."""


class RequestRefusedError(InputError):
    """The peer read the request and says it is wrong; the text is the peer's own."""


class PeerProtocolError(InputError):
    """The peer broke a rule of the protocol (length, framing, encoding)."""
