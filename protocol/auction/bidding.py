"""The provider's side of the auction: what an offer would cost here, and whether to bid at all. Pure.

`answer` maps an offer, this provider's house and a view of the market to `Terms` or `Refusal`. Money is
integer arithmetic in the token's smallest unit, rounded in the provider's favour. Time is in milliseconds
where machines are concerned and in units of the Escrow's clock ("blocks") where the contract is.
"""

from dataclasses import dataclass

from protocol.auction.clocks import Promise
from protocol.auction.defence import (
    RAN_FACTOR,
    TRACE_FACTOR,
    Means,
    again_ms,
    offer_flaw,
    reading_ms,
    trace_ms,
    worst_ms,
)
from protocol.auction.money import Unit
from protocol.auction.room import room_flaw
from protocol.dispute.windows import Judging
from protocol.messages import Bid, JobSpec, Offer
from protocol.types import (
    ZERO_HASH,
    Address,
    Amount,
    BidFlags,
    BlockNo,
    Blocks,
    InputError,
    LeaseClass,
    Verification,
)

HOUR_MS = 3_600_000
UINT16, UINT32 = (1 << 16) - 1, (1 << 32) - 1
_NOTHING = Amount(0)
_ONE = Blocks(1)
_UNTIMED = Judging()
_GRACE, _START, _RESULT, _BID, _WINDOW = Blocks(20), Blocks(30), Blocks(20), Blocks(10), Blocks(UINT32)


@dataclass(frozen=True, slots=True)
class DeviceSpeed:
    """What one device of this machine does, as measured; `milliwatts` is its draw under load."""

    name: str
    fmas_per_second: int
    elements_per_second: int
    memory_bytes: int
    milliwatts: int


@dataclass(frozen=True, slots=True)
class Capability:
    """What this provider can run: its devices and its network.

    `verifications` are the kinds that bids may have here: an executor, and a judge on chain.
    """

    devices: tuple[DeviceSpeed, ...]
    bytes_per_second: int
    startup_ms: int = 3_000
    """From the award to the first item, transfer apart: starting the child, checking roots."""
    carbon_grams_per_kwh: int = 0
    verifications: frozenset[int] = frozenset({int(Verification.TAPE)})


@dataclass(frozen=True, slots=True)
class PricePolicy:
    """What the owner asks and which terms it accepts. Sums are in the token's smallest unit.

    The price of a block is the device's price for an hour plus the energy that it draws, plus the margin.
    `safety_percent` stretches estimated times into deadlines: 300 means three times the estimate.
    """

    per_hour: dict[str, Amount]
    """Device kind to the price of one hour of it; a device that is not named is not offered."""
    token: int = 0
    """The one token that is taken: all sums here are in its smallest unit."""
    minimum: Amount = _NOTHING
    """Least price of a whole job: the completion fee rises until the job brings this much."""
    completion_fee: Amount = _NOTHING
    margin_percent: int = 0
    energy_per_kwh: Amount = _NOTHING
    bond: Amount = _NOTHING
    """Least bond beyond the token's reserve."""
    grace: Blocks = _GRACE
    start_blocks: Blocks = _START
    """Time to fetch, check and start, beyond what the transfer itself is expected to take."""
    result_blocks: Blocks = _RESULT
    """Time to post, beyond what the job is expected to take."""
    safety_percent: int = 300
    top_up_percent: int = 100
    """The most that top-ups may reach, in percent of the funded blocks."""
    bid_blocks: Blocks = _BID
    """How long a bid stays open after the auction's end."""
    auction_ms: int = 120_000
    """Longest auction that is bid in: until its end the bid stays open, and holds a place, at no cost to who
    asked for it."""
    window_min: Blocks = _ONE
    window_max: Blocks = _WINDOW
    """Shortest window that is safe to be judged in, longest that the bond may stay locked after a result."""
    max_items: int = 1 << 20
    private: bool = True

    def check(self) -> None:
        """Refuse figures that no bid can carry; the message names the setting."""
        if not self.per_hour:
            raise InputError("price.per_hour names no device", "set price.per_hour.cpu")
        for name, low, high in (
            ("margin_percent", 0, 10_000),
            ("grace", 1, UINT16),
            ("start_blocks", 1, UINT32),
            ("result_blocks", 1, UINT32),
            ("safety_percent", 100, 10_000),
            ("top_up_percent", 100, 10_000),
            ("bid_blocks", 1, UINT32),
            ("auction_ms", 1, UINT32),
            ("window_min", 1, UINT32),
            ("window_max", self.window_min, UINT32),
            ("max_items", 1, UINT32),
        ):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"price.{name} is {getattr(self, name)}, allowed is {low} to {high}")
        sums = {**{f"per_hour.{k}": v for k, v in self.per_hour.items()}, "minimum": self.minimum}
        sums |= {
            "completion_fee": self.completion_fee,
            "bond": self.bond,
            "energy_per_kwh": self.energy_per_kwh,
        }
        for name, amount in sums.items():
            if not 0 <= amount < 1 << 80:
                raise InputError(f"price.{name} is {amount}, allowed is 0 to 2^80")


