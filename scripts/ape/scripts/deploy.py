"""Deploys with an ape account: ape run deploy --network NETWORK --account ALIAS --token ADDRESS,RESERVE.

The functions are those that `gavel deploy` calls; only the sending is ape's. Prints the networks.yaml entry.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ape
import click
import yaml
from ape.cli import ConnectedProviderCommand, account_option

if TYPE_CHECKING:
    from protocol.chain.calls import Call, TxReceipt
    from protocol.chain.node import Node

# On the path for this import only: the repository has a package `scripts` of its own that ape would take for
# this folder. What is below `protocol` is found through `protocol` from here on.
sys.path.append(str(Path(__file__).resolve().parents[3]))
import protocol  # noqa: F401

sys.path.pop()


class ApeSender:
    """An ape account as `protocol.chain.sender.Sends`."""

    def __init__(self, account: Any, node: "Node") -> None:
        from protocol.types import parse_address

        self._account, self._node = account, node
        self.address = parse_address(str(account.address))

    def send(self, call: "Call") -> "TxReceipt":
        """Sign with the account, wait for the block."""
        from protocol.types import InputError, parse_hash, to_hex

        fields = {"data": to_hex(call.data), "value": call.value}
        if call.to is not None:
            fields["receiver"] = to_hex(call.to)
        sent = self._account.call(ape.networks.ecosystem.create_transaction(**fields))
        found = self._node.receipt(parse_hash(sent.txn_hash))
        if found is None or not found[1]:
            raise InputError(f"{call.what} failed on chain in {sent.txn_hash}")
        return found[0]


@click.command(cls=ConnectedProviderCommand)
@account_option()  # type: ignore[untyped-decorator]  # ape is not installed beside mypy
@click.option("--token", "tokens", multiple=True, help="ADDRESS,RESERVE,SHOWUP,BPS,COINS; repeatable.")
@click.option("--gavel-network", default="local", help="Whose terms of networks.yaml to take.")
def cli(account: Any, tokens: tuple[str, ...], gavel_network: str) -> None:
    """Deploy Escrow, Staking, Referee and Disputes to the network that ape is connected to."""
    from protocol.chain.deploy import deploy
    from protocol.chain.deploy_terms import default_dispute_terms, default_terms
    from protocol.chain.judges import of_tapes
    from protocol.chain.networks_file import deployment_yaml, load_network
    from protocol.chain.node import Node
    from protocol.chain.token_option import listed_tokens

    url = ape.networks.active_provider.web3.provider.endpoint_uri
    network = replace(load_network(gavel_network), rpc_urls=(str(url),))
    sender = ApeSender(account, Node.of(network))
    listed, clocks = listed_tokens(network, sender, tokens), default_dispute_terms(network)
    terms = default_terms(network, listed, disputes=clocks)
    made = deploy(network, sender, terms, judges=of_tapes(network, clocks, listed))
    click.echo(yaml.safe_dump([deployment_yaml(made)], sort_keys=False))
