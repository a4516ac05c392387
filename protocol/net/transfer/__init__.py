"""Artifacts between peers: content-addressed, chunked, resumable, checked chunk by chunk."""

from protocol.net.transfer.errors import ArtifactTooLargeError, ArtifactUnavailableError, WrongBytesError
from protocol.net.transfer.fetch import Progress, fetch
from protocol.net.transfer.patience import Patience, TooSlowError, patiently
from protocol.net.transfer.ports import ArtifactPartial, ArtifactSource, ArtifactStore
from protocol.net.transfer.serve import Allow, ArtifactServer
from protocol.net.transfer.wire import PROTOCOL

__all__ = [
    "PROTOCOL",
    "Allow",
    "ArtifactPartial",
    "ArtifactServer",
    "ArtifactSource",
    "ArtifactStore",
    "ArtifactTooLargeError",
    "ArtifactUnavailableError",
    "Patience",
    "Progress",
    "TooSlowError",
    "WrongBytesError",
    "fetch",
    "patiently",
]
