"""One run of a child process: its pipes, its end, and why it ended."""

import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import trio

from protocol.runtime.frames import FrameReader
from protocol.runtime.frugal import ENVIRONMENT
from protocol.types import BrokenInvariant, InputError, TransientError

log = logging.getLogger(__name__)

Progress = Callable[[dict[str, Any]], None]

_NO_MEMORY = ("memoryerror", "cannot allocate memory", "bad_alloc", "out of memory", "memory allocation")
"""Said by Python, libraries and the C runtime, in capitals or not."""
_LINE = 2000
_TIED_S = 5.0
"""By then a child has asked the kernel to end it with its parent (`protocol.runtime.launch`)."""


class ChildDiedError(TransientError):
    """The child ended in the middle of a call; another call starts a new one."""

    killed = False
    """By SIGKILL: somebody ended it, and most likely the kernel for want of memory."""


class ChildUnreadableError(ChildDiedError):
    """The child ended over a file that it had mapped: the disk cannot read it. Who knows which drops it."""


class ChildFaultError(TransientError):
    """The child says that its own state is broken. It is killed; another call starts a new one.

    Whatever a hostile model does to the process that executes it, this process is not the broken one.
    """


class ChildOutOfMemoryError(InputError):
    """The call needs more memory than the child may have: it would fail again. The child is ended."""


@dataclass(frozen=True)
class ChildOptions:
    """How a child runs: bytes of memory (None: no limit), and seconds until it is ended when idle.

    A call that lacks memory is made again in a fresh child with twice as much, up to `most` bytes: limits are
    estimates, and what is at stake may be worth more than they are. 0: it fails at once.

    Memory is what is private and writable: neither mapped files, which the system drops and reads again, nor
    mere addresses, of which malloc and NVIDIA's driver reserve far more than they fill.
    """

    memory: int | None = None
    most: int = 0
    niceness: int = 10
    idle_s: float = 20.0
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ChildProcess:
    """A running child. `converse` and `listen` are awaited by different tasks."""

    module: str
    options: ChildOptions
    popen: subprocess.Popen[bytes]
    stdin: trio.lowlevel.FdStream
    stdout: trio.lowlevel.FdStream
    stderr: trio.lowlevel.FdStream
    reader: FrameReader = field(default_factory=FrameReader)
    said: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    silent: trio.Event = field(default_factory=trio.Event)
    begun: float = field(default_factory=trio.current_time)

    @classmethod
    def start(cls, module: str, args: Sequence[str], options: ChildOptions) -> "ChildProcess":
        """Start `python -m module args` under `protocol.runtime.launch`.

        Called in trio's own thread on purpose: the kernel sends the parent-death signal when the *thread*
        that forked ends, and a worker thread would end after ten idle seconds. `ChildDiedError` if the system
        has no process, memory or descriptor for it now: that ends no daemon.
        """
        limits = [str(os.getpid()), str(options.memory or 0), str(options.niceness)]
        command = [sys.executable, "-P", "-m", "protocol.runtime.launch", *limits, module, *args]
        try:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env=_environment(options),
            )
        except OSError as error:
            raise ChildDiedError(f"{module} cannot be started now: {error.strerror}") from error
        pipes = [_stream(pipe) for pipe in (popen.stdin, popen.stdout, popen.stderr)]
        return cls(module, options, popen, pipes[0], pipes[1], pipes[2])

    async def converse(self, number: int, request: bytes, on_progress: Progress | None) -> dict[str, Any]:
        """Send a request and return its reply.

        Raises `ChildDiedError`, `ChildOutOfMemoryError`, or `InputError` if the child breaks the format.
        """
        try:
            await self.stdin.send_all(request)
            while data := await self.stdout.receive_some(1 << 20):
                for message in self.reader.feed(data):
                    if message.get("id") != number:
                        raise InputError(f"{self.module} answered out of turn")
                    if "progress" not in message:
                        return message
                    if on_progress is not None:
                        on_progress(message["progress"])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        raise await self._post_mortem()

    async def listen(self) -> None:
        """Log what the child writes to stderr, and keep its last lines; ends when the child does."""
        rest = b""
        try:
            while data := await self.stderr.receive_some(1 << 16):
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-_LINE:]
                for line in lines:
                    self._note(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._note(rest)
        self.silent.set()

    def kill(self) -> None:
        """Send SIGKILL to the child and all it started. A child that ended is left alone."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)

    def hold(self) -> bool:
        """Stop the child and all it started until `go_on`; return whether that was done.

        One that began just now runs on: until it has tied its life to this process, nobody would end it.
        """
        young = trio.current_time() < self.begun + _TIED_S
        if young or self.popen.poll() is not None:
            return False
        os.killpg(self.popen.pid, signal.SIGSTOP)
        return True

    def go_on(self) -> None:
        """Let a child that was held go on."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGCONT)

    async def reap(self) -> None:
        """Wait for the end of a child that was killed, and close its pipes."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self.popen.wait)
            for pipe in (self.stdin, self.stdout, self.stderr):
                await pipe.aclose()

    async def _post_mortem(self) -> TransientError | InputError:
        with trio.move_on_after(2):
            while self.popen.poll() is None:
                await trio.sleep(0.02)
        with trio.move_on_after(1):
            await self.silent.wait()
        code = self.popen.poll()
        said = " ".join(line for line in self.said if line.strip())[-300:]
        if any(sign in line.lower() for line in self.said for sign in _NO_MEMORY):
            limit = (
                f"{(self.options.memory or 0) >> 20} MiB" if self.options.memory else "what the machine has"
            )
            return ChildOutOfMemoryError(
                f"{self.module} needs more memory than {limit}",
                "raise the memory limit, or use a smaller job",
            )
        if code is None:
            end = "closed its output"
        elif code < 0:
            end = f"was killed by {signal.Signals(-code).name}"
            if code == -signal.SIGBUS:
                return ChildUnreadableError(f"{self.module} cannot read a file that it uses: check the disk")
        else:
            end = f"ended with exit code {code}"
        fault = ChildDiedError(f"{self.module} {end} in the middle of a call" + (f": {said}" if said else ""))
        fault.killed = code == -signal.SIGKILL
        return fault

    def _note(self, line: bytes) -> None:
        text = line[:_LINE].decode(errors="replace").rstrip()
        if text:
            self.said.append(text)
            log.info("%s: %s", self.module, text)


def _environment(options: ChildOptions) -> dict[str, str]:
    """Return this process's environment without Gavel's own settings, which may name secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GAVEL_")}
    path = os.pathsep.join(each or os.getcwd() for each in sys.path)
    return {**kept, "PYTHONPATH": path, **ENVIRONMENT, **options.env}


def _stream(pipe: IO[bytes] | None) -> trio.lowlevel.FdStream:
    """Take a pipe over from the `Popen`, whose own file object would close it a second time."""
    if pipe is None:
        raise BrokenInvariant("a child was started without pipes")
    with pipe:
        return trio.lowlevel.FdStream(os.dup(pipe.fileno()))
