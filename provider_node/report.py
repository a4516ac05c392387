"""Answers of the commands that only look: from the running daemon, else from the chain. Blocking.

A daemon that runs has everything loaded and connected. Asking it spares the command its own way to the chain,
and web3 with it, which takes longer to import than all else.
"""

from typing import TYPE_CHECKING, Any

from protocol.types import Address, TransientError, several, to_hex
from provider_node.auditing.lines import audit_lines
from provider_node.config import ProviderConfig
from provider_node.control import ask
from provider_node.defence.lines import game_line, game_lines
from provider_node.delivery.lines import demand_lines
from provider_node.folder import data_dir

if TYPE_CHECKING:
    from protocol.chain.client import Chain

Row = dict[str, Any]


def status_report(config: ProviderConfig) -> tuple[Row, str]:
    """Return what the daemon says, its money included; if none runs, the money as the chain has it."""
    folder = data_dir(config)
    try:
        row: Row = ask(folder, "status", token=config.price.token)
    except TransientError:
        chain, owner = _chain_and_owner(config)
        row = {"running": False, "network": config.network, "data_dir": str(folder), "owner": to_hex(owner)}
        row["money"] = _money(config, chain, owner)
    return row, _table(row)


def leases_report(config: ProviderConfig) -> tuple[list[Row], str]:
    """Return the leases that the daemon works on, or what the chain knows of this owner's."""
    try:
        rows: list[Row] = ask(data_dir(config), "leases")
    except TransientError:
        from provider_node.accounts import lease_list

        rows = lease_list(*_chain_and_owner(config))
    lines = [
        f"{row['lease'][:12]}  {row['phase']:12} {row['items']:>11}  "
        f"{row['paid_blocks']:>5} of {row['funded_blocks']} blocks  {row['accrued']}  "
        f"{row['reason']}".rstrip()
        for row in rows
    ]
    for row in rows:
        lines += [f"  {row['lease'][:12]}  {game_line(each)}" for each in row.get("games", ())]
    return rows, "\n".join(lines) or "no leases yet"


def earnings_report(config: ProviderConfig) -> tuple[Row, str]:
    """Return what the owner's leases brought and cost, and what can be withdrawn now, from the chain."""
    from provider_node.accounts import earnings, purse_of

    chain, owner = _chain_and_owner(config)
    row = earnings(chain, purse_of(config.price, chain), owner)
    symbol = row["token"]
    lines = [
        f"settled to credits       {row['settled']} {symbol}",
        f"withdrawn while running  {row['withdrawn_while_running']} {symbol}",
        f"bond lost                {row['bond_lost']} {symbol}, of it burnt {row['bond_burnt']} {symbol}",
        f"convictions              {row['convictions']}",
        f"credits to withdraw      {row['credits']} {symbol}",
        f"leases                   {row['leases']} opened"
        + "".join(f", {count} {name}" for name, count in row["ended"].items()),
    ]
    return row, "\n".join(lines)


def _chain_and_owner(config: ProviderConfig) -> "tuple[Chain, Address]":
    from provider_node.identity import connect, owner_of

    return connect(config), owner_of(config)


def _money(config: ProviderConfig, chain: "Chain", owner: Address) -> Row:
    from provider_node.accounts import balances, purse_of

    try:
        return balances(chain, purse_of(config.price, chain), owner, None)
    except TransientError as error:
        return {"error": str(error)}


def _table(row: Row) -> str:
    """Return the status for people."""
    money = row["money"]
    if row["running"]:
        head = [
            f"provider {row['owner']} on {row['network']}, block {row['height']}, chain {row['chain']}",
            *([f"nothing is done: {row['journal']}"] if row.get("journal", "ok") != "ok" else ()),
            *(
                [f"hidden from clients: {row['registration']}"]
                if row.get("registration", "ok") != "ok"
                else ()
            ),
            f"slots {row['free']} free of {row['slots']}, {several(row['leases'], 'lease')}, "
            f"{several(row['open_bids'], 'open bid')}" + (", draining" if row["draining"] else ""),
            f"offers {row['offers']}, bids {row['bids']}, declines {row['declines']}"
            + (f" (last: {row['last_decline']})" if row["last_decline"] else ""),
            *(f"lost: lease {lease[:12]} is {state}" for lease, state in row["lost_leases"].items()),
            *game_lines(row),
            *demand_lines(row),
            *audit_lines(row),
            f"devices {', '.join(row['devices'])}; {row['cpu']}; {several(row['peers'], 'peer')}",
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
