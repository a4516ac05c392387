"""Whatever was read up to a block is read on from there only while that block stands on the chain."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain import book as books
from protocol.chain.book import AddressBook
from protocol.chain.calls import Log
from protocol.chain.codec import encode_values
from protocol.chain.escrow import EscrowCalls
from protocol.chain.events import NonceCancelled, topic_of
from protocol.chain.histories import Histories
from protocol.chain.kept import Kept
from protocol.chain.logs import Batch, Follower
from protocol.chain.marks import _MARKS, LAG, SHORT_S, Marks, after
from protocol.chain.node import BlockHead
from protocol.chain.rpc import RpcRefused
from protocol.chain.scan import Scanner
from protocol.chain.staking import StakingCalls
from protocol.messages import Domain
from protocol.types import Address, BlockNo, Hash32
from watchtower.scan import Scan

OWNER = Address(b"\x0a" * 20)
ESCROW = EscrowCalls(Address(b"\x0e" * 20))
CANCELLED, REGISTERED = (topic_of(ESCROW.abi, name) for name in ("NonceCancelled", "Registered"))
MADE_UP = 100_000


@dataclass
class World:
    """A chain of one deployment, as nodes show it: owners cancel nonces and register."""

    tip: int = 20
    fork: int = 0
    since: int = 0
    """First block of the fork."""
    has: int | None = None
    """The newest block that a node shows by its number, if that lags."""
    cancelled: dict[int, int] = field(default_factory=dict)
    registered: dict[int, Address] = field(default_factory=dict)
    flooded: frozenset[int] = frozenset()
    may_restart: bool = True
    """One node then, which nobody waits for."""
    asked: Counter[str] = field(default_factory=Counter)
    first: list[int] = field(default_factory=list)
    """Where each request for logs began."""
    refused: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.escrow, self.staking = ESCROW, StakingCalls(Address(b"\x0f" * 20))
        self.deployment = SimpleNamespace(block=3, disputes=None, delivery=None, audits=None)
        self.network = SimpleNamespace(confirmations=3, may_restart=self.may_restart)
        self.domain = Domain(1, ESCROW.address)
        self.node = self
        self.scanner = Scanner(self)  # type: ignore[arg-type]

    def block_number(self) -> int:
        return self.tip

    clock = block_number

    def head(self, number: int | None = None) -> BlockHead | None:
        self.asked["head"] += 1
        number = self.tip if number is None else number
        return self._head(number) if number <= (self.tip if self.has is None else self.has) else None

    def _head(self, number: int) -> BlockHead:
        digest = bytes([self.fork if number >= self.since else 0]) + number.to_bytes(31, "big")
        return BlockHead(BlockNo(number), Hash32(digest), Hash32(digest), number)

    def leases(self, leases: Sequence[object], tag: object = "latest") -> tuple[()]:
        assert not leases
        return ()

    def leases_of(self) -> tuple[()]:
        return ()

    def logs(self, _: object, first: int, last: int, topics: Any, parse: Callable[..., Any]) -> Any:
        assert first <= last
        if last > self.tip:
            raise RpcRefused("eth_getLogs", {"message": "no such block"})
        self.first.append(first)
        every = topics[:1] == (REGISTERED,) and len(topics) == 1
        if every and self.flooded & set(range(first, last + 1)):
            self.refused()
            raise RpcRefused("eth_getLogs", {"code": -32005})
        return parse(tuple(self._logs(first, last, topics))), self._head(last)

    def _logs(self, first: int, last: int, topics: Any) -> Any:
        for at in range(first, last + 1):
            who = bytes(12) + OWNER
            if at in self.cancelled and topics[:1] in ((), (CANCELLED,)):
                yield self._log(at, (CANCELLED, who), encode_values(["uint64"], [self.cancelled[at]]))
            if at in self.registered and topics[:1] in ((), (REGISTERED,)) and bytes(32) not in topics:
                owner = bytes(12) + self.registered[at]
                yield self._log(at, (REGISTERED, owner, owner), encode_values(["bytes"], [b""]))

    def _log(self, at: int, topics: tuple[bytes, ...], data: bytes) -> Log:
        return Log(ESCROW.address, topics, data, BlockNo(at), self._head(at).hash, 0, Hash32(bytes(32)))

    def nonces(self, *more: bytes) -> list[int]:
        """What `Scanner.all` says."""
        return [e.nonce for e in self.scanner.all((CANCELLED, *more)) if isinstance(e, NonceCancelled)]

    def lied(self, look: Callable[[], object]) -> None:
        """Look once while somebody is believed who makes a hundred thousand blocks up."""
        true = self.tip
        self.tip, self.fork, self.since = true + MADE_UP, 9, true + 1
        look()
        self.tip, self.fork = true, 0


@pytest.fixture
def world() -> World:
    return World(cancelled={5: 1})


def test_blocks_that_were_made_up_hide_no_event(world: World) -> None:
    world.nonces()
    world.lied(world.nonces)
    world.cancelled[21], world.tip = 2, 30
    assert world.nonces() == [1, 2]
    world.first.clear()
    assert world.nonces() == [1, 2]
    assert min(world.first) == 29, "and it goes on from there"


def test_what_a_deep_reorg_took_away_is_taken_back(world: World) -> None:
    world.nonces()
    world.cancelled |= {21: 2, 25: 3}
    for world.tip in range(21, 41):
        found = world.nonces()
    assert found == [1, 2, 3]
    del world.cancelled[25]
    world.cancelled[24], world.fork, world.since = 4, 1, 24
    world.tip, world.first[:] = 41, []
    assert world.nonces() == [1, 2, 4]
    assert min(world.first) == 24, "from the newest mark that stands"


def test_a_chain_that_was_begun_anew_is_read_anew(world: World) -> None:
    follower = following(world)
    drain(follower)
    world.nonces()
    world.fork, world.cancelled, world.tip = 1, {4: 7}, 22
    assert world.nonces() == [7]
    batch = follower.poll()
    assert batch is not None
    assert batch.rolled_back_to == world.deployment.block - 1
    assert drain(follower) == [7]


@pytest.mark.parametrize("shown", ["lower", "not at all"])
def test_a_node_that_lags_takes_nothing_back(world: World, shown: str) -> None:
    world.tip = 40
    follower = following(world)
    drain(follower)
    world.nonces()
    if shown == "lower":
        world.tip -= LAG
    else:
        world.has = 30
    world.first.clear()
    assert world.nonces() == [1]
    assert follower.poll() is None
    assert min(world.first, default=99) > 30


def test_another_url_that_is_far_behind_for_a_moment_takes_nothing_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All would be read anew from the deployment, and its end be kept in the files."""
    now = [1_000.0]
    monkeypatch.setattr("protocol.chain.marks.time.monotonic", lambda: now[0])
    world = World(tip=100, cancelled={5: 1}, may_restart=False)
    world.registered[6] = OWNER
    follower, (book, histories) = following(world), made(world, tmp_path)

    def look() -> tuple[object, ...]:
        nonces = histories.read(OWNER, 1).nonces_cancelled
        return world.nonces(), owners(book), nonces

    drain(follower)
    assert look() == ([1], {OWNER}, 1)
    for _ in range(3):  # each time for less than a minute
        world.tip, world.first[:] = 50, []
        assert look() == ([1], {OWNER}, 1)
        assert follower.poll() is None
        assert min(world.first, default=99) > 50
        now[0] += SHORT_S - 1
        world.tip = 100
        look()
    world.tip = 50
    look()
    now[0] += SHORT_S
    batch = follower.poll()
    assert batch is not None
    assert batch.rolled_back_to is not None, "for a minute: it is another chain"
    assert look() == ([1], {OWNER}, 1)
    assert min(world.first) == world.deployment.block


