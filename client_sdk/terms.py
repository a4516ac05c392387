"""From a prepared job to the offer that is gossiped and the wish that bids are held to."""

from dataclasses import dataclass, field

from client_sdk.prepare import PreparedJob
from protocol.auction.defence import TRACE_FACTOR
from protocol.auction.money import Unit
from protocol.auction.quotes import Wish
from protocol.chain.audit_reads import AuditPrices
from protocol.chain.networks import Network
from protocol.chain.views import Limits, Listing
from protocol.crypto import sealing_public
from protocol.dispute.audits.names import dearest_deposit
from protocol.dispute.windows import Judging
from protocol.engines.worker.interface import ProgramInfo
from protocol.lease.client_types import Conduct
from protocol.messages import Domain, Offer, Signed, delegates_hash, sign
from protocol.types import (
    Address,
    Amount,
    BidFlags,
    BlockNo,
    Blocks,
    Hash32,
    InputError,
    LeaseClass,
    Verification,
    parse_address,
)

_MARGIN_BLOCKS = 60
_SLOWNESS, _PROMISE = 3, 3
"""The window fits a provider three times as slow as this machine that promises a third of its speed."""
_RESULT_FACTOR = 4
"""Honest providers state three times their estimate, at most what is funded, and 20 blocks to post."""
_FMAS = 100
"""Multiply-adds that take as long as an element, or less long."""
_MAX_U16 = (1 << 16) - 1


@dataclass(frozen=True)
class MarketTerms:
    """What of the deployment matters to one auction."""

    network: Network
    domain: Domain
    listing: Listing
    limits: Limits
    token: int
    unit: Unit
    has_judge: bool
    """Whether a judge of tapes stands behind this deployment."""
    judging: Judging
    """The clocks of such judges."""
    audits: AuditPrices | None
    """What auditors are paid; None where there are no audits."""


@dataclass(frozen=True)
class OfferTerms:
    """A signed offer with the key that opens the answers, and the wish behind it."""

    offer: Signed[Offer]
    seal_key: bytes = field(repr=False)
    wish: Wish


def make_offer(
    prepared: PreparedJob,
    market: MarketTerms,
    *,
    client: Address,
    key: bytes,
    cap: Amount,
    height: BlockNo,
    seal_key: bytes,
    addrs: tuple[str, ...],
) -> OfferTerms:
    """Return the offer of `prepared` at `height`, signed by `key`, for at most `cap` in all.

    `seal_key` is a fresh X25519 private key. `InputError` if the job cannot be offered on this deployment.
    """
    job, network = prepared.job, market.network
    verification = _verification(prepared, market)
    window = _window(prepared, market, judged=verification != Verification.NONE)
    max_blocks = network.span(job.limits.time)
    offer = Offer(
        client=client,
        seal_key=Hash32(sealing_public(seal_key)),
        job_hash=prepared.spec.job_hash(),
        spec=prepared.spec_artifact,
        token=market.token,
        lease_class=LeaseClass.JOB,
        verification=verification,
        flags=BidFlags.PRIVATE if job.private else 0,
        delegates=delegates_hash(frozenset(parse_address(each) for each in job.delegates)),
        item_count=prepared.spec.item_count,
        item_fma=prepared.info.fmas,
        item_elements=offered_elements(prepared.info, judged=verification != Verification.NONE),
        memory_bytes=job.limits.memory or prepared.info.peak_bytes,
        transfer_bytes=prepared.spec.program_bytes + prepared.spec.input_bytes,
        max_blocks=max_blocks,
        challenge_window=window,
        min_bond_blocks=Blocks(1),
        auction_ms=int(job.limits.auction * 1000),
        expiry=BlockNo(height + network.span(job.limits.auction) + 2),
        device=job.device,
        addrs=addrs,
    )
    signed = sign(offer, market.domain, key)
    wish = Wish(
        offer=signed.digest,
        client=client,
        job_hash=offer.job_hash,
        delegates=offer.delegates,
        token=offer.token,
        lease_class=offer.lease_class,
        verification=offer.verification,
        flags=offer.flags,
        cap=cap,
        max_blocks=max_blocks,
        challenge_window=window,
        min_bond_blocks=offer.min_bond_blocks,
        unit=market.unit,
        reserve=market.listing.reserve,
        block_ms=1000 * network.seconds(Blocks(1)),
        min_grace=market.limits.min_grace,
        max_result=longest_result(max_blocks),
        max_start=Blocks(max(network.span(3600), 4 * _MARGIN_BLOCKS)),
        max_grace=Blocks(min(max(network.span(3600), market.limits.min_grace), _MAX_U16)),
        audits=market.judging.audits if job.audits else None,
        carbon_per_kg=market.unit.parse(job.carbon_price, "carbon_price"),
    )
    return OfferTerms(signed, seal_key, wish)


