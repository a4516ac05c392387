"""What the transfer needs of a store; `protocol.store.Artifacts` has it. All methods block, and are
called in worker threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from protocol.store.manifest import Manifest
from protocol.types import ArtifactId


class ArtifactSource(Protocol):
    """A store that artifacts are served from."""

    def has(self, artifact: ArtifactId, /) -> bool:
        """Tell whether the whole artifact is here."""
        ...

    def manifest(self, artifact: ArtifactId, /) -> Manifest:
        """Return size and leaves; InputError if the artifact is not here."""
        ...

    def read_chunk(self, artifact: ArtifactId, index: int, /) -> bytes:
        """Return one chunk; InputError if it is not here."""
        ...


class ArtifactPartial(Protocol):
    """An artifact that is being fetched; what was written survives the process."""

    def missing(self) -> Sequence[int]:
        """Return the numbers of the chunks still to come."""
        ...

    def write_chunk(self, index: int, data: bytes, /) -> None:
        """Check and store a chunk; InputError if it is not the right one."""
        ...

    def finish(self) -> object:
        """Make the whole artifact appear in the store."""
        ...


class ArtifactStore(Protocol):
    """A store that artifacts are fetched into."""

    def sound(self, artifact: ArtifactId, /) -> bool:
        """Tell whether the whole artifact is here, undamaged; one that is damaged is dropped."""
        ...

    def manifest(self, artifact: ArtifactId, /) -> Manifest:
        """Return size and leaves; InputError if the artifact is not here."""
        ...

    def begin(self, artifact: ArtifactId, manifest: Manifest, /) -> ArtifactPartial:
        """Start, or go on where an earlier fetch ended; InputError if it does not fit the quota."""
        ...
