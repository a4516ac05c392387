"""What a demander does next: demand, convict of silence, settle, take its money back. Pure.

a node beyond the items  Ask: that alone convicts the lease
demand open, in time     wait
demand open, too late    TimeOut: convicts the lease
demand answered          Collect: what is left of the bond
lease convicted          Settle once the claim period is over, then Collect bond and share
outputs incomplete       Ask for what can be asked for, within the window and the budget;
                         Hasten what a stranger asked for, where the own queue is quicker
"""

from dataclasses import dataclass

from protocol.dispute.delivery.names import Status, Wanted
from protocol.dispute.delivery.planning import Demand, DemandItems
from protocol.dispute.records import Conviction, Verdict

_MARGIN = 2
"""Readings before the window's end from which on a demand may come too late."""
MOST_OPEN = 16
"""Own demands that are open at once: each further one waits a clock longer for its answer."""
MOST_OF_STRANGERS = 8
"""The contract's limit for all strangers together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A demand of the lease as the chain has it. `bond`: what is left of it, in wei."""

    wanted: Wanted
    status: Status
    until: int
    bond: int
    own: bool


@dataclass(frozen=True, slots=True)
class Table:
    """The lease, and all its demands. Readings are of the Escrow's clock."""

    now: int
    posted: bool
    """Whether its result stands and can still be judged."""
    convicted: bool
    window_end: int
    verdict: Verdict
    claim_period: int
    demands: tuple[Standing, ...]
    missing: tuple[Demand, ...]
    """What could be demanded next on the way to the outputs, whoever demanded some of it already."""
    most_open: int = MOST_OPEN
    refused: str = ""
    """Why no more is demanded: what the budget does not allow."""
    beyond: tuple[DemandItems, ...] = ()
    """Nodes beyond the items that are not zero."""
    party: bool = False
    """Whether the demander is the client or a delegate."""
    demand_clock: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """Demand these bytes."""

    demand: Demand


@dataclass(frozen=True, slots=True)
class Hasten:
    """Demand what a stranger demanded already, for the own queue's clock; it costs no bond."""

    demand: Demand


@dataclass(frozen=True, slots=True)
class TimeOut:
    """Convict the lease: this demand was not answered in time."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Settle:
    """End the convicted lease."""


@dataclass(frozen=True, slots=True)
class Collect:
    """Take what is left of an own demand."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (0: unknown)."""

    why: str
    until: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing will be to do any more."""

    why: str


Action = Ask | Hasten | TimeOut | Settle | Collect | Wait | Leave


def judge(table: Table) -> tuple[Action, ...]:
    """What to do now; at least one action, and the same for the same table."""
    if table.convicted or table.verdict.how is not Conviction.NONE:
        return _after(table)
    late = [each for each in table.demands if each.status.open and table.now > each.until]
    if late:
        return (TimeOut(late[0].wanted),)
    answered = [
        each for each in table.demands if each.own and each.status is Status.ANSWERED and each.bond > 0
    ]
    actions: list[Action] = [Collect(each.wanted) for each in answered]
    actions += _asking(table)
    if actions:
        return tuple(actions)
    owed = [each for each in table.demands if each.status.open]
    if owed and (table.missing or any(each.own for each in owed)):
        return (Wait("the provider is to answer", min(each.until for each in owed)),)
    if table.refused:
        return (Leave(table.refused),)
    return (Leave(_closed(table) if table.missing else "all outputs are here"),)


def _asking(table: Table) -> list[Action]:
    if not table.posted or table.now + _MARGIN > table.window_end:
        return []
    if table.beyond:
        return [Ask(table.beyond[0])]
    if table.refused:
        return []
    known = {each.wanted: each for each in table.demands}
    free = table.most_open - sum(each.own and each.status.open for each in table.demands)
    place = sum(each.status is Status.ASKED for each in table.demands)
    # Equal outputs hash to equal nodes: the same bytes are demanded once.
    once = {each.wanted: each for each in reversed(table.missing)}
    actions: list[Action] = []
    for wanted, demand in reversed(once.items()):
        if len(actions) >= free:
            break
        until = table.now + (place + len(actions) + 1) * table.demand_clock
        if wanted not in known:
            actions.append(Ask(demand))
        elif table.party and _slower(known[wanted], until + _MARGIN):
            actions.append(Hasten(demand))
    return actions


def _slower(known: Standing, until: int) -> bool:
    """Whether a stranger's demand is open, and owed later than that."""
    return known.status is Status.REQUESTED and known.until > until


def _after(table: Table) -> tuple[Action, ...]:
    """The lease is convicted, by whatever judge."""
    verdict = table.verdict
    if verdict.how is not Conviction.NONE and not verdict.settled and not table.convicted:
        end = verdict.since + table.claim_period
        return (Settle(),) if table.now > end else (Wait("the claim period runs", end),)
    held = [each for each in table.demands if each.own and _holds(each, verdict)]
    if held:
        return tuple(Collect(each.wanted) for each in held)
    return (Leave("the provider is convicted, and everything is collected"),)


def _holds(demand: Standing, verdict: Verdict) -> bool:
    """Whether something of a demand is still to be had: a bond, or a share of the reward for silence."""
    if demand.status in (Status.NONE, Status.CLOSED):
        return False
    return demand.bond > 0 or (demand.status is not Status.ANSWERED and verdict.settled)


def _closed(table: Table) -> str:
    if not table.posted:
        return "no result stands any more"
    if table.now + _MARGIN > table.window_end:
        return f"the window ended at {table.window_end}: nothing can be demanded any more"
    return "nothing can be demanded"
