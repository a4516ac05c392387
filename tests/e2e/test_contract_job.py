"""A whole job between two contract wallets: real daemon, real client, neither of which owns a coin itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from client_sdk import Client, Limits
from protocol.auction.money import Unit
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.types import Address, to_hex
from provider_node.control import ask
from tests.client_rig import CLIENT, expected, small_job
from tests.contract_wallet import deploy_wallet
from tests.provider_rig import OPERATOR, OWNER, UNIT, Daemon, provider_home

pytestmark = pytest.mark.xdist_group("e2e-contract")
LOC = Unit("LOC", 18)


def owners_command(daemon: Daemon, owner: Address, *args: str) -> Any:
    """Run `gavel provider ...` with the session key of the contract that is the owner."""
    own = ("--contract", to_hex(owner), "--wallet", "owner")
    return daemon.told("provider", *args, *own, "--password-file", str(daemon.home / "password"))


def settle_in(net: Localnet, daemon: Daemon, owner: Address) -> None:
    """What docs/provider.md tells an owner to do whose key lies elsewhere."""
    operator = to_hex(address_of(net.keys[OPERATOR]))
    owners_command(daemon, owner, "register", "--operator", operator)
    owners_command(daemon, owner, "stake", "100", "--max-per-lease", "50")
    daemon.start()
    trio.run(daemon.seen, "listens on")
    addrs = ask(daemon.data, "status")["addrs"]
    owners_command(daemon, owner, "register", "--operator", operator, "--addr", addrs[0])


def test_contract_pays_contract(tmp_path: Path) -> None:
    networks = tmp_path / "networks.yaml"
    with run_localnet(block_time=1, networks_file=networks) as net:
        client = deploy_wallet(net, address_of(net.keys[CLIENT]), 10 * UNIT)
        owner = deploy_wallet(net, address_of(net.keys[OWNER]), 100 * UNIT)
        chain = net.chain()
        with provider_home(net, tmp_path, networks, owner=to_hex(owner), owner_wallet="") as daemon:
            settle_in(net, daemon, owner)
            job = small_job(
                tmp_path / "job", limits=Limits(time=200, window=3, auction=1), verification="none"
            )
            connection = Client.connect(
                "local",
                wallet=net.keys[CLIENT],
                contract=client,
                networks_file=networks,
                home=tmp_path / "client",
            )
            with connection as connected:
                lease = connected.submit(job, max_price="2.5")
                result = lease.result()
                final = lease.final()
            outputs = next(iter(result.arrays().values()))
            for got, reference in zip(outputs, expected(job, tmp_path / "job"), strict=True):
                assert np.array_equal(got.view(np.uint32), reference.view(np.uint32))
            assert final["state"] == "final"
            paid = LOC.parse(final["paid"], "paid")
            # The contracts' money moved, to the wei; the keys' own tokens did not.
            assert chain.credits(0, owner) == paid
            assert chain.token_balance(0, client) + chain.credits(0, client) == 10 * UNIT - paid
            assert chain.stake(owner, 0).locked == 0
            for account in (CLIENT, OWNER, OPERATOR):
                assert chain.credits(0, address_of(net.keys[account])) == 0
            withdrawn = owners_command(daemon, owner, "withdraw")
            assert LOC.parse(withdrawn["withdrawn"], "withdrawn") == paid
            assert chain.token_balance(0, owner) == paid
            daemon.told("job", "verify", str(result.receipt))
            daemon.stop()
