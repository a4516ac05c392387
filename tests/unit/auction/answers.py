"""Bidders, quotes and wishes for tests of the client's side; every signature is a real one."""

from dataclasses import replace

from protocol.auction.money import Unit
from protocol.auction.quotes import Entry, Market, Standing, Wish, entry_of
from protocol.crypto import address_of, keccak256, sign_digest
from protocol.messages import Bid, Domain, Quote
from protocol.types import ZERO_HASH, Address, Amount, BlockNo, Blocks, Hash32

DOMAIN = Domain(31337, Address(b"\xee" * 20))
CLIENT = Address(b"\xc1" * 20)
JOB = Hash32(b"\x0b" * 32)
OFFER = Hash32(b"\x0f" * 32)
UNIT = Unit("GVL", 18)
TOKEN = 10**18
HEIGHT = BlockNo(100)

WISH = Wish(
    offer=OFFER,
    client=CLIENT,
    job_hash=JOB,
    delegates=ZERO_HASH,
    token=0,
    lease_class=1,
    verification=1,
    flags=0,
    cap=Amount(10 * TOKEN),
    max_blocks=Blocks(100),
    challenge_window=Blocks(300),
    min_bond_blocks=Blocks(1),
    unit=UNIT,
    reserve=Amount(TOKEN),
    block_ms=1000,
    min_grace=Blocks(2),
    max_result=Blocks(400),
)


def operator(number: int) -> bytes:
    """Return the operator key of bidder `number`."""
    return keccak256(b"operator" + bytes([number]))


def owner(number: int) -> Address:
    """Return the owner address of bidder `number`."""
    return Address(bytes([number]) * 20)


def bid(number: int, **changes: object) -> Bid:
    """Return a bid that `WISH` takes: ten blocks at `number` hundredths of a token."""
    plain = Bid(
        client=CLIENT,
        rate_per_block=Amount(number * TOKEN // 100),
        owner=owner(number),
        completion_fee=Amount(0),
        job_hash=JOB,
        delegates=ZERO_HASH,
        bond=Amount(5 * TOKEN),
        capacity_nonce=7,
        expiry=BlockNo(150),
        start_deadline=Blocks(30),
        grace=Blocks(20),
        max_blocks=Blocks(10),
        top_up_cap=Blocks(10),
        result_deadline=Blocks(40),
        challenge_window=Blocks(300),
        trace_allowance=Blocks(6),
        token=0,
        lease_class=1,
        verification=1,
        flags=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def quote(terms: Bid, key: bytes, offer: Hash32 = OFFER, carbon: int = 2_000) -> Quote:
    """Return the quote that carries `terms`, the bid signed by `key`."""
    return Quote(
        offer=offer,
        bid=terms.packed(),
        bid_signature=sign_digest(key, terms.digest(DOMAIN)),
        expected_ms=9_000,
        energy_milliwatt_hours=50,
        energy_grade=2,
        grid_zone="DE",
        carbon_milligrams=carbon,
        addrs=(),
    )


def entry(number: int, offer: Hash32 = OFFER, carbon: int = 2_000, **changes: object) -> Entry:
    """Return bidder `number`'s honest entry."""
    key = operator(number)
    return entry_of(quote(bid(number, **changes), key, offer, carbon), address_of(key), DOMAIN)


def standing(number: int, **changes: object) -> Standing:
    """Return bidder `number` with a good stake and no history."""
    plain = Standing(
        owner=owner(number),
        operator=address_of(operator(number)),
        free=Amount(100 * TOKEN),
        lease_cap=Amount(50 * TOKEN),
        staked=Amount(100 * TOKEN),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def market(*standings: Standing, height: int = HEIGHT) -> Market:
    """Return what the chain says at `height`."""
    return Market(BlockNo(height), standings)
