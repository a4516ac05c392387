"""Joining and leaving the list of auditors; blocking, for commands."""

from typing import Any

from protocol.chain.client import Chain
from protocol.types import InputError, to_hex
from watchtower.auditing.telling import unit_of

Report = tuple[dict[str, Any], str]


def terms_of(chain: Chain) -> str:
    """Return what it takes and gives. `InputError` if the deployment has no Audits."""
    prices, _ = chain.audit_prices, chain.audits
    unit = unit_of(chain, prices.stake_token)
    fixed = unit_of(chain, 0).about(prices.fixed_fees[0])
    return (
        f"The stake is {unit.show(prices.stake)}; an audit pays {prices.percent}% of an item's price "
        f"and {fixed}. "
        f"Silence in an audit burns an eighth of the stake, a false accusation half, and either ends the "
        f"enrolment. The stake comes back {prices.leave_delay} clock units after leaving."
    )


def check_enrolment(chain: Chain) -> None:
    """Raise `InputError` that says why the wallet cannot enrol, if so: it has, or holds too few tokens."""
    prices, me, auditor = chain.audit_prices, chain.address, chain.auditor(chain.address)
    unit = unit_of(chain, prices.stake_token)
    if auditor.since and not auditor.left_at:
        raise InputError(f"{to_hex(me)} is enrolled already, since {auditor.since}")
    if auditor.since and (chain.clock() <= auditor.left_at + prices.leave_delay or auditor.busy):
        raise InputError(
            f"{to_hex(me)} left the list at {auditor.left_at}, and its old stake cannot be taken yet",
            "gavel watchtower leave says when",
        )
    held = chain.token_balance(prices.stake_token, me)
    if held + auditor.stake < prices.stake:
        raise InputError(
            f"the stake is {unit.show(prices.stake)}, {to_hex(me)} holds {unit.about(held)}",
            "send it the tokens first",
        )


def enrol(chain: Chain) -> Report:
    """Stake and join the list; an old stake is taken back first. `InputError` as in `check_enrolment`."""
    check_enrolment(chain)
    prices, me = chain.audit_prices, chain.address
    unit = unit_of(chain, prices.stake_token)
    if chain.auditor(me).since:
        chain.send(chain.audits.take_stake(me))
    chain.send(chain.token(prices.stake_token).approve(chain.audits.address, prices.stake))
    chain.send(chain.audits.enrol())
    now = chain.auditor(me)
    row = {"auditor": to_hex(me), "stake": unit.plain(now.stake), "token": unit.symbol, "since": now.since}
    return row, (
        f"{to_hex(me)} is enrolled with {unit.show(now.stake)}: leases that are started from now on "
        "may draw it, once a start deadline is over. "
        f"Keep `gavel watchtower run` up: silence burns an eighth of the stake"
    )


def leave(chain: Chain) -> Report:
    """Leave the list; once the delay is over, take the stake. Call it again for that.

    `InputError` if there is nothing to leave and nothing to take.
    """
    prices, me, auditor = chain.audit_prices, chain.address, chain.auditor(chain.address)
    unit = unit_of(chain, prices.stake_token)
    if not auditor.since:
        raise InputError(f"{to_hex(me)} is not enrolled", "name its wallet with --wallet")
    if not auditor.left_at:
        chain.send(chain.audits.quit())
        auditor = chain.auditor(me)
    until = auditor.left_at + prices.leave_delay
    row = {"auditor": to_hex(me), "token": unit.symbol, "left_at": auditor.left_at, "busy": auditor.busy}
    if auditor.busy or chain.clock() <= until:
        busy = f" and when {auditor.busy} audits are over, for which `gavel watchtower run` must stay up"
        text = f"{to_hex(me)} has left the list; run this again after {until}{busy if auditor.busy else ''} "
        text += f"to take the stake of {unit.show(auditor.stake)} (it is {chain.clock()} now)"
        return {**row, "stake": unit.plain(auditor.stake), "after": until, "taken": False}, text
    chain.send(chain.audits.take_stake(me))
    row |= {"stake": unit.plain(auditor.stake), "after": until, "taken": True}
    return row, f"{unit.show(auditor.stake)} of stake paid to {to_hex(me)}"
