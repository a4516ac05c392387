import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import trio

from protocol.runtime.child import (
    ChildDiedError,
    ChildFaultError,
    ChildOptions,
    ChildOutOfMemoryError,
    Faults,
    open_child,
)
from protocol.types import DiskError, InputError, TransientError

ECHO = "tests.unit.runtime.echo_child"


def alive(pid: int) -> bool:
    try:
        # A zombie has ended, though its number is still taken.
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def until_dead(pid: int) -> None:
    with trio.fail_after(5):
        while alive(pid):
            await trio.sleep(0.01)


@pytest.mark.trio
async def test_calls_reach_one_process_of_low_priority_and_it_ends_with_the_block() -> None:
    async with open_child(ECHO) as child:
        first = await child.call("echo", {"x": b"\x00\xff"})
        second = await child.call("echo", {"x": 2})
        assert (first["x"], second["x"]) == (b"\x00\xff", 2)
        assert first["pid"] == second["pid"] == child.pid
        assert first["nice"] == os.nice(0) + 10 or first["nice"] == 19
    assert not alive(first["pid"])


@pytest.mark.trio
async def test_progress_comes_before_the_result() -> None:
    seen: list[int] = []
    async with open_child(ECHO) as child:
        await child.call("count", {"to": 3}, lambda progress: seen.append(progress["done"]))
    assert seen == [0, 1, 2]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("kind", "error"), [("input", InputError), ("transient", TransientError), ("disk", DiskError)]
)
async def test_the_childs_errors_keep_their_root_and_the_child_lives_on(
    kind: str, error: type[Exception]
) -> None:
    async with open_child(ECHO) as child:
        before = (await child.call("echo", {}))["pid"]
        with pytest.raises(error, match="because"):
            await child.call("refuse", {"kind": kind})
        assert (await child.call("echo", {}))["pid"] == before


@pytest.mark.trio
async def test_a_child_that_is_broken_is_not_us_and_is_replaced() -> None:
    """A hostile model may break the process that executes it; `BrokenInvariant` would end the daemon."""
    before = Faults.count
    async with open_child(ECHO) as child:
        first = (await child.call("echo", {}))["pid"]
        with pytest.raises(ChildFaultError, match="because") as caught:
            await child.call("refuse", {"kind": "broken"})
        assert isinstance(caught.value, TransientError)
        assert Faults.count == before + 1
        await until_dead(first)
        assert (await child.call("echo", {}))["pid"] != first


@pytest.mark.trio
async def test_a_death_is_transient_says_why_and_the_next_call_starts_anew() -> None:
    async with open_child(ECHO) as child:
        with pytest.raises(ChildDiedError, match=r"exit code 7 .*the reason"):
            await child.call("die", {"code": 7})
        assert (await child.call("echo", {"x": 1}))["x"] == 1


@pytest.mark.trio
async def test_a_system_without_room_for_a_child_ends_no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw ends it for good: a unit is not started again after exit code 70."""

    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async with open_child(ECHO) as child:
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", full)
            with pytest.raises(ChildDiedError, match="cannot be started now: Resource temporarily"):
                await child.call("echo", {"say": 1})
        assert await child.call("echo", {"say": 1})


@pytest.mark.trio
async def test_memory_beyond_the_limit_is_the_jobs_fault() -> None:
    async with open_child(ECHO, options=ChildOptions(memory=512 << 20)) as child:
        assert (await child.call("allocate", {"bytes": 1 << 20}))["bytes"] == 1 << 20
        with pytest.raises(ChildOutOfMemoryError, match="512 MiB"):
            await child.call("allocate", {"bytes": 1 << 30})


@pytest.mark.trio
async def test_the_limit_is_of_what_is_written_not_of_addresses_and_files(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)
    async with open_child(ECHO, options=ChildOptions(memory=256 << 20)) as child:
        assert (await child.call("map", {"path": str(tmp_path / "large")}))["bytes"] == 1 << 30
        assert (await child.call("threads", {"count": 60}))["count"] == 60


@pytest.mark.trio
async def test_a_call_that_lacks_memory_is_made_again_with_more_where_that_is_allowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A limit is an estimate, and what is at stake may be worth more than it is."""
    options = ChildOptions(memory=128 << 20, most=900 << 20)
    async with open_child(ECHO, options=options) as child:
        first = (await child.call("echo", {}))["pid"]
        found = await child.call("allocate", {"bytes": 400 << 20})
        assert found["pid"] not in {None, first}
        assert [each for each in ("256 MiB", "512 MiB", "900 MiB") if each in caplog.text] == [
            "256 MiB",
            "512 MiB",
        ]
        with pytest.raises(ChildOutOfMemoryError, match="900 MiB"):
            await child.call("allocate", {"bytes": 1 << 30})
        assert child.pid is None


