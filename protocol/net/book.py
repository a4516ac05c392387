"""Who can be reached where: the address book. Pure; times are in seconds on the caller's clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from protocol.types import Address

MAX_ADDRS = 8
"""Addresses kept per peer: a registration with a thousand must not cost a thousand dials."""


@dataclass
class Entry:
    """One peer: its peer id, multiaddrs without /p2p, and when to dial it next."""

    address: Address
    peer_id: str
    addrs: tuple[str, ...]
    keep: bool = False
    failures: int = 0
    next_dial: float = 0.0
    last_error: str = field(default="", compare=False)


class AddressBook:
    """At most `max_entries` peers; one that is not to be kept leaves first, the oldest first."""

    def __init__(self, first_s: float, last_s: float, max_entries: int = 4096) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._max_entries = max_entries
        self._entries: OrderedDict[Address, Entry] = OrderedDict()

    def learn(self, address: Address, peer_id: str, addrs: Iterable[str], keep: bool) -> Entry:
        """Add or replace a peer's addresses. A new set of addresses is tried at once."""
        wanted = tuple(dict.fromkeys(addrs))[:MAX_ADDRS]
        old = self._entries.get(address)
        if old is not None and old.peer_id == peer_id and old.addrs == wanted:
            old.keep = old.keep or keep
            return old
        entry = Entry(address, peer_id, wanted, keep or (old is not None and old.keep))
        self._entries[address] = entry
        while len(self._entries) > self._max_entries:
            loose = next((a for a, e in self._entries.items() if not e.keep), next(iter(self._entries)))
            del self._entries[loose]
        return entry

    def forget(self, address: Address) -> None:
        """Drop a peer."""
        self._entries.pop(address, None)

    def get(self, address: Address) -> Entry | None:
        """Return what is known about a peer."""
        return self._entries.get(address)

    def failed(self, entry: Entry, now: float, error: str) -> None:
        """Note a failed dial: the wait doubles from the first to the last value."""
        entry.failures += 1
        entry.last_error = error
        # The exponent is capped: 2.0 ** 2000 would overflow after a week without a peer.
        wait = min(self._last_s, self._first_s * 2.0 ** min(entry.failures - 1, 30))
        entry.next_dial = now + wait

    def connected(self, entry: Entry) -> None:
        """Note a success: the next loss is dialled at once."""
        entry.failures = 0
        entry.next_dial = 0.0
        entry.last_error = ""

    def due(self, now: float) -> list[Entry]:
        """Return the peers whose time has come: those to be kept first, then whoever failed least often."""
        due = [entry for entry in self._entries.values() if entry.next_dial <= now]
        return sorted(due, key=lambda entry: (not entry.keep, entry.failures))

    def waiting(self, now: float) -> list[Entry]:
        """Return the peers that are to be dialled later."""
        return [entry for entry in self._entries.values() if entry.next_dial > now]

    def __len__(self) -> int:
        return len(self._entries)
