"""Where providers say that they are: an address book, made from logs that anybody may write.

Nothing that matters for money depends on it. Who acts for an owner the contract itself tells (`operatorOf`).
A registration costs its maker little, so a reading has an end in time and in memory: what cannot be read is
left out, and owners that could lock no bond make room for those that could.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import inf
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.event import Event
from protocol.chain.events import ProviderRegistered, topic_of
from protocol.chain.kept import Kept
from protocol.chain.marks import Marks, after, read_marks, written
from protocol.chain.node import BlockHead
from protocol.chain.reads import Reads
from protocol.chain.rpc import RpcRefused
from protocol.chain.scan import Scanner, Topics
from protocol.chain.views import Registered
from protocol.messages import Domain, Registration, open_signed
from protocol.types import Address, BlockNo, InputError, TransientError

log = logging.getLogger(__name__)

_MOST = 1_000
"""Owners with a stake that are kept; half as many others, and at times twice that."""
_LOOKED = 1_000
"""Owners of whom it is remembered what a search has found."""
_PAUSE_S = 0.2
_TRIES = 3
"""Times that a block is asked for before it is left out."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The newest `Registered` event of an owner."""

    owner: Address
    operator: Address
    said: bytes
    block: BlockNo


class AddressBook:
    """Reads who registered, a part at a time. Thread-safe; blocking."""

    def __init__(self, reads: Reads, scanner: Scanner, kept: Kept) -> None:
        self._reads, self._scanner, self._kept = reads, scanner, kept
        self._topic = topic_of(reads.escrow.abi, "Registered")
        self._lock = threading.Lock()
        self._entries: dict[Address, Entry] = {}
        self._fresh: dict[Address, Entry] = {}
        """From blocks that are not confirmed yet."""
        self._marks: Marks = ()
        self._gaps_until = -1
        """Up to this block something may be missing: a block that no node gives, an owner that made room."""
        self._looking = threading.Lock()
        self._looked: dict[tuple[Address, int], tuple[int, Entry | None]] = {}
        """Of an owner, up to that block: what is left to search there, and what was found."""
        self._refused = (-1, 0)
        self._loaded = False
        self._caught_up = False

    def read(self, seconds: float) -> tuple[Registered, ...]:
        """Return whom the book knows, oldest registration first, after reading on for `seconds` at most.

        No error: without a node the book says what it said before. One request may take longer than that.
        """
        ends = time.monotonic() + seconds
        if self._lock.acquire(timeout=max(seconds, 0)):
            try:
                self._try(ends)
            finally:
                self._lock.release()
        return tuple(_shown(each, self._reads.domain) for each in self._known().values())

    def find(self, owner: Address, seconds: float) -> Registered | None:
        """Return an owner's newest registration, None if it has none: what others do cannot hide it.

        `TransientError` if it cannot be read within about `seconds`.
        """
        ends = time.monotonic() + seconds
        self.read(seconds / 2)
        known, gaps = self._known().get(owner), self._gaps_until
        first = known.block if known else self._reads.deployment.block
        try:
            if not self._caught_up:
                known = self._search(owner, first, int(self._reads.block_number()), ends) or known
            elif first <= gaps:
                known = self._in_gaps(owner, first, gaps, ends) or known
        except TransientError:
            if known is None:
                raise  # else what the book has is the best guess
        return _shown(known, self._reads.domain) if known else None

    @property
    def is_complete(self) -> bool:
        """Whether the last reading came to the newest block."""
        return self._caught_up

    @property
    def _reached(self) -> int:
        return self._scanner.ground.reached(self._marks)

    def _known(self) -> dict[Address, Entry]:
        """All entries: what was read of blocks that were not confirmed must hide nothing that is newer."""
        reached = self._reached
        return _newest_last(self._entries, (each for each in self._fresh.values() if each.block > reached))

    def _in_gaps(self, owner: Address, first: int, gaps: int, ends: float) -> Entry | None:
        """Look where something may be missing, once: one flooded block costs no search at each call.

        A search that ran out of time goes on where it ended.
        """
        with self._looking:
            last, found = self._looked.get((owner, gaps), (gaps, None))
        if last >= first:
            found, last = self._part_of_search(owner, first, last, ends)
            with self._looking:
                self._looked[owner, gaps] = last, found
                if len(self._looked) > _LOOKED:
                    del self._looked[next(iter(self._looked))]
            if last >= first:
                raise _late(owner)
        return found

    def _search(self, owner: Address, first: int, last: int, ends: float) -> Entry | None:
        found, last = self._part_of_search(owner, first, last, ends)
        if last >= first:
            raise _late(owner)
        return found

    def _part_of_search(self, owner: Address, first: int, last: int, ends: float) -> tuple[Entry | None, int]:
        """Look for an owner's newest event, from `last` back to `first`; return it, and what is left."""
        topics = (self._topic, bytes(12) + owner)
        while last >= first and time.monotonic() <= ends:
            part = max(first, last - self._scanner.span + 1)
            if found := _entries(self._scanner.between(part, last, topics)):
                return found[-1], first - 1
            last = part - 1
        return None, last

    def _try(self, ends: float) -> None:
        while True:
            try:
                self._go_on(ends)
                return
            except TransientError as error:
                log.debug("registrations cannot be read on: %s", error)
            if time.monotonic() + _PAUSE_S > ends:
                return
            time.sleep(_PAUSE_S)

    def _go_on(self, ends: float) -> None:
        if not self._loaded:
            self._load()
        self._caught_up = False
        confirmed = self._scanner.confirmed_head()
        if self._scanner.ground.standing(self._marks, confirmed) != self._marks:
            log.warning("the chain is another one than was read: its registrations are read anew")
            self._begin_anew()
        before = self._reached
        try:
            while self._reached < confirmed:
                self._take(*self._part(self._reached + 1, confirmed))
                if time.monotonic() > ends:
                    return
        finally:
            if self._reached > before and self._kept.is_due:
                self._save()
        done, newest = self._reached, self._reads.block_number()
        fresh: dict[Address, Entry] = {}
        while done < newest:
            # Nothing of them is kept, so a flood costs as much at every reading: late, it is given up.
            found, head = self._part(done + 1, newest, ends)
            done, fresh = head.number, _newest_last(fresh, found)
            if done < newest and time.monotonic() > ends:
                return
        self._fresh, self._caught_up = fresh, True

    def _begin_anew(self) -> None:
        self._entries, self._fresh, self._marks = {}, {}, ()
        self._gaps_until, self._refused, self._looked = -1, (-1, 0), {}

    def _part(self, first: int, last: int, ends: float = inf) -> tuple[list[Entry], BlockHead]:
        """Read as many blocks as a node gives at once; one that it never gives counts as empty."""
        while True:
            try:
                found, head = self._scanner.chunk(first, last, (self._topic,))
                return _entries(found), head
            except TransientError as error:
                refused = isinstance(error, RpcRefused)
                if (not refused and self._scanner.span > 1) or time.monotonic() > ends:
                    raise
                if (hopeless := self._hopeless(first)) is not None:
                    log.warning("block %d has more registrations than nodes give: they are left out", first)
                    self._gaps_until = max(self._gaps_until, first)
                    return [], hopeless
                if not refused:
                    raise

    def _hopeless(self, block: int) -> BlockHead | None:
        """Count a block that could not be read; return its head if that is no trouble of the node."""
        nobody: Topics = (self._topic, bytes(32))
        _, head = self._scanner.chunk(block, block, nobody)
        before, tries = self._refused
        self._refused = (block, tries + 1 if block == before else 1)
        return head if self._refused[1] >= _TRIES else None

    def _take(self, found: Iterable[Entry], head: BlockHead) -> None:
        entries = _newest_last(self._entries, found)
        if len(entries) > 2 * _MOST:
            entries = self._weeded(entries)
            self._gaps_until = max(self._gaps_until, head.number)
        self._entries, self._marks = entries, after((), head)

    def _weeded(self, entries: dict[Address, Entry]) -> dict[Address, Entry]:
        """Keep those that have the most stake, and the newest of those that have too little for any bond."""
        weights = weights_of(self._reads, list(entries))
        staked = sorted((owner for owner in entries if weights[owner]), key=lambda each: -weights[each])
        others = [owner for owner in entries if not weights[owner]]
        stay = {*staked[:_MOST], *others[-_MOST // 2 :]}
        return {owner: each for owner, each in entries.items() if owner in stay}

    def _load(self) -> None:
        self._loaded = True
        stored = self._kept.load()
        if stored is None:
            return
        try:
            marks, gaps, rows = read_marks(stored["marks"]), int(stored["gaps"]), stored["providers"]
            entries = [
                Entry(
                    Address(bytes.fromhex(a)),
                    Address(bytes.fromhex(b)),
                    bytes.fromhex(said),
                    BlockNo(int(at)),
                )
                for a, b, said, at in rows
            ]
        except (KeyError, TypeError, ValueError) as error:
            log.warning("stored registrations are read anew from the chain: %s", error)
            return
        self._entries = {each.owner: each for each in entries[-2 * _MOST :]}
        self._marks, self._gaps_until = marks, gaps

    def _save(self) -> None:
        rows = [(e.owner.hex(), e.operator.hex(), e.said.hex(), e.block) for e in self._entries.values()]
        self._kept.save({"marks": written(self._marks), "gaps": self._gaps_until, "providers": rows})


def _late(owner: Address) -> TransientError:
    return TransientError(f"the registration of 0x{owner.hex()} could not be read in time")


def _newest_last(known: dict[Address, Entry], found: Iterable[Entry]) -> dict[Address, Entry]:
    known = dict(known)
    for each in found:
        known.pop(each.owner, None)
        known[each.owner] = each
    return known


def _entries(events: Iterable[Event]) -> list[Entry]:
    return [
        Entry(each.owner, each.operator, each.registration, each.at.block)
        for each in events
        if isinstance(each, ProviderRegistered)
    ]


def weights_of(reads: Reads, owners: Sequence[Address]) -> dict[Address, int]:
    """Return how many of the smallest bonds each owner's stake makes; 0 for too little for any."""
    weights = dict.fromkeys(owners, 0)
    staking = reads.staking
    for token, listing in enumerate(reads.listings()):
        calls = [
            Call(staking.address, staking.abi.call_data("stakeOf", owner, token), "Staking.stakeOf")
            for owner in owners
        ]
        found = reads.node.views(calls, partial(staking.abi.results, "stakeOf"))
        for owner, (stake, *_) in zip(owners, found, strict=True):
            weights[owner] = max(weights[owner], int(stake[0]) // max(listing.reserve, 1))
    return weights


@lru_cache(maxsize=4 * _MOST)
def _shown(entry: Entry, domain: Domain) -> Registered:
    return Registered(entry.owner, entry.operator, _registration(entry, domain))


def _registration(entry: Entry, domain: Domain) -> Registration | None:
    """What the operator has signed. Anybody can name a key; only its holder says whose it is, and where."""
    try:
        signed = open_signed(entry.said, Registration, domain)
    except InputError:
        return None
    said: Any = signed.message
    agreed = (said.owner, said.operator) == (entry.owner, entry.operator)
    return said if agreed and signed.signer == entry.operator else None
