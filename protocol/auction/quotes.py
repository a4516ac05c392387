"""What a client knows when it chooses: its wish, the answers, each bidder's standing on chain. Pure."""

from dataclasses import dataclass

from protocol.auction.money import Unit
from protocol.crypto import recover, unseal
from protocol.dispute.audits.names import AuditClocks
from protocol.messages import Bid, Decline, Domain, Quote, SealedAnswer, open_signed, seal_context
from protocol.types import (
    ZERO_ADDRESS,
    Address,
    Amount,
    BlockNo,
    Blocks,
    Hash32,
    InputError,
)

_NOTHING = Amount(0)
_START, _GRACE = Blocks(3600), Blocks((1 << 16) - 1)
_TAG_BYTE, _QUOTE, _DECLINE = 1, Quote.TAG, Decline.TAG


@dataclass(frozen=True, slots=True)
class Wish:
    """What the client asked for, and the most it will accept. Sums in the token's smallest unit."""

    offer: Hash32
    client: Address
    job_hash: Hash32
    delegates: Hash32
    token: int
    lease_class: int
    verification: int
    flags: int
    cap: Amount
    """Most that the whole deposit may be, fees included."""
    max_blocks: Blocks
    challenge_window: Blocks
    min_bond_blocks: Blocks
    unit: Unit
    reserve: Amount
    """The token's dispute reserve: a lower bond is void (RULES 4)."""
    block_ms: int
    """Milliseconds in one unit of the Escrow's clock, for prices per hour."""
    min_grace: Blocks
    """The deployment's least grace: the Escrow opens no bid below it (RULES 15)."""
    max_result: Blocks
    """Longest result deadline, whatever the verification: until then nobody's deposit comes back."""
    max_start: Blocks = _START
    """Longest start deadline: until then the deposit is bound for nothing."""
    max_grace: Blocks = _GRACE
    """Longest grace: a close takes effect only after it (RULES 5)."""
    audits: AuditClocks | None = None
    """Set if audits were asked for: a bid must leave the window time for one that is drawn twice."""
    carbon_per_kg: Amount = _NOTHING
    """What the client would pay to avoid a kilogram of CO2; zero ignores carbon."""

    def per_hour(self, rate: int) -> Amount:
        """Return the price of an hour at `rate` per clock unit, rounded up."""
        return Amount(-(-rate * 3_600_000 // max(self.block_ms, 1)))


@dataclass(frozen=True, slots=True)
class Entry:
    """A quote as it came in: who signed it, who signed the bid in it, and what it binds to."""

    signer: Address
    bid_signer: Address
    offer: Hash32
    bid: Bid
    bid_signature: bytes
    expected_ms: int
    energy_milliwatt_hours: int
    energy_grade: int
    grid_zone: str
    carbon_milligrams: int
    addrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """A provider's refusal to bid, in its own words."""

    signer: Address
    owner: Address
    offer: Hash32
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain says of an owner at one height. Only confirmed figures."""

    owner: Address
    operator: Address = ZERO_ADDRESS
    """Whose signature binds the owner now; zero: nobody's."""
    free: Amount = _NOTHING
    """Stake in the wish's token that a new bond could lock, within the owner's total cap."""
    lease_cap: Amount = _NOTHING
    staked: Amount = _NOTHING
    spent: frozenset[int] = frozenset()
    """Those of the asked capacity nonces that are opened or cancelled."""
    finalized: int = 0
    failed: int = 0
    """Leases convicted, closed by the provider, or without a result in time."""
    start_missed: int = 0
    cancelled: int = 0
    """Capacity nonces given up."""
    unread: bool = False
    """Whether the history could not be read in time: nothing is known of it then."""


@dataclass(frozen=True, slots=True)
class Market:
    """The standing of every bidder at a height."""

    height: BlockNo
    standings: tuple[Standing, ...]

    def of(self, owner: Address) -> Standing:
        """Return an owner's standing; one that the chain does not know stands for nothing."""
        return next((each for each in self.standings if each.owner == owner), Standing(owner))


def open_answer(payload: bytes, seal_key: bytes, offer: Hash32, domain: Domain) -> Entry | Declined:
    """Return what a provider answered to our `offer`. `InputError` says what is wrong with the bytes.

    Only the form is checked here: whether the signers may say it depends on the chain (`scoring.rank`).
    """
    answer = SealedAnswer.decode(payload)
    if answer.offer != offer:
        raise InputError("replayed: the answer is to another offer")
    envelope = unseal(seal_key, answer.box, seal_context(offer))
    if envelope[_TAG_BYTE : _TAG_BYTE + 1] == bytes([_DECLINE]):
        decline = open_signed(envelope, Decline, domain)
        _same_offer(decline.message.offer, offer)
        return Declined(
            decline.signer, decline.message.owner, decline.message.offer, readable(decline.message.reason)
        )
    signed = open_signed(envelope, Quote, domain)
    _same_offer(signed.message.offer, offer)
    return entry_of(signed.message, signed.signer, domain)


def _same_offer(named: Hash32, ours: Hash32) -> None:
    if named != ours:
        raise InputError("replayed: what was sealed for this offer answers another one")


def entry_of(quote: Quote, signer: Address, domain: Domain) -> Entry:
    """Return the entry of a quote that `signer` signed; recovers who signed the bid in it."""
    bid = quote.terms()
    return Entry(
        signer=signer,
        bid_signer=recover(bid.digest(domain), quote.bid_signature),
        offer=quote.offer,
        bid=bid,
        bid_signature=quote.bid_signature,
        expected_ms=quote.expected_ms,
        energy_milliwatt_hours=quote.energy_milliwatt_hours,
        energy_grade=quote.energy_grade,
        grid_zone=readable(quote.grid_zone),
        carbon_milligrams=quote.carbon_milligrams,
        addrs=quote.addrs[:8],
    )


def readable(text: str, longest: int = 200) -> str:
    """Return a stranger's text fit for a terminal: printable, on one line, not too long."""
    clean = "".join(char if char.isprintable() else " " for char in text[: 4 * longest])
    return clean if len(clean) <= longest else clean[: longest - 3] + "..."
