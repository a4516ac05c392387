"""Fetches what a provider serves, within bounds: a lease may cost its share of time and disk, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from protocol.net import ArtifactTooLargeError, Node, Patience, WrongBytesError, patiently
from protocol.store.artifacts import Artifacts
from protocol.types import Address, ArtifactId, InputError

PARTS = 8
"""Into so many parts a window is cut by the longest time that one try may fetch."""
LEAST_S = 60.0
"""A try may fetch for so long at least, however short the window is."""


class WrongArtifactsError(InputError):
    """The provider serves something, but not what it committed to on chain."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What an artifact is kept for, and until which reading."""

    reason: str
    until: int


@dataclass(frozen=True)
class Fetcher:
    """Fetches artifacts into the store, and holds them there."""

    node: Node
    store: Artifacts
    hold: Hold
    patience: Patience

    async def get(self, artifact: ArtifactId, most_bytes: int, peers: Sequence[Address]) -> Path:
        """Return the file of an artifact of at most `most_bytes` bytes. `TooSlowError` once patience is over.

        `WrongArtifactsError` if other bytes, or more of them, are served; else as `Node.fetch_artifact`. What
        fails is not held: its room can be had by others.
        """
        self.store.pin(artifact, self.hold.reason, self.hold.until)
        if not await trio.to_thread.run_sync(self.store.sound, artifact):
            try:
                await self._fetch(artifact, most_bytes, peers)
            except BaseException:
                self.store.unpin(artifact, self.hold.reason)
                raise
        return self.store.path(artifact)

    async def _fetch(self, artifact: ArtifactId, most_bytes: int, peers: Sequence[Address]) -> None:
        try:
            with patiently(self.patience, f"artifact 0x{artifact.hex()}") as progress:
                await self.node.fetch_artifact(
                    self.store, artifact, peers, max_size=max(most_bytes, 1), progress=progress
                )
        except (WrongBytesError, ArtifactTooLargeError) as error:
            raise WrongArtifactsError(error.message) from error