@pytest.mark.trio
async def test_a_child_that_says_it_lacks_memory_is_ended() -> None:
    async with open_child(ECHO) as child:
        with pytest.raises(ChildOutOfMemoryError, match="because"):
            await child.call("refuse", {"kind": "memory"})
        assert child.pid is None


@pytest.mark.trio
async def test_an_error_leaves_the_block_as_itself() -> None:
    """In an exception group, no caller's `except InputError` would see it."""
    with pytest.raises(InputError, match="because"):
        async with open_child(ECHO) as child:
            await child.call("refuse", {"kind": "input"})


@pytest.mark.trio
async def test_nonsense_is_refused_and_ends_the_child() -> None:
    async with open_child(ECHO) as child:
        with pytest.raises(InputError, match="longer than"):
            await child.call("nonsense", {})
        assert child.pid is None


@pytest.mark.trio
async def test_cancelling_a_call_kills_the_child() -> None:
    async with open_child(ECHO) as child:
        pid = (await child.call("echo", {}))["pid"]
        with trio.move_on_after(0.1) as scope:
            await child.call("hang", {})
        assert scope.cancelled_caught
        await until_dead(pid)
        assert (await child.call("echo", {}))["pid"] != pid


@pytest.mark.trio
async def test_an_idle_child_is_ended() -> None:
    async with open_child(ECHO, options=ChildOptions(idle_s=0.05)) as child:
        pid = (await child.call("echo", {}))["pid"]
        await until_dead(pid)
        assert child.pid is None


def test_the_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
        import trio
        from protocol.runtime.child import open_child

        async def main():
            async with open_child({ECHO!r}) as child:
                print((await child.call("echo", {{}}))["pid"], flush=True)
                await child.call("hang", {{}})

        trio.run(main)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(500):
        if not alive(pid):
            break
        time.sleep(0.01)
    assert not alive(pid)


@pytest.mark.trio
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV])
async def test_it_is_told_whether_a_child_was_killed(sent: signal.Signals) -> None:
    """As the kernel does for want of memory; what crashes by itself would again."""
    async with open_child(ECHO) as child, trio.open_nursery() as nursery:
        pid = (await child.call("echo", {}))["pid"]
        nursery.start_soon(trio.to_thread.run_sync, os.kill, pid, sent)
        with pytest.raises(ChildDiedError, match=f"was killed by {sent.name}") as died:
            await child.call("hang", {})
        assert died.value.killed == (sent == signal.SIGKILL)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.trio
async def test_a_child_is_held_and_goes_on_where_it_was() -> None:
    async with open_child(ECHO) as child:
        assert not child.hold(), "none runs"
        pid = (await child.call("echo", {}))["pid"]
        assert not child.hold(), "it may not have tied its life to ours yet"
        process = child._process
        assert process is not None
        process.begun -= 60
        assert child.hold()
        assert child.hold(), "twice is like once"
        with trio.fail_after(60):
            while state_of(pid) != "T":
                await trio.sleep(0.01)
        with trio.move_on_after(0.3) as scope:
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    assert (await child.call("echo", {"x": 1}))["pid"] == pid
                    nursery.cancel_scope.cancel()

                nursery.start_soon(ask)
                await trio.sleep(0.2)
                assert state_of(pid) == "T"
                child.go_on()
                scope.deadline = trio.current_time() + 60
        assert not scope.cancelled_caught
        assert child.hold()
    assert not alive(pid), "also a held one ends with the block"
