"""A provider with nothing to do, on a local chain of its own, for benchmarks that need one."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocol.types import TransientError

_READY_S = 60.0


@dataclass(frozen=True)
class IdleProvider:
    """The running daemon, and the environment in which commands find it."""

    pid: int
    environment: dict[str, str]


@contextmanager
def idle_provider() -> Iterator[IdleProvider]:
    """Run chain and daemon for the length of the block; raises `GavelError` if one of them does not start."""
    from protocol.chain.localnet import run_localnet

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = {**os.environ, "GAVEL_HOME": str(home)}
        with run_localnet(networks_file=home / "networks.yaml") as localnet:
            _prepare(home, localnet.keys[1])
            daemon = _start(environment)
            try:
                _await_status(daemon, environment)
                yield IdleProvider(daemon.pid, environment)
            finally:
                daemon.terminate()
                daemon.wait(30)


def gavel() -> str:
    """Return the path of this environment's `gavel`."""
    return str(Path(sys.executable).with_name("gavel"))


def _prepare(home: Path, key: bytes) -> None:
    """Write wallet, password and config of a provider that is its own owner."""
    password = home / "password"
    password.write_text("bench")
    password.chmod(0o600)
    os.environ["GAVEL_HOME"], before = str(home), os.environ.get("GAVEL_HOME")
    try:
        from protocol.runtime.keystore import store_key

        store_key("operator", key, "bench", light=True)
    finally:
        if before is None:
            del os.environ["GAVEL_HOME"]
        else:
            os.environ["GAVEL_HOME"] = before
    (home / "provider.yaml").write_text(
        "network: local\noperator: operator\nowner_wallet: operator\n"
        f"password_file: {password}\n"
        'stake: {amount: "1000"}\nnet: {listen: [/ip4/127.0.0.1/tcp/0]}\n'
    )


def _start(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    log = (Path(environment["GAVEL_HOME"]) / "daemon.log").open("wb")
    with log:
        return subprocess.Popen([gavel(), "provider", "run"], env=environment, stdout=log, stderr=log)


def _await_status(daemon: "subprocess.Popen[bytes]", environment: dict[str, str]) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and daemon.poll() is None:
        command = [gavel(), "provider", "status", "--json"]
        if subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.5)
    said = (Path(environment["GAVEL_HOME"]) / "daemon.log").read_text(errors="replace").strip()
    raise TransientError(f"the provider daemon did not come up: {said[-300:]}")
