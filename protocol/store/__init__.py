"""Adapter to disk: SQLite journal and content-addressed artifacts."""

from protocol.store.artifacts import Artifacts, Partial, QuotaExceededError
from protocol.store.journal import Journal, PendingEffect, Record
from protocol.store.manifest import CHUNK, Manifest, chunk_leaf, merkle_root

__all__ = [
    "CHUNK",
    "Artifacts",
    "Journal",
    "Manifest",
    "Partial",
    "PendingEffect",
    "QuotaExceededError",
    "Record",
    "chunk_leaf",
    "merkle_root",
]
