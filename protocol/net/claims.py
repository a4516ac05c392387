"""Where a key may be reached when several speak for it. Pure."""

from collections.abc import Iterable
from itertools import zip_longest

from protocol.net.book import MAX_ADDRS
from protocol.net.identity import address_of, parse_peer_id
from protocol.net.node import split_addr
from protocol.types import Address, InputError


def reachable_at(address: Address, claims: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the multiaddrs under which a peer may be found, at most `MAX_ADDRS`; each claim has its turn.

    Whoever pays for a registration may name anybody's key in it: so no claim replaces another, and one that
    names another key's addresses counts for nothing.
    """
    good = [addrs for addrs in claims if _all_of(address, addrs)]
    turns = (each for turn in zip_longest(*good) for each in turn if each is not None)
    return tuple(dict.fromkeys(turns))[:MAX_ADDRS]


def _all_of(address: Address, addrs: tuple[str, ...]) -> bool:
    try:
        return all(address_of(parse_peer_id(split_addr(addr)[0])) == address for addr in addrs)
    except InputError:
        return False
