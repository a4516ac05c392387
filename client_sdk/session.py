"""A client at work: a chain, a node, a store, a worker child, and the jobs that this process follows."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

import trio

from client_sdk.bidders import Bidders
from client_sdk.following import Follower
from client_sdk.home import ClientHome, JobFolder
from client_sdk.job import Job
from client_sdk.job_run import JobRun, lease_over, refusal_of
from client_sdk.offering import Collector, Heard, unheard
from client_sdk.prepare import PreparedJob, prepare
from client_sdk.progress import Kind
from client_sdk.record import Record, load_record
from client_sdk.results import Results
from client_sdk.sending import Purse
from client_sdk.terms import MarketTerms, OfferTerms, cap_of_deposit, conduct_of, make_offer
from client_sdk.wallet import Wallet
from client_sdk.worker import WorkerLimits, open_worker
from protocol.auction.auction import AskedOpen, AskedStop, Lost, Opening, Proposed, Won
from protocol.auction.money import Unit
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.networks import Network
from protocol.dispute.audits.names import fee_of
from protocol.lease.client import step as lease_step
from protocol.lease.client_types import AskedCancel, ClientLease
from protocol.messages import Bid
from protocol.net import NetSettings, Node, open_node
from protocol.runtime.child import Child
from protocol.store.artifacts import Artifacts
from protocol.types import (
    Address,
    Amount,
    ArtifactId,
    InputError,
    Verification,
    Wei,
    parse_address,
    several,
    to_hex,
)

_BROKEN_OFF = "it ended before any bid was opened"


@dataclass(frozen=True)
class Setup:
    """What a session is opened with."""

    network: Network
    wallet: Wallet
    home: ClientHome
    token: int = 0
    net: NetSettings = field(default_factory=NetSettings)
    worker: WorkerLimits = field(default_factory=WorkerLimits)
    demand_budget: Wei | None = None
    """Most coin that demanding one job's outputs on chain may cost; None: as `demanding.budget_of` says."""


