"""Compiled code, kept in the user's cache folder under the hash of all that it follows from.

A file begins with its own hash, since a damaged one might still run and give other bits.
"""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from protocol.engines.cuda.nvrtc import FLAGS, nvrtc

DIGEST = 32


def folder() -> Path:
    """Where compiled code is kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gavel" / "cuda"


def cubin(source: str, architecture: int) -> bytes:
    """The code of a source for an architecture, compiled if it is not kept. InputError without NVRTC."""
    compiler = nvrtc()
    told = "\n".join([compiler.version, str(architecture), *FLAGS, source])
    try:
        path = folder() / f"{sha256(told.encode()).hexdigest()}.cubin"
    except RuntimeError:  # no home folder
        return compiler.compile(source, architecture)
    kept = _read(path)
    if kept is None:
        kept = compiler.compile(source, architecture)
        _write(path, kept)
    return kept


def _read(path: Path) -> bytes | None:
    try:
        held = path.read_bytes()
    except OSError:
        return None
    digest, code = held[:DIGEST], held[DIGEST:]
    return code if code and sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(sha256(code).digest() + code)
        part.replace(path)
    except OSError:  # a cache that cannot be written costs time only
        with suppress(OSError):
            part.unlink()