def offered_elements(info: ProgramInfo, *, judged: bool) -> int:
    """Return the elements that one item writes beside products, as providers reckon time by them.

    A step is one instruction of one element, a moved element is read and written as four bytes each, and a
    byte that is hashed takes about as long as an element. An item of narrow rows may take far longer to hash
    than to run: then it is offered as so long that its trace fits into the allowance, or no provider could
    start it.
    """
    elements = info.steps + info.moved // 8 + info.output_hashed_bytes
    traced = info.hashed_bytes // (TRACE_FACTOR - 1) - info.fmas // _FMAS
    return max(elements, traced) if judged else elements


def cap_of_deposit(cap: Amount, prepared: PreparedJob, market: MarketTerms) -> Amount:
    """Return what a deposit may be so that it and the audits together stay within `cap`.

    `InputError` if nothing is left, or there are no audits here.
    """
    tasks, prices = prepared.job.audits, market.audits
    if not tasks:
        return cap
    if prices is None or not market.has_judge:
        raise InputError(f"network {market.network.name} has no audits", "leave audits out")
    fixed = prices.fixed_fees[market.token]
    left = dearest_deposit(cap, tasks, prepared.spec.item_count, prices.percent, fixed)
    if left <= 0:
        raise InputError(
            f"{market.unit.show(cap)} leave nothing for the job: {tasks} auditors take more than "
            f"{market.unit.show(tasks * fixed)}",
            "raise the price or take fewer auditors",
        )
    return left


def longest_result(max_blocks: Blocks) -> Blocks:
    """Return the longest result deadline that a job of at most `max_blocks` paid blocks accepts.

    After the paid blocks the provider works unpaid while the deposit stays bound: an open end would let it
    keep the money locked for years at no cost.
    """
    return Blocks(max(_RESULT_FACTOR * max_blocks, 4 * _MARGIN_BLOCKS))


def conduct_of(prepared: PreparedJob, network: Network) -> Conduct:
    """Return how this client follows the lease of `prepared`."""
    return Conduct(
        rerun_ppm=int(prepared.job.check.rerun_percent * 10_000),
        finalize_after=Blocks(max(network.span(20), 3)),
        fetch_until=network.span(3600),
        retry_after=Blocks(max(network.span(5), 2)),
    )


def _window(prepared: PreparedJob, market: MarketTerms, *, judged: bool) -> Blocks:
    wanted = prepared.job.limits.window
    longest = market.limits.max_challenge_window
    if wanted:
        window = market.network.span(wanted)
        if window > longest:
            raise InputError(
                f"limits.window is {window} blocks, this deployment allows {longest}",
                "ask for a shorter window",
            )
        return window
    info, private = prepared.info, prepared.job.private
    for slowness in (_SLOWNESS, 1):
        lease = expected_lease(market.network, slowness * prepared.run_seconds)
        if not judged:
            return Blocks(min(lease, longest))
        window = fitting_window(
            market.network,
            market.judging,
            lease,
            item_seconds=slowness * info.item_seconds,
            items=prepared.spec.item_count,
            private=private,
        )
        if window <= longest:
            return window if slowness == _SLOWNESS else longest
    raise InputError(
        f"a lease of up to {lease} blocks needs a challenge window of {window}, this deployment allows "
        f"{longest}",
        "split the job, or set verification to none: then nobody can convict a wrong result",
    )


def expected_lease(network: Network, run_seconds: float) -> Blocks:
    """Return a length that the lease of a provider that takes `run_seconds` should not exceed."""
    return Blocks(network.span(_PROMISE * run_seconds) + _MARGIN_BLOCKS)


def fitting_window(
    network: Network, judging: Judging, lease: Blocks, *, item_seconds: float, items: int, private: bool
) -> Blocks:
    """Return a challenge window that fits a judged lease of that length, where the user states none.

    RULES 14: it holds the lease, demands and an audit, for a provider that takes `item_seconds` for one item;
    who finds the result wrong may be kept out of the chain for a while.
    """
    allowance = Blocks(TRACE_FACTOR * max(network.span(item_seconds), 1))
    least = judging.least_window(lease, allowance, items, private=private)
    return Blocks(least + network.forced_inclusion_blocks)


def _verification(prepared: PreparedJob, market: MarketTerms) -> Verification:
    wanted = prepared.job.verification
    if wanted == "tape" and not market.has_judge:
        raise InputError(
            f"network {market.network.name} has no judge of tapes: no contract could convict a wrong result",
            "set verification to auto or none; results are checked by you and by watchtowers then",
        )
    return Verification.NONE if wanted == "none" or not market.has_judge else Verification.TAPE