@dataclass(frozen=True, slots=True)
class House:
    """The bidder: who is paid, what runs here, and what is asked for it."""

    owner: Address
    capability: Capability
    policy: PricePolicy
    means: Means | None = None
    """To defend results with; None where no judge can be called."""


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """One listed token, as the deployment and this owner's stake stand.

    `free` is the stake that is neither locked nor unbonding, `lease_cap` the owner's cap on one bond.
    """

    unit: Unit
    reserve: Amount
    """Part of a bond that no advance may touch: it pays for a dispute (RULES 4)."""
    free: Amount
    lease_cap: Amount
    is_capped: bool = False
    """Whether the owner's cap on all bonds, which is below the stake, says what is free."""

    @property
    def limit(self) -> str:
        """What a bond that is too large is too large for."""
        if self.lease_cap < self.free:
            return "the owner's cap on one lease (max_per_lease)"
        return "the owner's cap on all leases (max_locked)" if self.is_capped else "stake"


@dataclass(frozen=True, slots=True)
class MarketView:
    """What bidding has to know of the chain, at one height."""

    height: BlockNo
    block_ms: int
    """Milliseconds in one unit of the Escrow's clock, on average."""
    tokens: tuple[TokenTerms, ...]
    grace_min: Blocks = _ONE
    """Twice the chain's worst forced-inclusion delay (RULES 15)."""
    judging: Judging = _UNTIMED
    """Clocks of the judges, by which a window is too short or not (RULES 14)."""
    store_bytes: int | None = None
    """Room for artifacts of the next slot: its share at most. None: as much as is asked for."""
    promises: tuple[Promise, ...] = ()
    """What can be challenged already, and what open bids of other slots may add to it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One job at a time. All bids made for it carry its nonce, so that at most one of them can be opened."""

    nonce: int
    open_bids: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """A bid worth signing, and the estimates that go into the quote."""

    bid: Bid
    device: str
    expected_ms: int
    energy_milliwatt_hours: int
    carbon_milligrams: int
    item_ms: int = 0
    """What an item is expected to take in the job."""
    trace_ms: int = 0
    """What executing it again to defend it is expected to take; 0 if nothing is to be defended."""
    value_bytes: int = 0
    """What its trace is expected to take on disk."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no bid, in one line for the client."""

    reason: str
    crowded: bool = False
    """Whether less promised elsewhere, and so another slot, might change that."""


@dataclass(frozen=True, slots=True)
class _Estimate:
    device: DeviceSpeed
    item_ms: int
    run_ms: int
    transfer_ms: int


@dataclass(frozen=True, slots=True)
class _Clocks:
    run_blocks: int
    max_blocks: int
    top_up_cap: int
    start_deadline: int
    result_deadline: int
    trace_allowance: int


@dataclass(frozen=True, slots=True)
class _Case:
    offer: Offer
    house: House
    market: MarketView
    token: TokenTerms
    nonce: int


class _RefusedError(Exception):
    """Carries a reason out of a check; never leaves this file."""


class _CrowdedError(_RefusedError):
    """The same, where what is promised leaves too little."""


