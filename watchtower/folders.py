"""Where a watchtower keeps what it found. Imported by commands that need nothing else of the daemon."""

from pathlib import Path

from protocol.runtime import paths
from watchtower.config import WatchtowerConfig

AUDITS = "audits"
"""Folder of notes about audits, in the data folder."""


def data_dir(config: WatchtowerConfig) -> Path:
    """Return the folder of verdicts, artifacts and the secret that decides what is re-run."""
    return paths.data_dir("watchtower", config.data_dir)
