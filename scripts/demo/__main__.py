"""`make demo`: a real chain, three providers, a watchtower, and one job through all of them.

Then a job that a cheat wins, and loses its bond for.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet, run_localnet
from protocol.chain.views import LeaseState
from protocol.crypto import address_of
from protocol.types import EnergyGrade, GavelError, LeaseId, Wei, parse_hash
from scripts.demo import cheat, ledger, show, stage, work
from scripts.demo.processes import DemoError, Processes, gavel
from watchtower.verdicts import Finding, Verdicts


def main() -> int:
    """Run the demo; the exit code is 0 only if everything that it shows held."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="gavel-demo-") as folder:
            _play(options, Path(folder))
    except (DemoError, GavelError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped; everything it started has ended", file=sys.stderr)
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--files", type=Path, metavar="DIR", help="classify the files of this folder")
    which.add_argument("--minilm", type=Path, metavar="FILE", help="embed this text with MiniLM instead")
    parser.add_argument("--logs", action="store_true", help="show the end of every daemon's log at the end")
    options = parser.parse_args()
    for path in (options.files, options.minilm):
        if path is not None and not path.exists():
            parser.error(f"there is no {path}")
    return options


def _play(options: argparse.Namespace, folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.environ["GAVEL_HOME"] = str(home)  # nothing of the user's own Gavel is read or written
    show.heading("Setting up: a local chain, contracts, wallets")
    with run_localnet(block_time=1, accounts=12, networks_file=home / "networks.yaml") as net:
        cast = stage.build(home, net)
        chain = net.chain()
        disputes = net.deployment.disputes
        assert disputes is not None, "a local chain has the game's contract"
        parties = cast.parties(address_of(net.keys[0]), disputes)
        show.line(f"node {net.url}, Escrow 0x{net.deployment.escrow.hex()}, a block every second")
        before = ledger.take(chain, parties)
        try:
            with Processes(folder, cast.env()) as processes:
                _start_daemons(processes, cast, chain)
                job = work.embed(options.minilm) if options.minilm else work.classify(options.files)
                lease, result = _run_job(processes, cast, job)
                _await_end(processes, cast, net, lease)
                _verify(processes, Path(result["receipt"]))
                cheat.play(
                    processes, cast, net, lambda: _run_job(processes, cast, work.few())[0], home / "client"
                )
        finally:
            if options.logs:
                _show_logs(folder)
        after = ledger.take(chain, parties)
        paid = ledger.gas_paid(chain, before.block + 1, after.block)
        show.heading("What everybody was left with")
        show.balances(before, after, show.by_party(paid, parties), net.deployment.tokens[0].symbol)
        gas = sum(wei for _, wei in paid.values())
        ledger.check(before, after, Wei(gas))
        show.line("both books balance to the last unit")
        if not options.minilm:
            show.heading("Is the answer right?")
            show.line(work.magika_agrees(Path(result["result"])))


def _start_daemons(processes: Processes, cast: stage.Stage, chain: Chain) -> None:
    show.heading("Starting three providers and a watchtower, each its own process")
    for provider in stage.PROVIDERS:
        processes.start(provider.name, stage.provider_command(cast, provider))
        show.line(f"{provider.name}: {provider.price} an hour, {provider.region}, {provider.carbon} gCO2/kWh")
    processes.start("watchtower", stage.watchtower_command(cast))
    show.line("watchtower: re-runs every result of all three")

    def ready() -> bool:
        owners = {cast.owners[provider.name] for provider in stage.PROVIDERS}
        found = {each.owner for each in chain.registrations() if each.registration is not None}
        return found >= owners and all(chain.stake(owner, ledger.TOKEN).free > 0 for owner in owners)

    processes.wait_until("the providers did not register and stake", ready, 90)


def _run_job(processes: Processes, cast: stage.Stage, job: work.Work) -> tuple[bytes, dict[str, Any]]:
    show.heading(f"The job: {job.about}")
    file = stage.write_job(cast.home, job.job)
    command = [
        "job",
        "run",
        str(file),
        "--max-price",
        "0.40",
        "--network",
        "local",
        "--wallet",
        "client",
        "--yes",
    ]
    show.line("$ gavel " + " ".join(command))
    code = processes.run(gavel(*command))
    if code != 0:
        raise DemoError(f"gavel job run ended with exit code {code}")
    listed = subprocess.run(gavel("job", "list", "--json"), env=cast.env(), capture_output=True, check=False)
    jobs = json.loads(listed.stdout or b"[]")
    if not jobs:
        raise DemoError(f"gavel job list shows nothing: {listed.stderr.decode()[-300:]}")
    return bytes(parse_hash(jobs[-1]["lease"])), jobs[-1]


def _await_end(processes: Processes, cast: stage.Stage, net: Localnet, lease: bytes) -> None:
    show.heading("The watchtower runs it again; after the challenge window anybody may finalize")
    verdicts = Verdicts(cast.home / "watchtower" / "verdicts")
    processes.wait_until("the watchtower has no verdict", lambda: LeaseId(lease) in verdicts.by_lease(), 180)
    (verdict,) = (each for each in verdicts.all() if each.lease == f"0x{lease.hex()}")
    show.line("watchtower: " + verdict.sentence())
    if verdict.finding is not Finding.MATCH:
        raise DemoError("the watchtower does not confirm the result")
    chain = net.chain()
    show.line(f"the window's {work.WINDOW} blocks are made at once")
    net.anvil.mine(work.WINDOW)
    processes.wait_until(
        "the lease did not become final",
        lambda: chain.lease(LeaseId(lease)).state is LeaseState.FINALIZED,
        120,
    )
    show.line(f"lease 0x{lease.hex()} is final")


def _verify(processes: Processes, receipt: Path) -> None:
    show.heading("The receipt, checked again from chain and artifacts alone")
    used = json.loads(receipt.read_text())["readable"]
    show.line(
        f"{used['item_count']} items, blocks {used['started']} to {used['posted']}, "
        f"{used['wall_ms'] / 1000:.1f} s, {used['cpu_ms'] / 1000:.1f} s of processor, "
        f"{used['peak_memory_bytes'] >> 20} MiB at most"
    )
    grade = EnergyGrade(used["energy_grade"]).name.lower()
    show.line(
        f"energy {used['energy_milliwatt_hours'] / 1000:.3f} Wh ({grade}), "
        f"zone {used['grid_zone'] or 'unknown'}, {used['carbon_milligrams'] / 1000:.3f} gCO2"
    )
    command = ["job", "verify", str(receipt), "--network", "local"]
    show.line("$ gavel " + " ".join(command))
    if processes.run(gavel(*command)) != 0:
        raise DemoError("the receipt does not verify")


def _show_logs(folder: Path) -> None:
    show.heading("Logs")
    for output in sorted(folder.glob("*.out")):
        show.line(f"[{output.stem}]")
        for text in output.read_text(errors="replace").splitlines()[-15:]:
            show.line(f"  {text}")


if __name__ == "__main__":
    sys.exit(main())