def test_what_an_earlier_process_read_of_a_chain_that_nobody_has_shown_to_this_one_is_gone_at_once(
    tmp_path: Path,
) -> None:
    world = World(tip=MADE_UP, may_restart=False)
    made(world, tmp_path)[0].read(9)
    later = World(tip=30, registered={6: OWNER}, may_restart=False)
    assert owners(made(later, tmp_path)[0]) == {OWNER}


def test_many_who_read_up_to_one_block_ask_once_for_it(world: World) -> None:
    """INVARIANT: what a look costs does not grow with what it reads."""
    topics = [bytes(12) + bytes([each]) * 20 for each in range(50)]
    for world.tip in (20, 21, 22):
        world.asked.clear()
        for each in topics:
            world.nonces(each)
    assert world.asked["head"] == 1


def following(world: World) -> Follower:
    return Follower(world)  # type: ignore[arg-type]


def drain(follower: Follower) -> list[int]:
    found: list[Batch] = []
    while (batch := follower.poll()) is not None:
        assert batch.rolled_back_to is None
        found.append(batch)
    return [e.nonce for batch in found for e in batch.events if isinstance(e, NonceCancelled)]


def test_a_follower_goes_back_from_blocks_that_were_made_up(world: World) -> None:
    follower = following(world)
    assert drain(follower) == [1]
    world.lied(lambda: drain(follower))
    world.cancelled[21], world.tip = 2, 25
    batch = follower.poll()
    assert batch is not None
    assert (batch.rolled_back_to, batch.events) == (18, ())
    assert drain(follower) == [2]


