"""What a running provider tells about itself, as plain values."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import trio

from protocol.lease.provider import ENDED, wake
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.types import LeaseId, TransientError, to_hex
from provider_node import policy
from provider_node.accounts import balances, purse_of
from provider_node.addresses import told
from provider_node.defence.rows import games_of
from provider_node.defence.scout import KIND as GAME
from provider_node.watcher import KIND

if TYPE_CHECKING:
    from provider_node.parts import Parts

_CHAIN_S = 5.0
"""Shorter than a command waits for its answer."""


def status(parts: "Parts") -> dict[str, Any]:
    """Return the daemon's own view and that of each room, without asking the chain."""
    row: dict[str, Any] = {
        "running": True,
        "network": parts.chain.blocking.network.name,
        "owner": to_hex(parts.identity.owner),
        "operator": to_hex(parts.identity.operator),
        "height": parts.watcher.height,
        "chain": parts.watcher.trouble or "ok",
        "journal": parts.loop.trouble or "ok",
        "peers": len(parts.node.peers()),
        "addrs": list(told(parts.node.addrs)),
        "draining": parts.market.draining,
        "cpu": parts.host.cpu,
        "gpus": [gpu.name for gpu in parts.host.gpus],
        "artifact_bytes": parts.store.used(),
        "metrics_port": parts.metrics_port,
    }
    for room in parts.rooms:
        row |= room.status()
    return row


async def money_of(parts: "Parts", token: str) -> dict[str, Any]:
    """Return stake, credits and coin as the chain has them, or why it cannot be asked now.

    `token` is a symbol; empty: the one that this provider is paid in.
    """
    if parts.watcher.height and parts.watcher.trouble:
        return {"error": parts.watcher.trouble}
    price = replace(parts.config.price, token=token) if token else parts.config.price
    purse = purse_of(price, parts.chain.blocking)
    with trio.move_on_after(_CHAIN_S):
        try:
            return await parts.chain.run(balances, purse, parts.identity.owner, parts.identity.operator)
        except TransientError as error:
            return {"error": str(error)}
    return {"error": f"no answer of a node within {_CHAIN_S:.0f} s"}


def lease_status(parts: "Parts") -> dict[str, Any]:
    """Return what the room of leases has to say: slots, bids, the market."""
    states = list(parts.loop.states(KIND).values())
    capacity = parts.market.slots.capacity
    capability = parts.market.rules.house.capability
    return {
        "slots": parts.config.lease.slots,
        "free": len(capacity.free(states)),
        "open_bids": sum(state.phase == Phase.BID for state in states),
        "leases": sum(state.phase not in ENDED and state.phase != Phase.BID for state in states),
        "lost_leases": {to_hex(lease): state.name.lower() for lease, state in parts.orphans.found.items()},
        **parts.market.counts,
        "last_decline": parts.market.last_decline,
        "devices": [each.name for each in capability.devices],
    }


def lease_rows(parts: "Parts") -> list[dict[str, Any]]:
    """Return every lease that this daemon remembers, open bids left out, newest first."""
    rows = [
        lease_row(parts, LeaseId(id), state)
        for id, state in parts.loop.states(KIND).items()
        if state.phase not in (Phase.BID, Phase.LAPSED)
    ]
    return sorted(rows, key=lambda row: -row["seen"])


def lease_row(parts: "Parts", lease: LeaseId, state: ProviderLease) -> dict[str, Any]:
    """Return one lease as plain values."""
    unit = policy.unit_of(parts.chain.blocking.deployment, state.bid.token)
    known = parts.jobs.progress.get(lease)
    done = state.offer.item_count if state.result is not None else known.done if known else 0
    accrued = state.bid.rate_per_block * state.chain.paid_blocks
    return {
        "lease": to_hex(lease),
        "phase": state.phase.name.lower(),
        "client": to_hex(state.bid.client),
        "title": state.spec.title if state.spec else "",
        "items": f"{done}/{state.offer.item_count}",
        "paid_blocks": state.chain.paid_blocks,
        "funded_blocks": state.chain.funded_blocks,
        "accrued": unit.show(accrued),
        "completion_fee": unit.show(state.bid.completion_fee),
        "bond": unit.show(state.bid.bond),
        "reason": state.reason,
        "next": wake(state),
        "seen": state.height,
        "games": games_of(parts.loop.states(GAME), parts.watcher.height, lease),
    }