@dataclass
class Session:
    """See `open_session`. All methods are for the trio thread that opened it."""

    setup: Setup
    chain: AsyncChain
    node: Node
    store: Artifacts
    child: Child
    nursery: trio.Nursery
    market: MarketTerms
    bidders: Bidders
    collector: Collector
    purse: Purse
    results: Results
    runs: dict[str, JobRun] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.follower = Follower(
            self.chain, self.node, self.market.domain, self.bidders, lambda: list(self.runs.values())
        )

    @property
    def unit(self) -> Unit:
        """How this session's token is written."""
        return self.market.unit

    # -- a new job -------------------------------------------------------------------------------------

    async def prepare(self, job: Job) -> PreparedJob:
        """Lower the model, pack the inputs, store both."""
        return await prepare(job.checked(), self.child, self.store, self.setup.home.models, self.setup.worker)

    async def auction(
        self, prepared: PreparedJob, cap: Amount, heard: Heard = unheard
    ) -> tuple[JobRun, Proposed | Lost]:
        """Offer a job, collect and weigh bids. Nothing is paid yet."""
        await self._check_purse()
        height = await self.chain.run(Chain.clock)
        cap = cap_of_deposit(cap, prepared, self.market)
        if prepared.job.audits and not await self.chain.run(Chain.auditors_at, height):
            raise InputError(
                "nobody is enrolled as an auditor here, so none could be drawn",
                "leave audits out, or enrol a watchtower: gavel watchtower enrol",
            )
        terms = make_offer(
            prepared,
            self.market,
            client=self.setup.wallet.client,
            key=self.setup.wallet.key,
            cap=cap,
            height=height,
            seal_key=os.urandom(32),
            addrs=self.node.addrs,
        )
        run = await self._new_run(prepared, terms)
        try:
            seconds = prepared.job.limits.auction
            collected = await self.collector.collect(terms, seconds, self.nursery, heard)
            text = f"{several(len(collected.entries), 'quote')}, {len(collected.declines)} declined"
            run.tell(Kind.QUOTES, text, Amount(0))
            return run, await run.weigh(collected)
        except BaseException:  # by Ctrl-C most of all: lists must not show an auction that nobody holds
            run.note(state="lost", text=_BROKEN_OFF, over=True)
            raise

    async def _check_purse(self) -> None:
        """Raise `InputError` if the wallet could open no lease whatever: nobody shall bid in vain."""
        wallet, token = self.setup.wallet, self.setup.token
        if not await self.chain.run(Chain.balance, wallet.peer):
            raise InputError(f"{to_hex(wallet.peer)} has no coin to pay for gas", "send it some")
        credits_ = await self.chain.run(Chain.credits, token, wallet.client)
        if not credits_ + await self.chain.run(Chain.token_balance, token, wallet.client):
            raise InputError(
                f"too little money: {to_hex(wallet.client)} has neither {self.unit.symbol} nor credits",
                "send it some; gavel wallet balance shows what it has",
            )

    def audits_cost(self, run: JobRun, bid: Bid) -> Amount:
        """Return what a job's audits cost if the lease of `bid` is opened, all auditors drawn."""
        tasks, prices = run.record.audits, self.market.audits
        if not tasks or prices is None:
            return Amount(0)
        items = run.record.job_spec.item_count
        return Amount(tasks * fee_of(bid, items, prices.percent, prices.fixed_fees[bid.token]))

    async def _check_money(self, run: JobRun) -> None:
        """Raise `InputError` if the wallet could pay for the lease, but not for its audits as well."""
        state = run.auction_state()
        if not run.record.audits or not isinstance(state, Proposed):
            return
        bid = state.ranking.ranked[0].entry.bid
        fees, client = self.audits_cost(run, bid), self.setup.wallet.client
        credits_ = await self.chain.run(Chain.credits, bid.token, client)
        needed = fees + (0 if credits_ >= bid.deposit() else bid.deposit())
        held = await self.chain.run(Chain.token_balance, bid.token, client)
        if held < needed:
            raise InputError(
                f"audits are paid in tokens: {self.unit.show(needed)} are needed, the wallet holds "
                f"{self.unit.show(held)} and {self.unit.show(credits_)} credits",
                "leave audits out, or withdraw credits",
            )

    async def open(self, run: JobRun) -> Won | Lost:
        """Open the best bid, or the next that can be opened; follow the lease from then on.

        `InputError` if its audits cannot be paid: then nothing is opened.
        """
        await self._check_money(run)
        height = await self.chain.run(Chain.clock)
        outcome = await run.choose(AskedOpen(height))
        if isinstance(outcome, Won):
            run.tell(Kind.CHOICE, outcome.choice.why, Amount(0))
            self.nursery.start_soon(self.follower.listen, run)
        return outcome

    async def decline(self, run: JobRun) -> None:
        """Take none of the bids."""
        await run.choose(AskedStop())

    async def _new_run(self, prepared: PreparedJob, terms: OfferTerms) -> JobRun:
        folder = await trio.to_thread.run_sync(self.setup.home.new_job)
        conduct = conduct_of(prepared, self.setup.network)
        record = Record(
            title=prepared.job.title,
            network=self.setup.network.name,
            escrow=to_hex(self.market.domain.escrow),
            wallet=to_hex(self.setup.wallet.peer),
            client=to_hex(self.setup.wallet.client),
            cap=terms.wish.cap,
            token=self.setup.token,
            symbol=self.unit.symbol,
            decimals=self.unit.decimals,
            format=prepared.job.inputs.format,
            spec=to_hex(prepared.spec.encode()),
            spec_artifact=to_hex(prepared.spec_artifact),
            most_output_bytes=prepared.most_output_bytes,
            rerun_ppm=conduct.rerun_ppm,
            finalize_after=conduct.finalize_after,
            fetch_until=conduct.fetch_until,
            retry_after=conduct.retry_after,
            created=time.time(),
            delegates=prepared.job.delegates,
            audits=prepared.job.audits,
        )
        folder.write("notes", dict(prepared.notes))
        folder.write("names", {"outputs": [each.name for each in prepared.info.outputs]})
        for artifact in record.artifacts:
            self.store.pin(artifact, folder.id)
        record.save(folder)
        return await self._start(folder, record)

    async def _start(self, folder: JobFolder, record: Record, ask_again: bool = False) -> JobRun:
        run = JobRun(
            folder,
            record,
            self.purse,
            self.results,
            demand_budget=self.setup.demand_budget,
            ask_again=ask_again,
        )
        await self.nursery.start(run.run)
        self.runs[folder.id] = run
        return run

    # -- a job of an earlier process -------------------------------------------------------------------

    async def resume(self, folder: JobFolder) -> JobRun:
        """Go on with a job whose process ended. `InputError` if another process still follows it."""
        if folder.id in self.runs:
            return self.runs[folder.id]
        record = load_record(folder)
        if parse_address(record.escrow) != self.market.domain.escrow:
            raise InputError(
                f"job {folder.id} runs on escrow {record.escrow}, network {self.setup.network.name} uses "
                f"{to_hex(self.market.domain.escrow)}"
            )
        if parse_address(record.wallet) != self.setup.wallet.peer:
            raise InputError(f"job {folder.id} belongs to wallet {record.wallet}", "name it with --wallet")
        run = await self._start(folder, record, ask_again=True)
        match run.auction_state():
            case Won() | Opening():
                outcome = await run.won()
                if isinstance(outcome, Won):
                    self.nursery.start_soon(self.follower.listen, run)
            case Lost() as lost:
                run.lose(lost)
            case None:
                run.note(state="lost", text=_BROKEN_OFF, over=True)
            case _:
                await run.choose(AskedStop())
        return run

    async def cancel(self, run: JobRun) -> None:
        """Ask for the lease's end. `InputError` says why there is nothing to cancel."""
        state = run.lease_state()
        if state is None:
            raise InputError(f"job {run.folder.id} has no lease: {run.record.text or run.record.state}")
        refused = refusal_of(lease_step(state, AskedCancel()).effects)
        if refused is not None:
            raise refused
        await run.loop.give(run.machine, AskedCancel())

    async def over(self, run: JobRun) -> ClientLease:
        """Wait until a lease is over."""
        state: ClientLease = await run.loop.wait_for(run.machine, lease_over)
        return state

    # -- serving ---------------------------------------------------------------------------------------

    def may_fetch(self, peer: Address, artifact: ArtifactId) -> bool:
        """Say whether a peer may have an artifact: the winner has all of a job, others nothing.

        Delegates of a private job have all that they need to check it, outputs included: the provider serves
        none but its client.
        """
        for run in self.runs.values():
            operator, delegates = run.record.operator, run.record.delegates
            if operator and parse_address(operator) == peer and artifact in run.record.artifacts:
                return True
            state = run.lease_state()
            outputs = state.outputs.artifact if state is not None and state.outputs is not None else None
            is_delegate = any(parse_address(each) == peer for each in delegates)
            if is_delegate and artifact in (*run.record.artifacts, outputs):
                return True
        return False


