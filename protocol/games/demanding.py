"""Gets a job's outputs out of a provider that serves them to nobody: demands them on chain.

Like `Player`, it keeps nothing that it needs: each turn reads the lease's demands with their answers, judges
and acts.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.delivery import Header
from protocol.chain.delivery_reads import SeenDemand
from protocol.chain.fees import fee_now
from protocol.chain.views import LeaseState, LeaseView
from protocol.dispute import moves
from protocol.dispute.delivery import (
    Estimate,
    Known,
    Shape,
    Status,
    beyond,
    estimate,
    estimate_way,
    gather,
    missing,
    tensors,
    towards_difference,
)
from protocol.dispute.delivery.demander import (
    MOST_OF_STRANGERS,
    MOST_OPEN,
    Action,
    Ask,
    Collect,
    Hasten,
    Leave,
    Settle,
    Standing,
    Table,
    TimeOut,
    Wait,
    judge,
)
from protocol.dispute.delivery.names import NO_ANSWER
from protocol.dispute.delivery.planning import Demand
from protocol.dispute.names import Job
from protocol.dispute.purse import COIN
from protocol.dispute.records import Verdict
from protocol.engines.worker.delivery_records import DemandTermsArgs, DemandTermsResult
from protocol.engines.worker.game_wire import JOBS
from protocol.games.asking import Asked, ask, hash32, reading
from protocol.messages import Bid
from protocol.tape import DType, TensorType
from protocol.tape.encoding import Items
from protocol.tape.merkle import Nodes
from protocol.types import Address, Amount, BlockNo, Blocks, Hash32, InputError, TransientError, Wei, to_hex

log = logging.getLogger(__name__)


class Sends(Protocol):
    """Whoever sends for the demander: a key, or the contract wallet that it acts for."""

    @property
    def address(self) -> Address:
        """Who demands."""
        ...

    async def send(self, call: Call, effect: str) -> TxReceipt:
        """Send a call, once for an effect, and wait until it is in a block."""
        ...


@dataclass(frozen=True)
class DemandTerms:
    """What a job's demands are made from."""

    job: Job
    shape: Shape
    headers: tuple[Header, ...]


