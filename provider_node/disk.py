"""How a provider shares its disk between artifacts and the traces that defend its results."""

import logging
import shutil
from pathlib import Path

from protocol.store import Artifacts

log = logging.getLogger(__name__)

SPARE = 1 << 30
"""Bytes that are left to journals and logs."""


def trace_room(folder: Path, most: int) -> int:
    """Return the bytes that traces may take: `most`, or a quarter of what the disk has for us. Blocking.

    A result whose item's trace finds no room is lost undefended; so what is promised is held to the disk. Of
    the rest, artifacts leave as much again alone: one more trace is written before older ones go (`Shelf`).
    """
    ours = held(folder / "traces") + held(folder / "artifacts")
    found = min(most, max((shutil.disk_usage(folder).free + ours - SPARE) // 4, 0))
    if found < most:
        log.info("the disk of %s has room for %d bytes of traces, defence.disk says %d", folder, found, most)
    return found


def open_store(folder: Path, quota: int, traces: int) -> Artifacts:
    """Open the artifacts of a provider whose traces may take that many bytes. Blocking."""
    store = Artifacts(
        folder / "artifacts", quota, spare=lambda: SPARE + max(2 * traces - held(folder / "traces"), 0)
    )
    if (former := folder / "work").exists() and not store.work.exists():
        # Outputs are written on the disk on which room is kept for them.
        shutil.move(former, store.work)
    return store


def held(folder: Path) -> int:
    """Return the bytes of all files below a folder; those that go meanwhile count or not."""
    total = 0
    for path in folder.rglob("*") if folder.exists() else ():
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
