"""Logs: JSON lines in a rotating file, short lines on the console; both carry what they are about.

    with about(lease="0x1234..."):
        log.info("started")          # {"time": ..., "lease": "0x1234...", "message": "started"}

The fields follow the task (a context variable), so everything below that block carries them.
"""

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType

from protocol.types.errors import one_line

_about: ContextVar[Mapping[str, str]] = ContextVar("gavel_about", default=MappingProxyType({}))

FILE_BYTES = 20 << 20
FILES = 5
_NOISY = ("web3", "urllib3", "docker", "libp2p", "multiaddr", "asyncio")


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Add fields, such as `lease`, to every log line of the block and of tasks started in it."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, fields of `about`, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII: what a peer sent forges no second line and moves no terminal.

        Half a character, which UTF-8 does not hold, is escaped too.
        """
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            **_about.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class ConsoleFormatter(logging.Formatter):
    """Time, level, message and fields, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters that a peer may have sent made visible."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = "".join(f" {name}={value[:18]}" for name, value in _about.get().items())
        lines = [f"{clock} {record.levelname.lower():7} {record.getMessage()}{fields}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        return "\n".join(map(one_line, lines))


def setup_logs(
    role: str, directory: Path, level: str = "info", console: bool = True, json_console: bool = False
) -> Path:
    """Log to `directory/<role>.log` (rotated) and, if wanted, to stderr; return the file.

    May be called again: the earlier handlers are closed. Libraries log from warning upwards only.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if getattr(handler, "gavel", False):
            root.removeHandler(handler)
            handler.close()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / f"{role}.log"
    path.touch(mode=0o600)
    file = logging.handlers.RotatingFileHandler(
        path, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8"
    )
    file.setFormatter(JsonFormatter())
    handlers: list[logging.Handler] = [file]
    if console:
        stream = logging.StreamHandler(sys.stderr)
        stream.setFormatter(JsonFormatter() if json_console else ConsoleFormatter())
        handlers.append(stream)
    for each in handlers:
        each.gavel = True  # type: ignore[attr-defined]
        root.addHandler(each)
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    return path