async def demand_terms(child: Asked, program: str, inputs: str) -> DemandTerms:
    """Return the terms of a job, from its bytes. `ChildFaultError` if the child answers something else."""
    args = DemandTermsArgs(program, inputs)
    found = await ask(child, args, DemandTermsResult)
    with reading(child, args.OP):
        job = JOBS.decode(found.job)
        types = tuple(TensorType(DType(kind), shape) for kind, shape in found.types)
        headers = tuple((header, tuple(map(hash32, proof))) for header, proof in found.headers)
        return DemandTerms(job, Shape(job.items, types), headers)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the chain found."""

    now: BlockNo
    lease: LeaseView
    verdict: Verdict
    demands: tuple[SeenDemand, ...]
    price: int
    """Most that a unit of gas may cost now, in wei."""
    demand_clock: Blocks


def read_look(chain: Chain, bid: Bid, since: BlockNo | None) -> Look:
    """Look at a lease; blocking."""
    lease = bid.lease_id()
    demands = chain.demands_of(lease, since)
    price, clock = fee_now(chain.node, chain.network.fees).max_fee, chain.delivery_terms.demand_clock
    return Look(chain.clock(), chain.lease(lease), chain.verdict(lease), demands, price, clock)


@dataclass(frozen=True, slots=True)
class DemandTurn:
    """What one turn came to."""

    doing: str
    over: str = ""
    """Why nothing will be to do any more."""
    complete: bool = False
    known: Known | None = None
    """All outputs, where they are known."""


@dataclass
class Demander:
    """Demands the outputs of one lease. `budget`: most that gas may cost, answers included, in wei."""

    chain: AsyncChain
    bid: Bid
    root: Hash32
    terms: DemandTerms
    sends: Sends
    budget: Wei
    tell: Callable[[str], None]
    delegates: tuple[Address, ...] = ()
    """All those of the bid, sorted, if one of them demands."""
    paused: str = ""
    """Why no more is to be demanded. What is open is followed to its end all the same."""
    since: BlockNo | None = None
    """A block not after the first demand's."""
    own: Nodes | None = None
    """The items' tree of one's own run: only what a challenge of the first difference needs is demanded."""
    _told: set[str] = field(default_factory=set)

    async def turn(self) -> DemandTurn:
        """Look, and do what is to be done now. `TransientError` while the chain cannot be reached."""
        look = await self.chain.run(read_look, self.bid, self.since)
        answers = {each.wanted: each.answer for each in look.demands if each.answer is not None}
        known = gather(self.terms.shape, self.root, answers, self._missing)
        table = self._table(look, known)
        actions = judge(table)
        said: list[str] = []
        async with trio.open_nursery() as nursery:
            for action in actions:
                nursery.start_soon(self._try, action, said)
        left = next((action for action in actions if isinstance(action, Leave)), None)
        complete = not table.missing and not self._too_big
        if left is not None:
            self._tell_once(left.why)
        return DemandTurn("; ".join(said), left.why if left else "", complete, known if complete else None)

    def why_not(self, look: Look) -> str:
        """Return why the outputs are not demanded; empty if they are."""
        if self.paused:
            return self.paused
        if self._too_big:
            leaves = self.terms.shape.leaves
            return (
                f"the outputs are {leaves} leaves of 128 bytes: too many to demand on chain; "
                "gavel job burn-fee burns the completion fee instead"
            )
        cost = Wei(self._estimate().gas * look.price)
        if cost > self.budget:
            return f"demanding the outputs may cost {COIN.about(Amount(cost))}, the budget is {self._most}"
        return ""

    @property
    def _too_big(self) -> bool:
        return self.own is None and self.terms.shape.big

    def _missing(self, known: Known) -> list[Demand]:
        if self._too_big:
            return []
        shape, own = self.terms.shape, self.own
        return missing(shape, known) if own is None else towards_difference(shape, known, own)

    def _estimate(self) -> Estimate:
        return estimate(self.terms.shape) if self.own is None else estimate_way(self.terms.shape)

    @property
    def _is_party(self) -> bool:
        return self.sends.address in (self.bid.client, *self.delegates)

    @property
    def _most(self) -> str:
        return COIN.about(Amount(self.budget))

    def _table(self, look: Look, known: Known) -> Table:
        posted = look.lease.state is LeaseState.POSTED and look.lease.output_root == self.root
        refused = self.why_not(look)
        table = Table(
            now=look.now,
            posted=posted,
            convicted=look.lease.state is LeaseState.CONVICTED,
            window_end=look.lease.last_beat + self.bid.challenge_window,
            verdict=look.verdict,
            claim_period=self.chain.blocking.game_terms.claim_period,
            demands=tuple(self._standing(each) for each in look.demands),
            missing=tuple(self._missing(known)),
            most_open=MOST_OPEN if self._is_party else MOST_OF_STRANGERS,
            refused=refused,
            beyond=tuple(beyond(self.terms.shape, known)),
            party=self._is_party,
            demand_clock=look.demand_clock,
        )
        if refused:
            self._tell_once(refused)
        elif not any(each.own for each in table.demands) and table.missing:
            whole = self._estimate()
            cost = COIN.about(Amount(whole.gas * look.price))
            self._tell_once(
                f"demanding the outputs on chain: {whole.demands} demands, at most {cost} of gas "
                f"(budget {self._most}); bonds come back"
            )
        return table

    def _standing(self, seen: SeenDemand) -> Standing:
        now = seen.now
        return Standing(seen.wanted, now.status, now.until, now.bond, now.demander == self.sends.address)

    async def _try(self, action: Action, said: list[str]) -> None:
        try:
            said.append(await self._do(action))
        except (InputError, TransientError) as error:
            log.warning("lease %s: %s", to_hex(self.bid.lease_id()), error)
            self._tell_once(str(error))

    async def _do(self, action: Action) -> str:
        delivery, lease = self.chain.blocking.delivery, self.bid.lease_id()
        match action:
            case Wait(why, until):
                return f"{why} (until {until})" if until else why
            case Leave(why):
                return why
            case Ask(demand):
                bond = await self.chain.run(Chain.demand_bond, demand.wanted.size)
                name = f"demand {demand.wanted.demand(lease).hex()}"
                await self.sends.send(self._call(demand, bond), name)
                if demand.wanted.size == NO_ANSWER:
                    return self._told_now(
                        "the result has items that the job has not: the provider is convicted"
                    )
                return f"demanded {demand.wanted.size} bytes"
            case Hasten(demand):
                await self.sends.send(self._call(demand, Wei(0)), "")
                return f"hastened {demand.wanted.size} bytes that a stranger demanded"
            case TimeOut(wanted):
                name = wanted.demand(lease).hex()
                await self.sends.send(delivery.timeout(self.bid, wanted), f"timeout {name}")
                return self._told_now(
                    "a demand was not answered in time: the provider is convicted of silence"
                )
            case Settle():
                await self.sends.send(self.chain.blocking.disputes.move(moves.Settle(self.bid)), "")
                return self._told_now("settled the lease: what it cost comes back out of the provider's bond")
            case Collect(wanted):
                await self.sends.send(delivery.collect(self.bid, wanted), "")
                return "collected a bond"

    def _call(self, demand: Demand, bond: Wei) -> Call:
        delivery, headers = self.chain.blocking.delivery, self.terms.headers
        return delivery.demand(
            self.bid, self.terms.job, demand, bond, headers=headers, delegates=self.delegates
        )

    def _told_now(self, line: str) -> str:
        self.tell(line)
        return line

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.tell(line)


def holds(demands: tuple[SeenDemand, ...], who: Address) -> bool:
    """Whether demands of `who` still hold a bond, or may earn a share."""
    own = (each.now for each in demands if each.now.demander == who)
    return any(now.bond > 0 or now.status in (Status.ASKED, Status.UNANSWERED) for now in own)


def item_file(shape: Shape, known: Known) -> bytes:
    """Return the outputs' artifact. `InputError` if some output is not known."""
    return b"".join([Items(shape.types, shape.items).head, *tensors(shape, known)])
