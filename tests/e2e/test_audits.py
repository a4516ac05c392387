"""Audits between real processes: a provider, two watchtowers that enrolled, a client on the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from protocol.chain.localnet import Localnet, run_localnet
from protocol.dispute.audits import Part, Stage
from protocol.runtime.keystore import store_key
from protocol.types import LeaseId
from tests.cheat.provider import TITLE
from tests.client_rig import UNIT, small_job
from tests.provider_rig import ROOT, provider_home

pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("e2e-audits"), pytest.mark.timeout(900)]
TOWERS, CLIENT, WINDOW = (6, 7), 1, 500


@dataclass
class Home:
    """A user's folder with one wallet, and `gavel` in it."""

    folder: Path
    networks: Path

    def keep(self, patch: pytest.MonkeyPatch, wallet: str, key: bytes) -> None:
        self.folder.mkdir(mode=0o700)
        self.password.write_text("x")
        self.password.chmod(0o600)
        with patch.context() as inner:
            inner.setenv("GAVEL_HOME", str(self.folder))
            store_key(wallet, key, "x", light=True)

    @property
    def password(self) -> Path:
        return self.folder / "password"

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "protocol.runtime.cli", "--network", "local", "--json", *args]

    def env(self) -> dict[str, str]:
        own = {
            "GAVEL_HOME": str(self.folder),
            "GAVEL_NETWORKS": str(self.networks),
            "GAVEL_PASSWORD_FILE": str(self.password),
            "PYTHONPATH": str(ROOT),
        }
        return {**{k: v for k, v in os.environ.items() if not k.startswith("GAVEL_")}, **own}

    def answer(self, *args: str, code: int = 0) -> Any:
        done = subprocess.run(
            self.command(*args), cwd=ROOT, env=self.env(), capture_output=True, timeout=180, check=False
        )
        assert done.returncode == code, done.stderr.decode()[-2000:]
        return json.loads(done.stdout or done.stderr.splitlines()[-1])

    def start(self, stack: ExitStack, *args: str) -> None:
        """Run a daemon until the stack ends."""
        with (self.folder / "out").open("ab") as out:
            process = subprocess.Popen(
                self.command(*args), cwd=ROOT, env=self.env(), stdout=out, stderr=subprocess.STDOUT
            )
        stack.callback(process.wait)
        stack.callback(process.terminate)


@pytest.fixture
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Localnet, Home, list[Home]]]:
    """With the parameter `cheat` the provider is one that can be told to cheat, by a job's title."""
    networks = tmp_path / "networks.yaml"
    with ExitStack() as stack:
        net = stack.enter_context(run_localnet(block_time=1, networks_file=networks))
        prices = {"start_blocks": 40, "result_blocks": 40}
        provider = stack.enter_context(provider_home(net, tmp_path, networks, price=prices))
        client = Home(tmp_path / "client", networks)
        client.keep(monkeypatch, "default", net.keys[CLIENT])
        towers = [Home(tmp_path / f"tower-{each}", networks) for each in TOWERS]
        for each, tower in zip(TOWERS, towers, strict=True):
            tower.keep(monkeypatch, "watchtower", net.keys[each])
            assert tower.answer("watchtower", "enrol", code=1) == {"enrolled": False}, "nobody agreed"
            assert tower.answer("watchtower", "enrol", "--yes")["stake"] == "4"
            assert (
                "enrolled already" in tower.answer("watchtower", "enrol", "--yes", code=2)["error"]["message"]
            )
            tower.start(stack, "watchtower", "run", "--share-percent", "0")
        net.anvil.mine(200)  # longer than any start deadline
        if getattr(request, "param", "") == "cheat":
            provider.module, provider.extra = "tests.cheat.provider", {"CHEAT_LIES": "[]"}
        provider.start()
        trio.run(provider.seen, "listens on")
        yield net, client, towers