def answer(offer: Offer, house: House, market: MarketView, slots: tuple[Slot, ...]) -> Terms | Refusal:
    """Return terms for `offer`, or the reason why this provider makes none.

    `slots` are the free ones; of these the one with the fewest open bids is taken, so that bids spread over
    the capacity before they begin to exclude each other.
    """
    try:
        token = _acceptable(offer, house, market)
        found = _fastest(offer, house)
        trace = _require_defence(offer, house, found)
        if not slots:
            raise _RefusedError("no free capacity: every slot is working")
        slot = next_slot(slots)
        _require_store(offer, market)
        clocks = _clocks(offer, house.policy, market, found)
        terms = _terms(_Case(offer, house, market, token, slot.nonce), found, clocks, trace)
        _require_room(terms, offer, house, market)
        return terms
    except _RefusedError as refused:
        return Refusal(str(refused), crowded=isinstance(refused, _CrowdedError))


def next_slot(slots: tuple[Slot, ...]) -> Slot:
    """Return the free slot that the next bid is made for."""
    return in_turn(slots)[0]


def in_turn(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """Return free slots in the order in which bids are tried for them.

    What finds no room beside the bids of other slots may find it in the place of one: open bids cost nothing,
    so none may keep others from being made, and whoever opens first has the slot. As all open bids fit
    together, what takes no more than a slot's share fits in the place of the largest.
    """
    return tuple(sorted(slots, key=lambda each: (each.open_bids, each.nonce)))


def _acceptable(offer: Offer, house: House, market: MarketView) -> TokenTerms:
    """Check what needs no estimate; return the token's terms."""
    policy = house.policy
    if offer.expiry < market.height:
        raise _RefusedError(f"offer expired at block {offer.expiry}, now is {market.height}")
    if offer.lease_class != LeaseClass.JOB:
        raise _RefusedError("this provider takes job leases only, the offer asks for a service")
    if offer.verification not in house.capability.verifications:
        raise _RefusedError(f"verification kind {offer.verification} is not taken here")
    if offer.token >= len(market.tokens):
        raise _RefusedError(f"unknown token {offer.token}: this deployment lists {len(market.tokens)}")
    if offer.token != policy.token:
        taken = (
            market.tokens[policy.token].unit.symbol if policy.token < len(market.tokens) else "another token"
        )
        raise _RefusedError(f"this provider takes {taken} only, the offer pays token {offer.token}")
    if offer.auction_ms > policy.auction_ms:
        raise _RefusedError(
            f"an auction of {_ceil(offer.auction_ms, 1_000)} s is too long, at most "
            f"{policy.auction_ms // 1_000} s are bid in"
        )
    if offer.item_count > policy.max_items:
        raise _RefusedError(f"{offer.item_count} items are too many, at most {policy.max_items} are taken")
    if offer.flags & BidFlags.PRIVATE and not policy.private:
        raise _RefusedError("this provider takes no private jobs")
    if offer.delegates != ZERO_HASH and not offer.flags & BidFlags.PRIVATE:
        raise _RefusedError("delegates are named, but the job is not private")
    if offer.challenge_window < policy.window_min:
        raise _RefusedError(
            f"challenge window of {offer.challenge_window} blocks is too short, at least {policy.window_min}"
        )
    if offer.challenge_window > policy.window_max:
        raise _RefusedError(
            f"challenge window of {offer.challenge_window} blocks is too long, at most {policy.window_max}"
        )
    return market.tokens[offer.token]


def _fastest(offer: Offer, house: House) -> _Estimate:
    """Return the estimate for the quickest device that may and can run the job."""
    capability, policy = house.capability, house.policy
    priced = [each for each in capability.devices if _family(each.name) in policy.per_hour]
    fitting = [each for each in priced if offer.device in ("any", _family(each.name))]
    if not fitting:
        have = ", ".join(sorted({_family(each.name) for each in priced})) or "nothing"
        raise _RefusedError(f"needs {offer.device}, this provider offers {have}")
    roomy = [each for each in fitting if each.memory_bytes >= offer.memory_bytes]
    if not roomy:
        most = max(each.memory_bytes for each in fitting)
        raise _RefusedError(f"needs {_mib(offer.memory_bytes)} of memory, this provider lends {_mib(most)}")
    return min((_estimate(offer, each, capability) for each in roomy), key=lambda found: found.run_ms)


def _require_defence(offer: Offer, house: House, found: _Estimate) -> int:
    """Refuse a result that could not be defended if it were challenged (RULES 13).

    Return what executing an item again takes; 0 if there is nothing to defend.
    """
    means = house.means
    if offer.verification == Verification.NONE or means is None:
        return 0
    again = [each for each in house.capability.devices if means.device in (each.name, _family(each.name))]
    device = again[0] if again else found.device
    item_ms = _estimate(offer, device, house.capability).item_ms
    worst = worst_ms(item_ms, _family(device.name), means)
    if flaw := offer_flaw(item_ms, worst, offer.memory_bytes, means):
        raise _RefusedError(flaw)
    return trace_ms(item_ms)


_QUICKER = (1, 2, 4, 8, 16)
"""Items may prove so many times quicker than the offer's figures say. A quicker job leaves shorter clocks
(RULES 13): what fits by the figures need not fit as measured, and then a lease is won and given up."""


_ELEMENT_BYTES = 1
"""Of values that an item's trace has for each element of the offer's figures, of which an instruction is one:
0.53 for MiniLM, 0.60 for magika. What it takes is measured before the start."""


def _require_room(terms: Terms, offer: Offer, house: House, market: MarketView) -> None:
    """Refuse a result that could not be defended if the others were challenged as well."""
    if house.means is None or not terms.trace_ms:
        return
    for part in _QUICKER:
        new = Promise(
            terms.bid.lease_id(),
            offer.item_count,
            max(terms.trace_ms // part, 1),
            terms.bid.trace_allowance * market.block_ms,
            RAN_FACTOR * offer.item_count * max(terms.item_ms // part, 1),
            reading_ms(offer.transfer_bytes),
            trace_bytes=offer.memory_bytes,
            value_bytes=terms.value_bytes,
            again_ms=again_ms(max(terms.trace_ms // part, 1), terms.item_ms // part),
            audited=house.means.audit_clock is not None and not offer.flags & BidFlags.PRIVATE,
        )
        if flaw := room_flaw(new, market.promises, house.means):
            raise _CrowdedError(flaw)


def stored_bytes(offer: Offer) -> int:
    """Return the most bytes that an offer's artifacts take: program, inputs and job specification."""
    return offer.transfer_bytes + JobSpec.MAX_BYTES


def _require_store(offer: Offer, market: MarketView) -> None:
    """Refuse artifacts that would find no room: the lease would be won, and closed at the show-up sum."""
    needed, room = stored_bytes(offer), market.store_bytes
    if room is not None and needed > room:
        raise _CrowdedError(
            f"has {_mib(needed)} of artifacts, this provider's store has room for {room >> 20} MiB in a slot"
            ", beside what it holds and has promised"
        )


def _estimate(offer: Offer, device: DeviceSpeed, capability: Capability) -> _Estimate:
    """Return times for `offer` on `device`, in ms, from the figures that the client states.

    They are claims: the provider measures the program itself again before it starts.
    """
    item_us = _ceil(offer.item_fma * 1_000_000, max(device.fmas_per_second, 1))
    item_us += _ceil(offer.item_elements * 1_000_000, max(device.elements_per_second, 1))
    transfer_ms = _ceil(offer.transfer_bytes * 1_000, max(capability.bytes_per_second, 1))
    return _Estimate(
        device,
        _ceil(item_us, 1_000),
        _ceil(item_us * offer.item_count, 1_000),
        transfer_ms + capability.startup_ms,
    )


def _clocks(offer: Offer, policy: PricePolicy, market: MarketView, found: _Estimate) -> _Clocks:
    """Return deadlines and funded blocks that suit the estimate; refuse what no judge could follow.

    RULES 13 and 14: what a judge needs must fit into the window, and the window outlasts the lease.
    """
    run_blocks = max(_ceil(found.run_ms, market.block_ms), 1)
    if run_blocks > offer.max_blocks:
        raise _RefusedError(f"would take about {run_blocks} blocks, the offer funds {offer.max_blocks}")
    result_deadline = _stretched(run_blocks, policy) + policy.result_blocks
    # Unpaid blocks are the provider's risk, so a generous estimate is cut to what the client funds.
    max_blocks = min(result_deadline, offer.max_blocks)
    start_deadline = _stretched(_ceil(found.transfer_ms, market.block_ms), policy) + policy.start_blocks
    allowance = TRACE_FACTOR * max(_ceil(found.item_ms, market.block_ms), 1)
    window = offer.challenge_window
    private = bool(offer.flags & BidFlags.PRIVATE)
    judged = market.judging.least_window(
        Blocks(result_deadline), Blocks(allowance), offer.item_count, private=private
    )
    least = max(judged, allowance)
    if offer.verification != Verification.NONE and window < least:
        raise _RefusedError(
            f"challenge window of {window} blocks is too short, at least {least}: "
            f"the lease may take {result_deadline}, an item {allowance} to be traced"
        )
    if max(result_deadline, start_deadline) > UINT32:
        raise _RefusedError("the job is too long for a lease")
    top_up_cap = min(max_blocks * policy.top_up_percent // 100, UINT32)
    return _Clocks(run_blocks, max_blocks, top_up_cap, start_deadline, result_deadline, allowance)


def _terms(case: _Case, found: _Estimate, clocks: _Clocks, trace: int) -> Terms:
    offer, policy, market = case.offer, case.house.policy, case.market
    rate = rate_per_block(policy, found.device, market.block_ms)
    fee = max(policy.completion_fee, policy.minimum - rate * clocks.run_blocks)
    bid = Bid(
        client=offer.client,
        rate_per_block=rate,
        owner=case.house.owner,
        completion_fee=Amount(fee),
        job_hash=offer.job_hash,
        delegates=offer.delegates,
        bond=_bond(case, rate, clocks.top_up_cap),
        capacity_nonce=case.nonce,
        expiry=BlockNo(market.height + _ceil(offer.auction_ms, market.block_ms) + policy.bid_blocks),
        start_deadline=Blocks(clocks.start_deadline),
        # RULES 15: grace outlasts a chain that stalls.
        grace=max(policy.grace, market.grace_min),
        max_blocks=Blocks(clocks.max_blocks),
        top_up_cap=Blocks(clocks.top_up_cap),
        result_deadline=Blocks(clocks.result_deadline),
        challenge_window=offer.challenge_window,
        trace_allowance=Blocks(clocks.trace_allowance),
        token=offer.token,
        lease_class=offer.lease_class,
        verification=offer.verification,
        flags=offer.flags,
    )
    energy = _ceil(found.device.milliwatts * found.run_ms, HOUR_MS)
    carbon = _ceil(energy * case.house.capability.carbon_grams_per_kwh, 1_000)
    expected = found.run_ms + found.transfer_ms
    value_bytes = case.offer.item_elements * _ELEMENT_BYTES if trace else 0
    return Terms(bid, found.device.name, expected, energy, carbon, found.item_ms, trace, value_bytes)


def rate_per_block(policy: PricePolicy, device: DeviceSpeed, block_ms: int) -> Amount:
    """Return the price of one block: hour price and energy, with the margin, rounded up."""
    hour = policy.per_hour[_family(device.name)] * 1_000_000 + policy.energy_per_kwh * device.milliwatts
    return Amount(_ceil(hour * (100 + policy.margin_percent) * block_ms, HOUR_MS * 1_000_000 * 100))


def _bond(case: _Case, rate: Amount, top_up_cap: int) -> Amount:
    """Return the bond: the reserve and, if the stake allows, every block that could be withdrawn (RULES 4).

    A smaller stake still bids, with what the client insists on: part of the stream then waits for the window.
    """
    token = case.token
    least = token.reserve + max(case.house.policy.bond, rate * case.offer.min_bond_blocks)
    available = min(token.free, token.lease_cap)
    if least > available:
        raise _CrowdedError(
            f"{token.limit} too small for the bond: it takes {token.unit.show(least)}, "
            f"{token.unit.show(available)} are free"
        )
    return Amount(min(max(least, token.reserve + rate * top_up_cap), available))


def _stretched(blocks: int, policy: PricePolicy) -> int:
    return _ceil(blocks * policy.safety_percent, 100)


def _family(device: str) -> str:
    """Return "cuda" for "cuda:1"."""
    return device.partition(":")[0]


def _mib(count: int) -> str:
    return f"{_ceil(count, 1 << 20)} MiB"


def _ceil(value: int, unit: int) -> int:
    return -(-value // unit)