def test_a_watchtower_that_saw_blocks_that_were_made_up_sees_re_orgs(world: World) -> None:
    """It judges all results anew after each: also those whose blocks are not confirmed yet."""
    chain: Any = world
    scan = Scan(chain)
    scan.poll(chain)
    world.lied(lambda: scan.poll(chain))
    scan.poll(chain)
    assert scan.rollbacks == 2, "the newest block's and the follower's"
    world.fork, world.since, world.tip = 1, world.tip, world.tip + 1
    scan.poll(chain)
    assert scan.rollbacks == 3


def test_old_marks_are_ever_rarer() -> None:
    marks: Marks = ()
    for number in range(10_000):
        marks = after(marks, BlockHead(BlockNo(number), Hash32(bytes(32)), Hash32(bytes(32)), 0))
    numbers = [mark.number for mark in marks]
    assert len(numbers) <= _MARKS
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert numbers[-_MARKS // 2 :] == list(range(10_000 - _MARKS // 2, 10_000))


def made(world: World, tmp_path: Path) -> tuple[AddressBook, Histories]:
    """As a process has them that was started now."""
    kept = [Kept(tmp_path / name) for name in ("providers", "histories")]
    reads: Any = world
    return AddressBook(reads, world.scanner, kept[0]), Histories(reads, world.scanner, kept[1])


def owners(book: AddressBook) -> set[Address]:
    return {each.owner for each in book.read(0.1)}


@pytest.mark.parametrize("same_process", [True, False])
def test_book_and_histories_survive_blocks_that_were_made_up(
    world: World, tmp_path: Path, same_process: bool
) -> None:
    """INVARIANT: nor does the file that the next process reads on from."""
    other = Address(b"\x0b" * 20)
    world.registered[6] = OWNER
    book, histories = made(world, tmp_path)
    world.lied(lambda: (book.read(9), histories.read(OWNER, 9)))
    world.registered[21], world.cancelled[22], world.tip = other, 2, 30
    if not same_process:
        book, histories = made(world, tmp_path)
    assert owners(book) == {OWNER, other}
    assert book.is_complete
    assert histories.read(OWNER, 1).nonces_cancelled == 2


def test_a_file_is_read_on_from_its_mark_and_one_without_is_read_anew(world: World, tmp_path: Path) -> None:
    world.registered[6] = OWNER
    for each in made(world, tmp_path):
        each.read(1) if isinstance(each, AddressBook) else each.read(OWNER, 1)
    for first in (19, 3):
        book, histories = made(world, tmp_path)
        world.first.clear()
        assert owners(book) == {OWNER}
        assert histories.read(OWNER, 1).nonces_cancelled == 1
        assert min(world.first) == first
        for name in ("providers", "histories"):
            stored = json.loads((tmp_path / name).read_text())
            for row in (stored, *stored.values()):
                if isinstance(row, dict) and row.pop("marks", None):
                    row["reached"] = 18
            (tmp_path / name).write_text(json.dumps(stored))


def test_a_flood_of_blocks_that_are_not_confirmed_keeps_nobody_long(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def refused() -> None:
        now[0] += 3.0  # as long as `Rpc` asks all its URLs

    monkeypatch.setattr(books.time, "monotonic", lambda: now[0])
    world.registered[6], world.network.confirmations = OWNER, 8
    world.flooded, world.refused = frozenset(range(14, 21)), refused
    book, _ = made(world, tmp_path)
    for _ in range(3):
        begun = now[0]
        found = book.find(OWNER, 15)
        assert found is not None
        assert found.owner == OWNER
        assert now[0] - begun < 15


def test_what_was_read_before_its_confirmation_hides_nothing_newer(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading that comes to no end leaves what the last one found of the newest blocks."""
    book, _ = made(world, tmp_path)
    world.registered[19] = OWNER
    assert owners(book) == {OWNER}
    world.registered[21], world.tip, world.flooded = OWNER, 30, frozenset({29, 30})
    now = [0.0]
    monkeypatch.setattr(books.time, "monotonic", lambda: now[0])
    world.refused = lambda: now.__setitem__(0, now[0] + 3.0)
    book.read(1)
    assert not book.is_complete
    assert book._known()[OWNER].block == 21