def audited(client: Home, folder: Path, **described: object) -> Any:
    """Have a job run with two auditors, and leave."""
    small_job(folder, items=4)
    described |= {
        "model": "model.tape",
        "inputs": {"path": "x.npy", "format": "raw"},
        "limits": {"time": "200 s", "window": f"{WINDOW} s", "auction": "1 s"},
    }
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump(described))
    left = client.answer("job", "run", str(file), "--max-price", "20", "--yes", "--audits", "2", "--no-wait")
    assert left["state"] == "checked"
    assert "ordered 2 auditors" in left["audit"]
    return left


@pytest.mark.parametrize("world", ["cheat"], indirect=True)
def test_inputs_that_are_served_to_nobody_drive_no_auditor_out_and_the_client_is_told(
    world: tuple[Localnet, Home, list[Home]], tmp_path: Path
) -> None:
    net, client, towers = world
    chain, auditors = net.chain(), [net.chain(each).address for each in TOWERS]
    left = audited(client, tmp_path / "job", title=f"{TITLE}hidden")
    lease = LeaseId(bytes.fromhex(client.answer("job", "status", left["job"])["lease"][2:]))

    async def over() -> None:
        with trio.fail_after(300):
            while chain.audit(lease, True).stage is not Stage.OVER:
                await trio.sleep(0.5)

    trio.run(over)
    assert [each.part for each in chain.audit_tasks(lease, True)] == [Part.DONE, Part.DONE]
    for each in auditors:
        stands = chain.auditor(each)
        assert (stands.stake, stands.left_at, stands.busy) == (4 * UNIT, 0, 0)
        assert chain.audit_credit(0, each) == 0
    net.anvil.mine(WINDOW)
    final = client.answer("job", "result", left["job"], "--wait")
    assert final["state"] == "final"
    assert float(final["audits_paid"]) == 0
    assert "2 auditors abstained" in final["audit"]
    assert "nobody has checked the result" in final["audit"]
    assert json.loads(Path(final["receipt"]).read_text())["audit"]["abstained"] == 2
    for tower in towers:
        (audit,) = tower.answer("watchtower", "status")["audits"]
        assert (audit["over"], int(audit["fee"])) == (True, 0)
        assert "abstained, without pay or loss" in audit["doing"]


def test_two_watchtowers_are_paid_by_a_client_that_left(
    world: tuple[Localnet, Home, list[Home]], tmp_path: Path
) -> None:
    net, client, towers = world
    chain, auditors = net.chain(), [net.chain(each).address for each in TOWERS]
    before = [chain.token_balance(0, each) for each in auditors]
    left = audited(client, tmp_path / "job")

    async def paid() -> None:
        with trio.fail_after(180):
            while any(
                chain.token_balance(0, each) == had for each, had in zip(auditors, before, strict=True)
            ):
                await trio.sleep(0.5)

    trio.run(paid)
    net.anvil.mine(WINDOW)
    final = client.answer("job", "result", left["job"], "--wait")
    fees = [chain.token_balance(0, each) - had for each, had in zip(auditors, before, strict=True)]
    assert fees[0] == fees[1] > 0
    assert float(final["audits_paid"]) * 10**18 == pytest.approx(sum(fees))
    assert "2 of 2 auditors drawn" in final["audit"]
    receipt = json.loads(Path(final["receipt"]).read_text())
    assert (receipt["audit"]["drawn"], receipt["audit"]["paid"]) == (2, final["audits_paid"])
    for tower in towers:
        status = tower.answer("watchtower", "status")
        assert status["auditor"]["enrolled"]
        assert [(each["over"], each["fee"]) for each in status["audits"]] == [(True, str(fees[0]))]
        assert not tower.answer("watchtower", "leave")["taken"]
    net.anvil.mine(40)
    assert towers[0].answer("watchtower", "leave")["taken"]
    assert "is not enrolled" in towers[0].answer("watchtower", "leave", code=2)["error"]["message"]
