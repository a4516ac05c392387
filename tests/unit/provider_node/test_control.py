"""Commands and a running daemon."""

import socket
from pathlib import Path
from typing import Any

import pytest
import trio

from protocol.types import InputError, TransientError
from provider_node.control import ask
from provider_node.control_server import serve_control


async def echo(arguments: dict[str, Any]) -> Any:
    if arguments.get("refuse"):
        raise InputError("not that", "something else")
    if arguments.get("fail"):
        raise OSError("the disk fails")
    return {"got": arguments}


@pytest.mark.trio
async def test_questions_are_answered_over_a_socket_of_this_user(tmp_path: Path) -> None:
    # Longer than the path of a Unix socket may be.
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, folder, {"echo": echo})
        assert (folder / "control.sock").stat().st_mode & 0o777 == 0o600

        def question(operation: str, **arguments: Any) -> Any:
            return ask(folder, operation, **arguments)

        assert await trio.to_thread.run_sync(question, "echo") == {"got": {}}
        with pytest.raises(InputError, match=r"not that \(something else\)"):
            await trio.to_thread.run_sync(lambda: question("echo", refuse=True))
        with pytest.raises(InputError, match="cannot be told now: the disk fails"):
            await trio.to_thread.run_sync(lambda: question("echo", fail=True))
        with pytest.raises(InputError, match="not a request that this daemon knows"):
            await trio.to_thread.run_sync(question, "nonsense")
        nursery.cancel_scope.cancel()
    assert not (folder / "control.sock").exists()


@pytest.mark.parametrize("left_behind", [False, True])
def test_without_a_daemon_there_is_one_clear_line(tmp_path: Path, left_behind: bool) -> None:
    if left_behind:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "control.sock"))
    with pytest.raises(TransientError, match=r"no provider answers.*gavel provider run"):
        ask(tmp_path, "status")


@pytest.mark.trio
async def test_a_socket_left_by_a_killed_daemon_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, tmp_path, {"echo": echo})
        assert await trio.to_thread.run_sync(ask, tmp_path, "echo") == {"got": {}}
        nursery.cancel_scope.cancel()
