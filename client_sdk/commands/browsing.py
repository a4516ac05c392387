"""The market as the chain and the network show it."""

import secrets
from functools import partial
from typing import Any

import trio

from client_sdk.commands.table import columns
from protocol.auction.money import Unit
from protocol.auction.quotes import Standing, readable
from protocol.auction.scoring import history_of
from protocol.chain.client import Chain
from protocol.chain.networks import Network
from protocol.chain.networks_file import load_network
from protocol.chain.views import Registered
from protocol.messages import Offer, Signed, open_signed
from protocol.net import Accept, NetSettings, Reject, Verdict, open_node, topic
from protocol.runtime.client_config import network_of
from protocol.runtime.settings import Settings
from protocol.runtime.signals import run_blocking
from protocol.types import ZERO_ADDRESS, Address, InputError, TransientError, to_hex

_HISTORY_S = 5.0
"""For so long one provider's history is read."""


def show_market(settings: Settings, token: int, listen: float) -> None:
    """Print the registered providers, and the offers heard in `listen` seconds."""
    network = load_network(network_of(settings))
    chain = Chain.connect(network)
    chain.check()
    tokens = chain.deployment.tokens
    if not 0 <= token < len(tokens):
        raise InputError(f"token {token} does not exist, the deployment lists {len(tokens)}")
    unit = Unit(tokens[token].symbol, tokens[token].decimals)
    book = chain.registrations()
    keys = chain.operators_of([each.owner for each in book])
    known = [each for each, key in zip(book, keys, strict=True) if key != ZERO_ADDRESS]
    rows = [_row(chain, each, key, token, unit) for each, key in zip(book, keys, strict=True) if any(key)]
    offers = run_blocking(partial(_listen, network, chain, known, listen)) if listen else []
    head = ("provider", f"stake {unit.symbol}", "free", "hardware", "region", "zone", "gCO2/kWh", "history")
    names = ("provider", "stake", "free", "hardware", "region", "zone", "carbon", "history")
    text = columns(head, [tuple(str(row[name]) for name in names) for row in rows], frozenset({1, 2, 6}))
    text = text if rows else f"no provider is registered on network {network.name}"
    if listen:
        text += "\n" + ("\n".join(map(_offer_line, offers)) or f"no offer was heard in {listen:g} s")
        settings.emit({"providers": rows, "offers": offers}, text)
    else:
        settings.emit(rows, text)


def _row(chain: Chain, known: Registered, operator: Address, token: int, unit: Unit) -> dict[str, Any]:
    stake = chain.stake(known.owner, token)
    row: dict[str, Any] = {
        "provider": to_hex(known.owner),
        "operator": to_hex(operator),
        "stake": unit.plain(stake.staked),
        "free": unit.plain(stake.free),
        "history": history_of(_standing(chain, known.owner)),
        "hardware": "unreadable registration",
        "region": "",
        "zone": "",
        "carbon": "",
    }
    said = known.registration
    if said is not None and known.operator == operator:
        gpus = ", ".join(readable(each, 40) for each in said.gpus)
        hardware = f"{readable(said.cpu, 40)}, {said.cores} cores, {said.memory_mib} MiB"
        row |= {
            "hardware": hardware + (f", {gpus}" if gpus else ""),
            "region": readable(said.region, 20),
            "zone": readable(said.grid_zone, 20),
            "carbon": said.carbon_grams_per_kwh,
        }
    return row


def _standing(chain: Chain, owner: Address) -> Standing:
    try:
        history = chain.history(owner, _HISTORY_S)
    except TransientError:
        return Standing(owner, unread=True)
    return Standing(
        owner,
        finalized=history.finalized,
        failed=history.provider_closed + history.result_missed + history.convicted,
        start_missed=history.start_missed,
        cancelled=history.nonces_cancelled,
    )


async def _listen(
    network: Network, chain: Chain, known: list[Registered], seconds: float
) -> list[dict[str, Any]]:
    domain, heard = chain.domain, []

    def validate(sender: Address, payload: bytes) -> Verdict:
        signer = open_signed(payload, Offer, domain).signer
        return Accept() if signer == sender else Reject("the offer is not signed by its sender")

    async with open_node(secrets.token_bytes(32), NetSettings(bootstrap=network.bootstrap)) as node:
        for each in known[:8]:
            try:
                if each.addrs:
                    await node.connect(each.addrs[0])
            except (InputError, TransientError):
                continue
        name = topic(domain.chain_id, domain.escrow, "offers")
        async with await node.subscribe(name, validate) as offers:
            with trio.move_on_after(seconds):
                async for _, payload in offers:
                    heard.append(_offer(open_signed(payload, Offer, domain)))
    return heard


def _offer(signed: Signed[Offer]) -> dict[str, Any]:
    offer = signed.message
    return {
        "client": to_hex(offer.client),
        "items": offer.item_count,
        "gigafma": round(offer.item_fma * offer.item_count / 1e9, 3),
        "device": offer.device,
        "memory_mib": -(-offer.memory_bytes // (1 << 20)),
        "max_blocks": offer.max_blocks,
        "window": offer.challenge_window,
        "expiry": offer.expiry,
    }


def _offer_line(offer: dict[str, Any]) -> str:
    return (
        f"offer by {offer['client'][:10]}: {offer['items']} items, {offer['gigafma']} GFMA, "
        f"{offer['device']}, {offer['memory_mib']} MiB, up to {offer['max_blocks']} blocks"
    )
