"""Answers of the commands that only look: daemon, chain, or both. Blocking."""

from typing import Any

from protocol.auction.money import Unit
from protocol.chain.client import Chain
from protocol.chain.events import Ended, Withdrawn, topic_of
from protocol.types import Address, Amount, TransientError, to_hex
from provider_node.config import ProviderConfig
from provider_node.control import ask
from provider_node.identity import connect, data_dir, owner_address
from provider_node.money import purse_of, shown

Row = dict[str, Any]


def status_report(config: ProviderConfig) -> tuple[Row, str]:
    """Return what the daemon says, if it runs, with stake and balances from the chain, if it answers."""
    folder = data_dir(config)
    try:
        row = ask(folder, "status")
    except TransientError:
        row = {"running": False, "network": config.network, "data_dir": str(folder)}
    owner = bytes.fromhex(row["owner"][2:]) if "owner" in row else owner_address(config)
    row["owner"] = to_hex(owner)
    try:
        row["money"] = _money(config, connect(config), Address(owner), row.get("operator"))
    except TransientError as error:
        row["money"] = {"error": str(error)}
    return row, _table(row)


def leases_report(config: ProviderConfig) -> tuple[list[Row], str]:
    """Return the leases that the daemon works on, or what the chain knows of this owner's."""
    try:
        rows = ask(data_dir(config), "leases")
    except TransientError:
        rows = _chain_leases(config)
    lines = [
        f"{row['lease'][:12]}  {row['phase']:12} {row['items']:>11}  "
        f"{row['paid_blocks']:>5} of {row['funded_blocks']} blocks  {row['accrued']}  "
        f"{row['reason']}".rstrip()
        for row in rows
    ]
    return rows, "\n".join(lines) or "no leases yet"


def earnings_report(config: ProviderConfig) -> tuple[Row, str]:
    """Return what the owner's leases brought and cost, and what can be withdrawn now."""
    chain = connect(config)
    owner = owner_address(config)
    purse = purse_of(config, chain)
    unit = purse.unit
    opened = {each.lease: each.bid for each in chain.leases_of(owner=owner) if each.bid.token == purse.token}
    abi = chain.escrow.abi
    ends = chain.scanner.all((topic_of(abi, "Ended"),))
    advances = chain.scanner.all((topic_of(abi, "Withdrawn"), None, bytes(12) + owner))
    ended = [each for each in ends if isinstance(each, Ended) and each.lease in opened]
    sums = {
        "settled": Amount(sum(each.to_owner for each in ended)),
        "withdrawn_while_running": Amount(
            sum(each.amount for each in advances if isinstance(each, Withdrawn) and each.lease in opened)
        ),
        "bond_lost": Amount(sum(each.seized for each in ended)),
        "credits": chain.credits(purse.token, owner),
    }
    outcomes: dict[str, int] = {}
    for each in ended:
        name = each.outcome.name.lower().replace("_", "-")
        outcomes[name] = outcomes.get(name, 0) + 1
    row = {
        "owner": to_hex(owner),
        "token": unit.symbol,
        **shown(unit, sums),
        "leases": len(opened),
        "ended": outcomes,
    }
    lines = [
        f"settled to credits       {unit.show(sums['settled'])}",
        f"withdrawn while running  {unit.show(sums['withdrawn_while_running'])}",
        f"bond lost                {unit.show(sums['bond_lost'])}",
        f"credits to withdraw      {unit.show(sums['credits'])}",
        f"leases                   {len(opened)} opened"
        + "".join(f", {count} {name}" for name, count in sorted(outcomes.items())),
    ]
    return row, "\n".join(lines)


def _money(config: ProviderConfig, chain: Chain, owner: Address, operator: str | None) -> Row:
    purse = purse_of(config, chain)
    stake = chain.stake(owner, purse.token)
    row: Row = {
        "token": purse.unit.symbol,
        **shown(
            purse.unit,
            {
                "staked": stake.staked,
                "locked": stake.locked,
                "free": stake.free,
                "unbonding": stake.unbonding,
                "credits": chain.credits(purse.token, owner),
                "tokens": chain.token_balance(purse.token, owner),
            },
        ),
        "registered_operator": to_hex(chain.operator_of(owner)),
    }
    if operator:
        coin = Unit("coin", 18)
        row["operator_coin"] = coin.plain(chain.balance(Address(bytes.fromhex(operator[2:]))))
    return row


def _chain_leases(config: ProviderConfig) -> list[Row]:
    chain = connect(config)
    opened = chain.leases_of(owner=owner_address(config))
    views = chain.leases([each.lease for each in opened])
    purse = purse_of(config, chain)
    rows = []
    for each, view in zip(opened, views, strict=True):
        rows.append(
            {
                "lease": to_hex(each.lease),
                "phase": view.state.name.lower().replace("_", "-"),
                "client": to_hex(each.bid.client),
                "items": "",
                "paid_blocks": view.paid_blocks,
                "funded_blocks": view.funded_blocks,
                "accrued": purse.unit.show(each.bid.rate_per_block * view.paid_blocks),
                "reason": "",
                "seen": each.block,
            }
        )
    return rows[::-1]


def _table(row: Row) -> str:
    """Return the status for people."""
    money = row["money"]
    if row["running"]:
        head = [
            f"provider {row['owner']} on {row['network']}, block {row['height']}, chain {row['chain']}",
            f"slots {row['free']} free of {row['slots']}, {row['leases']} leases, "
            f"{row['open_bids']} open bids" + (", draining" if row["draining"] else ""),
            f"offers {row['offers']}, bids {row['bids']}, declines {row['declines']}"
            + (f" (last: {row['last_decline']})" if row["last_decline"] else ""),
            *(f"lost: lease {lease[:12]} is {state}" for lease, state in row["lost_leases"].items()),
            f"devices {', '.join(row['devices'])}; {row['cpu']}; {row['peers']} peers",
        ]
    else:
        head = [f"provider {row['owner']} on {row['network']}: not running (gavel provider run starts it)"]
    if "error" in money:
        return "\n".join([*head, f"chain: {money['error']}"])
    symbol = money["token"]
    tail = [
        f"stake {money['staked']} {symbol}: {money['locked']} locked, {money['free']} free, "
        f"{money['unbonding']} unbonding",
        f"credits {money['credits']} {symbol}, tokens {money['tokens']} {symbol}",
        f"operator {money['registered_operator']}"
        + (f" with {money['operator_coin']} of coin for gas" if "operator_coin" in money else ""),
    ]
    return "\n".join([*head, *tail])
