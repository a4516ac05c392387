"""Deploying, and the local chain in one call: as functions and as `gavel` commands."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.chain.anvil import Anvil, dev_keys, find_anvil
from protocol.chain.client import Chain
from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import Seat, TokenTerms, default_terms
from protocol.chain.deploying import deploy_command
from protocol.chain.judges import Judge, Places, created_by
from protocol.chain.localnet import FUNDS, Localnet, run_localnet
from protocol.chain.networks import Clock
from protocol.chain.networks_file import load_network, shipped_network
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.crypto import address_of
from protocol.runtime.cli import invoke
from protocol.runtime.keystore import find_key
from protocol.runtime.settings import Settings
from protocol.types import Address, Amount, Blocks, InputError, Verification, to_hex
from tests.chain_helpers import UNIT, make_bid


def test_a_chain_without_clz_is_refused_with_the_reason() -> None:
    with Anvil(extra=["--hardfork", "prague"]) as old:
        network = replace(shipped_network("local"), rpc_urls=(old.url,))
        sender = Sender(Node.of(network), network, dev_keys(1)[0])
        with pytest.raises(InputError, match=r"does not have the CLZ instruction.*EIP-7939"):
            deploy(network, sender, default_terms(network, []))


def test_a_clock_of_seconds_and_a_judge_are_deployed_as_asked(localnet: Localnet) -> None:
    network = replace(localnet.network, clock=Clock.TIMESTAMP, forced_inclusion_blocks=Blocks(30))
    sender = Sender(localnet.chain().node, network, localnet.keys[5])
    judge = address_of(localnet.keys[6])
    terms = default_terms(
        network, [TokenTerms(localnet.deployment.tokens[0].address, Amount(3 * UNIT))], [Seat(judge, 2)]
    )
    made = deploy(network, sender, terms)
    chain = Chain.connect(network, deployment=made)
    chain.check()
    assert chain.kind_of(judge) == 2
    assert [kind for kind in range(256) if chain.is_judged(kind)] == [2]
    assert chain.limits().min_grace == 60
    assert chain.limits().unbonding_delay > 86_400
    assert chain.clock() > 1_700_000_000
    assert made.tokens == localnet.deployment.tokens


_KEEP_WHAT_FOLLOWS = bytes.fromhex("6029806009" + "5f395ff3" + "00")
"""Creation code: PUSH1 41, DUP1, PUSH1 9, PUSH0, CODECOPY, PUSH0, RETURN; what it leaves begins with STOP."""


def _probe(name: str, kind: int = 2) -> Judge:
    """A stand-in for a judge: its code is the addresses that it was told."""
    return Judge(name, kind, lambda at: _KEEP_WHAT_FOLLOWS + at["Escrow"] + at["Referee"])


def _told(chain: Chain, judge: Address) -> tuple[bytes, bytes]:
    code = chain.node.code(judge)
    return code[1:21], code[21:]


def test_judges_and_escrow_know_each_other(localnet: Localnet) -> None:
    """The address of a contract to come is right (RULES 7: judges are fixed at deployment)."""
    network, sender = localnet.network, localnet.chain(5).sender
    sender.send(localnet.chain().token(0).approve(sender.address, Amount(1)))  # the nonce is not the first
    first = localnet.chain().node.nonce(sender.address, "pending")
    terms = default_terms(network, [TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT))])
    made = deploy(network, sender, terms, judges=[_probe("Disputes", Verification.TAPE), _probe("Later", 3)])
    chain = Chain.connect(network, deployment=made)
    assert made.escrow == created_by(sender.address, first)
    assert made.referee == created_by(sender.address, first + 1)
    assert made.disputes == created_by(sender.address, first + 2)
    later = created_by(sender.address, first + 3)
    assert [chain.kind_of(judge) for judge in (made.disputes, later)] == [Verification.TAPE, 3]
    for judge in (made.disputes, later):
        assert _told(chain, judge) == (made.escrow, made.referee)
    assert [kind for kind in range(256) if chain.is_judged(kind)] == [1, 3]


def test_a_deployment_that_was_interrupted_is_made_anew(localnet: Localnet) -> None:
    network, sender = localnet.network, localnet.chain(5).sender
    terms = default_terms(network, [TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT))])

    def break_off(at: Places) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy(network, sender, terms, judges=[Judge("Disputes", Verification.TAPE, break_off)])
    made = deploy(network, sender, terms, judges=[_probe("Disputes", Verification.TAPE)])
    assert _told(Chain.connect(network, deployment=made), made.disputes)[0] == made.escrow


def test_a_transaction_between_the_contracts_is_noticed(localnet: Localnet) -> None:
    network, sender = localnet.network, localnet.chain(5).sender
    terms = default_terms(network, [TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT))])

    def distract(at: Places) -> bytes:
        sender.send(localnet.chain().token(0).approve(sender.address, Amount(1)))
        return _probe("Disputes").code(at)

    with pytest.raises(InputError, match=r"another transaction of this wallet came between.*deploy again"):
        deploy(network, sender, terms, judges=[Judge("Disputes", Verification.TAPE, distract)])


def test_a_networks_entry_with_another_judge_is_refused(localnet: Localnet) -> None:
    stranger = replace(localnet.deployment, disputes=address_of(localnet.keys[6]))
    with pytest.raises(InputError, match=r"disputes 0x\w+ is no judge of tapes"):
        Chain.connect(localnet.network, deployment=stranger).check()


def test_terms_that_cannot_work_are_refused(localnet: Localnet) -> None:
    token = TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT))
    with pytest.raises(InputError, match=r"needs a grace of 172800 clock units, a bid can state 65535"):
        default_terms(shipped_network("arbitrum-sepolia"), [token])
    assert default_terms(shipped_network("arbitrum-sepolia"), [token], min_grace=3600).min_grace == 3600
    sender = localnet.chain(1).sender
    with pytest.raises(InputError, match="one token at least"):
        deploy(localnet.network, sender, default_terms(localnet.network, []))
    for address in (address_of(localnet.keys[1]), localnet.deployment.escrow):
        with pytest.raises(InputError, match=r"no token contract at|is not an ERC-20"):
            deploy(
                localnet.network, sender,
                default_terms(localnet.network, [TokenTerms(Address(address), Amount(UNIT))]),
            )  # fmt: skip


def test_a_local_chain_is_found_by_others_while_it_runs_and_keeps_its_state(tmp_path: Path) -> None:
    networks, state = tmp_path / "networks.yaml", tmp_path / "chain" / "state.json"
    with run_localnet(block_time=None, networks_file=networks, state=state, accounts=4) as net:
        found = load_network("local", networks)
        assert found.deployments == (net.deployment,)
        Chain.connect(found).check()
        chain = net.chain(3)
        assert chain.token_balance(0, chain.address) == FUNDS
        chain.send(chain.token(0).transfer(net.chain(2).address, Amount(5)))
    assert load_network("local", networks).deployments == ()
    with run_localnet(block_time=None, networks_file=networks, state=state, accounts=4) as net:
        assert net.deployment == found.deployments[0]
        assert net.chain().token_balance(0, net.chain(2).address) == FUNDS + 5
        make_bid(net)


def test_blocks_come_by_the_clock() -> None:
    with run_localnet(block_time=1, accounts=2) as net:
        chain = net.chain(1)
        chain.send(chain.token(0).approve(chain.address, Amount(1)))
        before, since = chain.block_number(), time.monotonic()
        while chain.block_number() < before + 2:
            assert time.monotonic() - since < 10
            time.sleep(0.05)


def test_anvil_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAVEL_ANVIL", str(tmp_path / "none"))
    with pytest.raises(InputError, match="GAVEL_ANVIL names no program"):
        find_anvil()
    monkeypatch.setenv("GAVEL_ANVIL", "/bin/false")
    with pytest.raises(InputError, match="anvil did not start"):
        Anvil()


def test_anvil_leaves_no_states_of_past_blocks_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes them once there are some hundreds; what a killed process left goes with the next start."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young = tmp_path / "gavel-anvil-left", tmp_path / "gavel-anvil-young"
    for each in (left, young):
        each.mkdir()
    (left / "lock").touch()
    with Anvil() as anvil:
        assert not left.exists()
        assert young.exists(), "somebody is about to lock it"
        young.rmdir()
        for _ in range(8):
            anvil.mine(100)
        (history,) = tmp_path.glob("gavel-anvil-*")
        assert [each for each in history.iterdir() if each.name != "lock"], "its states are elsewhere now"
        with Anvil():
            assert history.exists(), "its node lives"
    assert not history.exists()
    assert not (tmp_path / ".foundry" / "anvil").exists()


def test_anvil_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import time; from protocol.chain.anvil import Anvil;"
        "print(Anvil().process.pid, flush=True); time.sleep(60)"
    )
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _nothing_is_spent_or_lost_where_no_file_can_be_written(
    folder: Path, wallet: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_network("local")
    node, payer = Node.of(network), find_key("local-spare").address
    (folder / "plain").write_text("no folder")
    nowhere = folder / "plain" / "networks.yaml"
    before = node.nonce(payer, "pending")
    assert invoke(["deploy", "--network", "local", *wallet, "--networks", str(nowhere)]) == 2
    assert f"cannot write networks file {nowhere}: " in capsys.readouterr().err
    assert node.nonce(payer, "pending") == before
    # And when it becomes so only after the money is spent, the error says what to write.
    target = folder / "later" / "networks.yaml"

    class Told(Settings):
        def say(self, text: str) -> None:
            if text.startswith("Audits"):
                target.parent.rmdir()
                target.parent.write_text("no folder")

    with pytest.raises(InputError, match="the contracts stand, but cannot write networks file") as failed:
        deploy_command(
            Told(network="local"),
            wallet="local-spare",
            password_file=Path(wallet[3]),
            tokens=(),
            judges=(),
            with_disputes=True,
            min_grace=None,
            longest_lease_seconds=3_600,
            name="v2",
            file=target,
        )
    (folder / "rescued.yaml").write_text(
        "version: 1\nnetworks:\n  local:\n    " + failed.value.advice.partition(" put   ")[2] + "\n"
    )
    rescued = load_network("local", folder / "rescued.yaml").deployments[0]
    Chain.connect(network, deployment=rescued).check()
    assert rescued.name == "v2"


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    monkeypatch.delenv("GAVEL_NETWORKS", raising=False)
    command = [sys.executable, "-m", "protocol.runtime.cli", "localnet", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            facts = json.loads(running.stdout.readline())
            assert len(facts["wallets"]) == 10
            wallet = ["--wallet", "local-spare", "--password-file", facts["password_file"]]
            assert invoke(["--json", "deploy", "--network", "local", *wallet]) == 0
            network = load_network("local")
            assert [d.name for d in network.deployments] == ["v1", "local"]
            assert json.loads(capsys.readouterr().out)["escrow"] == to_hex(network.deployments[0].escrow)
            newest = network.deployments[0]
            assert Chain.connect(network, deployment=newest).kind_of(newest.disputes) == Verification.TAPE
            listed = ["--token", facts["token"] + ",2"]
            assert invoke(["deploy", "--network", "local", *wallet, *listed, "--no-disputes"]) == 0
            plain = load_network("local").deployments[0]
            assert (plain.referee, plain.disputes) == (None, None)
            assert not Chain.connect(network, deployment=plain).is_judged(Verification.TAPE)
            assert "Disputes" not in capsys.readouterr().out
            for args, complaint in (
                (["--network", "sepolai"], "network 'sepolai' is unknown"),
                (["--network", "local", "--token", "0x12,1"], "--token address is not 20 bytes of hex"),
                (["--network", "local", "--token", facts["token"]], "--token must be ADDRESS,RESERVE"),
                (
                    ["--network", "local", "--token", facts["token"] + ",x"],
                    "--token RESERVE must be a number",
                ),
                (["--network", "local", "--token", "0x" + "5f" * 20 + ",1"], "there is no token contract at"),
                (["--network", "local", "--token", to_hex(newest.escrow) + ",1"], "is not an ERC-20"),
                (["--network", "local", "--token", facts["token"] + ",1,0,0,0"], "--token COINS must be"),
                (["--network", "local", "--token", facts["token"] + ",1"], "needs a price in coins"),
                (["--network", "local", "--judge", facts["token"]], "--judge must be ADDRESS,KIND"),
                (["--network", "local", "--judge", facts["token"] + ",9"], "a kind from 1 to 8"),
            ):
                assert invoke(["deploy", *wallet, *args]) == 2
                said = capsys.readouterr().err
                assert said.count("\n") == 1
                assert complaint in said
            _nothing_is_spent_or_lost_where_no_file_can_be_written(tmp_path, wallet, capsys)
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
    assert not Path(f"/proc/{facts['pid']}").exists()
    assert load_network("local").deployments == ()
