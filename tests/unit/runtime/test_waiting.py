"""A wait is told of while it lasts, once, and by every command."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from protocol.chain.networks_file import SHIPPED
from protocol.runtime.waiting import WAITS, Waits, told, waiting_for


def test_a_long_wait_is_told_of_once_until_there_is_an_answer() -> None:
    waits = Waits()
    with waits.on("node a"), waits.on("node a"), waits.on("node b"):
        assert waits.overdue(60) == []
        assert waits.overdue(-1) == ["node a", "node b"]
        assert waits.overdue(-1) == []
    with waits.on("node a"):
        assert waits.overdue(-1) == []  # still the same silence
    waits.answered("node a")
    assert waits.overdue(-1) == []
    with waits.on("node a"):
        assert waits.overdue(-1) == ["node a"]


def test_what_ends_with_an_error_is_waited_for_no_more() -> None:
    waits = Waits()
    with pytest.raises(KeyError), waits.on("node a"):
        raise KeyError
    assert waits.overdue(-1) == []


def test_a_thread_tells_and_ends_with_the_block() -> None:
    said: list[str] = []
    heard = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        heard.set()

    before = set(threading.enumerate())  # idle workers of other tests may end in the meantime
    with told(say, seconds=0.05), WAITS.on("node of this test"):
        assert heard.wait(10)
    assert said == [waiting_for("node of this test", 0.05)]
    assert not set(threading.enumerate()) - before


def test_a_command_names_the_node_that_takes_its_request_and_never_answers(tmp_path: Path) -> None:
    deaf = socket.create_server(("127.0.0.1", 0))  # the kernel accepts, nobody reads
    url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
    shipped = yaml.safe_load(SHIPPED.read_text())["networks"]["local"]
    nowhere = "0x" + "11" * 20
    made = {"name": "deaf", "escrow": nowhere, "staking": nowhere, "block": 1, "tokens": []}
    made["tokens"] = [{"symbol": "LOC", "decimals": 18, "address": nowhere}]
    file = tmp_path / "networks.yaml"
    network = {**shipped, "rpc_urls": [url], "deployments": [made]}
    file.write_text(yaml.safe_dump({"version": 1, "networks": {"local": network}}))
    environment = {**os.environ, "GAVEL_HOME": str(tmp_path), "GAVEL_NETWORKS": str(file)}
    arguments = ["--network", "local", "wallet", "balance", nowhere]
    command = [sys.executable, "-m", "protocol.runtime.cli", *arguments]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        begun, line = time.monotonic(), process.stderr.readline()
        assert line == f"waiting for node {url}: no answer for 3 s\n"
        assert process.poll() is None, "it goes on waiting"
        assert time.monotonic() - begun < 60
    finally:
        process.kill()
        process.communicate()
        deaf.close()
