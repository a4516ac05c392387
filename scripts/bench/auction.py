"""Time from submitting a job to its lease, with ten providers as processes of their own and a 1 s auction.

`own_s` is what remains when the auction and the wait for a block are taken off. The wait is half a block on
average; it is measured, from sending the opening to the block that holds it. Figures are medians of five
submissions after a warm one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from protocol.types import TransientError

if TYPE_CHECKING:
    from client_sdk.job import Job
    from protocol.chain.localnet import Localnet

PROVIDERS = 10
AUCTION_S = 1.0
_ROUNDS = 5
_START_S = 180.0
_ROOT = Path(__file__).parents[2]


def run() -> dict[str, dict[str, Any]]:
    """Return both figures; raises `GavelError` if chain or providers do not start."""
    from protocol.chain.localnet import run_localnet

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        networks = root / "networks.yaml"
        with (
            run_localnet(block_time=1, accounts=2 + PROVIDERS, networks_file=networks) as net,
            _providers(root, net, networks),
        ):
            totals, owns = _measure(root, net, networks)
    return {
        "submit_to_lease_s": {"value": round(median(totals), 3), "unit": "s", "rival": None},
        "own_s": {"value": round(median(owns), 3), "unit": "s", "rival": None},
    }


def _measure(root: Path, net: "Localnet", networks: Path) -> tuple[list[float], list[float]]:
    from client_sdk import Client

    job = _job(root)
    totals, owns = [], []
    connection = Client.connect("local", wallet=net.keys[1], home=root / "client", networks_file=networks)
    with connection as client:
        waits = _watch_openings(client)
        for number in range(_ROUNDS + 1):
            waits.clear()
            begun = time.monotonic()
            auction = client.auction(job, max_price="100")
            offered = len(auction.quotes)
            lease = auction.open()
            total = time.monotonic() - begun
            lease.cancel()
            print(f"  {offered} quotes, {total:.2f} s, of it {sum(waits):.2f} s for a block", file=sys.stderr)
            if number:
                totals.append(total)
                owns.append(total - AUCTION_S - sum(waits))
            lease.final()
    return totals, owns


def _watch_openings(client: Any) -> list[float]:
    """Return a list that grows by the seconds from each transaction's way out to its block."""
    chain = client._calls.bridge.hosted.chain
    waits: list[float] = []
    poll, submit = chain.blocking.sender.poll, chain.blocking.sender.submit
    sent: dict[int, float] = {}

    def timed_submit(*args: Any, **kwargs: Any) -> Any:
        ticket = submit(*args, **kwargs)
        sent[ticket.nonce] = time.monotonic()
        return ticket

    def timed_poll(ticket: Any) -> Any:
        receipt = poll(ticket)
        if receipt is not None and ticket.nonce in sent:
            waits.append(time.monotonic() - sent.pop(ticket.nonce))
        return receipt

    chain.blocking.sender.submit, chain.blocking.sender.poll = timed_submit, timed_poll
    return waits


def _job(root: Path) -> "Job":
    """Return a small job: the auction is measured, not the work."""
    import numpy as np

    from client_sdk.job import Inputs, Job, Limits
    from protocol.engines.worker.programs import write_program
    from protocol.tape import F32, TapeBuilder
    from protocol.tape.products import matmul

    builder = TapeBuilder()
    x = builder.input(F32, (4, 32), "x")
    weights = np.ones((32, 32), np.float32)
    tape, labels = builder.build([matmul(builder, x, builder.constant(weights))])
    write_program(root / "model.tape", tape, labels)
    np.save(root / "x.npy", np.ones((4, 4, 32), np.float32))
    limits = Limits(time=120, window=3, auction=AUCTION_S)
    inputs = Inputs(root / "x.npy")
    # The window is shorter than the lease, which no judge could follow.
    return Job(
        title="bench",
        model=str(root / "model.tape"),
        inputs=inputs,
        limits=limits,
        verification="none",
    )


@contextmanager
def _providers(root: Path, net: "Localnet", networks: Path) -> Iterator[None]:
    """Run all providers; the first one measures the machine, the others take its figures over."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        homes = [_home(root / f"provider-{i}", net.keys[2 + i], i) for i in range(PROVIDERS)]
        running.append(_start(homes[0], networks))
        _await(homes[:1], running)
        for home in homes[1:]:
            (home / "provider").mkdir(mode=0o700)
            shutil.copy(homes[0] / "provider" / "calibration.json", home / "provider")
            running.append(_start(home, networks))
        _await(homes, running)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _home(home: Path, key: bytes, number: int) -> Path:
    from protocol.runtime.keystore import store_key

    home.mkdir(mode=0o700)
    password = home / "password"
    password.write_text("bench")
    password.chmod(0o600)
    before, os.environ["GAVEL_HOME"] = os.environ.get("GAVEL_HOME"), str(home)
    try:
        store_key("operator", key, "bench", light=True)
    finally:
        del os.environ["GAVEL_HOME"]
        if before is not None:
            os.environ["GAVEL_HOME"] = before
    (home / "provider.yaml").write_text(
        "network: local\noperator: operator\nowner_wallet: operator\n"
        f"password_file: {password}\nnet: {{listen: [/ip4/127.0.0.1/tcp/0]}}\n"
        "stake: {amount: '1000'}\nmachine: {threads: 1, memory: 1 GiB}\n"
        f"price: {{cpu_per_hour: '{3 + number}'}}\n"
    )
    return home


def _start(home: Path, networks: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "GAVEL_HOME": str(home), "GAVEL_NETWORKS": str(networks)}
    environment["PYTHONPATH"] = str(_ROOT)
    command = [sys.executable, "-m", "protocol.runtime.cli", "provider", "run"]
    with (home / "out").open("wb") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)


def _await(homes: list[Path], running: "list[subprocess.Popen[bytes]]") -> None:
    deadline = time.monotonic() + _START_S
    while not all("listens on" in (home / "out").read_text(errors="replace") for home in homes):
        if time.monotonic() > deadline or any(process.poll() is not None for process in running):
            said = "\n".join((home / "out").read_text(errors="replace")[-300:] for home in homes)
            raise TransientError(f"not all {PROVIDERS} providers came up: {said}")
        time.sleep(0.2)
