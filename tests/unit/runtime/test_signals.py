import os
import signal
import subprocess
import sys
import textwrap

import pytest

from protocol.runtime.signals import run_until_signal
from protocol.types import InputError

PROGRAM = """
    import sys, trio
    from protocol.runtime.signals import Stopped, run_daemon, run_until_signal

    async def main():
        try:
            print("ready", flush=True)
            await trio.sleep(float(sys.argv[2]))
            return 7
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(float(sys.argv[3]))
            print("clean", flush=True)

    if sys.argv[1] == "daemon":
        sys.exit(run_daemon(main))
    try:
        print(run_until_signal(main))
    except Stopped as stopped:
        sys.exit(stopped.code)
"""


def start(*args: str) -> "subprocess.Popen[bytes]":
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *args]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def rest(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    process.wait(10)
    return said


def test_a_program_that_ends_by_itself_gives_its_result() -> None:
    process = start("program", "0", "0")
    assert rest(process) == b"clean\n7\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (signal.SIGINT, "program", 130),
        (signal.SIGTERM, "program", 143),
        (signal.SIGTERM, "daemon", 0),
    ],
)
def test_a_signal_cleans_up_first(number: signal.Signals, kind: str, code: int) -> None:
    process = start(kind, "60", "0")
    process.send_signal(number)
    assert rest(process) == b"clean\n"
    assert process.returncode == code


def test_a_second_signal_does_not_wait() -> None:
    process = start("daemon", "60", "60")
    process.send_signal(signal.SIGTERM)
    # Signals of one kind that come together are merged into one, so the second is of the other kind.
    process.send_signal(signal.SIGINT)
    assert rest(process) == b""
    assert process.returncode in (130, 143)


def test_what_the_program_raises_comes_out_as_it_is() -> None:
    async def main() -> None:
        raise InputError("no such job")

    with pytest.raises(InputError, match="no such job"):
        run_until_signal(main)
