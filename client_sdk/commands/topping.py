"""Topping a lease up from the command line: more paid blocks, up to what its bid allows."""

from pathlib import Path

from client_sdk.home import ClientHome
from client_sdk.record import load_record
from client_sdk.wallet import Wallet, open_wallet
from protocol.auction.money import Unit
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.chain.views import LeaseState
from protocol.messages import Bid
from protocol.runtime.client_config import network_of
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings
from protocol.types import Amount, Blocks, InputError, parse_address, several

_OPEN = (LeaseState.OPENED, LeaseState.RUNNING, LeaseState.SERVING)


def top_up_job(
    settings: Settings,
    name: str,
    *,
    blocks: int | None,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
) -> int:
    """Fund `blocks` more of a job's lease, or all that its bid allows; anybody may. `InputError` if not."""
    network = load_network(network_of(settings))
    folder = ClientHome.of(network.name).job(name)
    record = load_record(folder)
    lease = record.lease_id
    if lease is None:
        raise InputError(f"job {folder.id} has no lease: {record.text or record.state}")
    paying = parse_address(contract, "--contract") if contract else None
    opened = open_wallet(wallet, password_file, paying, network.name)
    chain = Chain.connect(network, opened.key)
    bid, view = record.terms, chain.lease(lease)
    if view.state not in _OPEN:
        said = view.state.name.lower().replace("_", " ")
        raise InputError(f"job {folder.id} cannot be topped up: its lease is {said}")
    wanted = _wanted(folder.id, blocks, bid.top_up_cap - view.funded_blocks)
    for call in _calls(chain, opened, record.unit, bid, wanted):
        chain.send(opened.through(call))
    funded, cost = chain.lease(lease).funded_blocks, bid.rate_per_block * wanted
    row = {
        "job": folder.id,
        "lease": record.lease,
        "blocks": wanted,
        "funded_blocks": funded,
        "cost": record.unit.plain(cost),
    }
    more = several(wanted, "more block")
    text = f"{more} funded for {record.unit.show(cost)}: {funded} in all; deadlines stay"
    settings.emit(row, text)
    return ExitCode.OK


def _wanted(job: str, blocks: int | None, most: int) -> Blocks:
    if most <= 0:
        raise InputError(f"job {job} is funded for as many blocks as its bid allows")
    if blocks is None:
        return Blocks(most)
    if not 0 < blocks <= most:
        raise InputError(f"--blocks must be 1 to {most}: the bid allows no more")
    return Blocks(blocks)


def _calls(chain: Chain, wallet: Wallet, unit: Unit, bid: Bid, blocks: Blocks) -> list[Call]:
    """Return what to send: from credits if they reach, else from the wallet."""
    cost, token, escrow = Amount(bid.rate_per_block * blocks), bid.token, chain.escrow
    if chain.credits(token, wallet.client) >= cost:
        return [escrow.top_up(bid, blocks)]
    balance = chain.token_balance(token, wallet.client)
    if balance < cost:
        have = unit.show(balance)
        raise InputError(f"too little money: this takes {unit.show(cost)}, the wallet has {have}")
    pull = escrow.top_up_from_wallet(bid, blocks)
    if chain.allowance(token, wallet.client, escrow.address) >= cost:
        return [pull]
    return [chain.token(token).approve(escrow.address, cost), pull]