@asynccontextmanager
async def open_session(setup: Setup) -> AsyncIterator[Session]:
    """Run a client while the body runs. `InputError` or `TransientError` say why it cannot start."""
    key = setup.wallet.key
    chain = AsyncChain(Chain.connect(setup.network, key))
    await chain.run(Chain.check)
    listings, limits = await chain.run(Chain.listings), await chain.run(Chain.limits)
    tokens = chain.blocking.deployment.tokens
    if not 0 <= setup.token < len(tokens):
        raise InputError(f"token {setup.token} does not exist, the deployment lists {len(tokens)}")
    token = tokens[setup.token]
    unit = Unit(token.symbol, token.decimals)
    domain = chain.blocking.domain
    has_judge = await chain.run(Chain.is_judged, int(Verification.TAPE))
    judging = await chain.run(Chain.judging)
    listing = listings[setup.token]
    has_audits = chain.blocking.deployment.audits is not None
    prices = await chain.run(lambda chain: chain.audit_prices) if has_audits else None
    market = MarketTerms(
        setup.network, domain, listing, limits, setup.token, unit, has_judge, judging, prices
    )
    store = await trio.to_thread.run_sync(Artifacts, setup.home.artifacts)
    with setup.home.claim(setup.wallet.peer), closing(store):
        async with (
            open_node(key, setup.net) as node,
            open_worker(setup.worker) as child,
            trio.open_nursery() as nursery,
        ):
            bidders = Bidders(chain)
            session = Session(
                setup=setup,
                chain=chain,
                node=node,
                store=store,
                child=child,
                nursery=nursery,
                market=market,
                bidders=bidders,
                collector=Collector(node, domain, bidders),
                purse=Purse(chain, setup.wallet, unit),
                results=Results(chain, node, store, child, bidders),
            )
            session.collector.serve()
            node.serve_artifacts(store, session.may_fetch)
            nursery.start_soon(session.follower.follow)
            nursery.start_soon(session.follower.tell_of_waits)
            nursery.start_soon(bidders.keep_reading)
            await session.collector.reach()
            yield session
            nursery.cancel_scope.cancel()
