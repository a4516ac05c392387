"""How a fetch can fail."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.types import Address, ArtifactId, InputError, TransientError


def _listed(failures: Mapping[Address, str]) -> str:
    return "; ".join(f"peer 0x{address.hex()}: {reason}" for address, reason in failures.items())


class ArtifactUnavailableError(TransientError):
    """No peer served it to the end; what came is kept, and the next fetch goes on from there.

    `failures` says for each peer why.
    """

    def __init__(self, artifact: ArtifactId, failures: Mapping[Address, str]) -> None:
        self.artifact = artifact
        self.failures = dict(failures)
        super().__init__(
            f"artifact 0x{artifact.hex()} could not be fetched: {_listed(failures) or 'no peer to ask'}"
        )


class WrongBytesError(InputError):
    """Every peer that was asked served bytes that are not the artifact's; `peers` names them."""

    def __init__(self, artifact: ArtifactId, failures: Mapping[Address, str]) -> None:
        self.artifact = artifact
        self.peers = tuple(failures)
        super().__init__(f"artifact 0x{artifact.hex()} was served wrong: {_listed(failures)}")


class ArtifactTooLargeError(InputError):
    """The artifact is larger than the caller allows; nothing of it was fetched."""

    def __init__(self, artifact: ArtifactId, size: int, limit: int) -> None:
        self.artifact = artifact
        self.size = size
        self.limit = limit
        super().__init__(f"artifact 0x{artifact.hex()} has {size} bytes, limit {limit}")
