"""Child processes of the demo: started quietly, watched, and ended in order whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STOP_S = 15.0
_DIE_WITH_US = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "sys.exit(0) if os.getppid() != int(sys.argv[1]) else os.execv(sys.argv[2], sys.argv[2:])"
)


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


def gavel(*args: str) -> list[str]:
    """Return the command line of `gavel` in this environment."""
    return [sys.executable, "-m", "protocol.runtime.cli", *args]


@dataclass
class Daemon:
    """One running process and the file that holds what it prints."""

    name: str
    process: "subprocess.Popen[bytes]"
    output: Path

    def said(self, lines: int = 12) -> str:
        """Return the end of its output."""
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """Starts daemons and ends them all at the end of a `with` block, newest first."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder, self._env = folder, env
        self._daemons: list[Daemon] = []

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Daemon:
        """Start a daemon in a session of its own: Ctrl-C reaches the demo, which then ends it in order.

        `env` comes on top of everybody's environment.
        """
        output = self._folder / f"{name}.out"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _DIE_WITH_US, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self._env | dict(env or {}),
                start_new_session=True,
            )
        daemon = Daemon(name, process, output)
        self._daemons.append(daemon)
        return daemon

    def check(self) -> None:
        """Raise `DemoError` if a daemon has ended by itself."""
        for daemon in self._daemons:
            code = daemon.process.poll()
            if code is not None:
                raise DemoError(f"{daemon.name} ended with exit code {code}:\n{daemon.said()}")

    def wait_until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Poll until `holds()`; `DemoError` after `seconds`, or at once if a daemon ends."""
        deadline = time.monotonic() + seconds
        while not holds():
            self.check()
            if time.monotonic() > deadline:
                said = "\n".join(f"[{d.name}] {d.said(4)}" for d in self._daemons)
                raise DemoError(f"waited {seconds:g} s in vain: {what}\n{said}")
            time.sleep(0.2)

    def run(self, command: Sequence[str]) -> int:
        """Run a command in the foreground, with the terminal; Ctrl-C is passed on and waited for."""
        process = subprocess.Popen(command, env=self._env, stdin=subprocess.DEVNULL)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                _await_or_kill(process, _STOP_S)
                raise

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in reversed(self._daemons):
            if daemon.process.poll() is None:
                daemon.process.terminate()
        deadline = time.monotonic() + _STOP_S
        for daemon in reversed(self._daemons):
            _await_or_kill(daemon.process, max(0.1, deadline - time.monotonic()))


def _await_or_kill(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
