"""What the processor-demand criterion lets pass is never late, however it is challenged; played in full."""

import time
from dataclasses import dataclass, field, replace
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from protocol.auction.clocks import AUDIT_START_MS, KEPT, Promise, load
from protocol.auction.defence import STARTUP_MS
from protocol.dispute.pace import Opened, post_from
from protocol.games.runs_at_once import may_begin
from protocol.types import BlockNo, Blocks, LeaseId
from provider_node.defence.schedule import Run, next_run

MS = 1_000
"""Times in promises are whole units of so many milliseconds."""
FOREVER = Fraction(1 << 60)


@dataclass(frozen=True)
class Attack:
    """How a lease is challenged: from when on, how many items are kept open, whose numbers decide ties."""

    start: int
    open: int
    audits: tuple[int, ...] = ()
    """When audits are ordered."""


@dataclass
class Owed:
    lease: int
    item: int
    at: Fraction
    due: Fraction
    left: Fraction
    """Work."""
    needs: int
    made: bool = False


@dataclass
class Court:
    """A provider's machine and its challengers. One child for games, in whole runs; one for each audit."""

    promises: list[Promise]
    attacks: list[Attack]
    clock: int
    paced: bool = True
    alone: bool = False
    """Whether each run takes all the memory that there is, so that no job is kept beside it."""
    now: Fraction = Fraction(0)
    owed: list[Owed] = field(default_factory=list)
    history: dict[int, list[Opened]] = field(default_factory=dict)
    audits: list[Owed] = field(default_factory=list)
    waiting: list[Owed] = field(default_factory=list)
    running: Owed | None = None
    startup: Fraction = Fraction(STARTUP_MS)
    kept: list[int] = field(default_factory=list)
    """Leases whose bytes the child has read, the latest last."""
    next_item: dict[int, int] = field(default_factory=dict)

    def first_late(self) -> str:
        """Play to the end; return what was late, or nothing."""
        pending = [
            (Fraction(at * MS), number)
            for number, attack in enumerate(self.attacks)
            for at in attack.audits
            if self.promises[number].audited
        ]
        while True:
            self._challenge()
            for entry in [each for each in pending if each[0] <= self.now]:
                pending.remove(entry)
                promise = self.promises[entry[1]]
                due = self.now + self.clock + promise.allowance_ms
                needs = promise.run_ms + AUDIT_START_MS + promise.reading_ms
                self.waiting.append(Owed(entry[1], -1, self.now, due, Fraction(needs), needs))
            self._begin()
            for each in (*self.owed, *self.audits, *self.waiting):
                if self.now > each.due:
                    return f"{each} at {self.now}"
            step = self._step([at for at, _ in pending])
            if step is None:
                return ""
            self._advance(step)

    def _challenge(self) -> None:
        for number, attack in enumerate(self.attacks):
            promise = self.promises[number]
            while (
                self.now >= attack.start * MS
                and self._open(number) < attack.open
                and self.next_item.get(number, 0) < promise.items
            ):
                item = self.next_item.get(number, 0)
                self.next_item[number] = item + 1
                clock = self.clock + min((self._open(number) + 1) * promise.allowance_ms, promise.cap_ms)
                needs = promise.run_ms + promise.reading_ms
                owed = Owed(number, item, self.now, self.now + clock, Fraction(needs), needs)
                self.owed.append(owed)
                self.history.setdefault(number, []).append(Opened(item, BlockNo(int(self.now)), BlockNo(0)))

    def _open(self, number: int) -> int:
        return sum(each.lease == number for each in self.owed)

    def _turn(self, owed: Owed) -> Fraction:
        if not self.paced:
            return Fraction(0)
        promise = self.promises[owed.lease]
        turn = post_from(
            owed.item, self.history[owed.lease], Blocks(promise.allowance_ms), Blocks(promise.cap_ms)
        )
        return Fraction(turn)

    def _begin(self) -> None:
        if not self.alone:
            self._begin_game(FOREVER)
        elif self.running is None and not self.audits:
            self._begin_game(min((each.due for each in self.waiting), default=FOREVER))
        for each in sorted(self.waiting, key=lambda each: each.due):
            if self.alone and (self.running is not None or self.audits):
                return
            if may_begin(int(each.due), [int(other.due) for other in self.audits]):
                self.waiting.remove(each)
                self.audits.append(each)

    def _begin_game(self, before: Fraction) -> None:
        if self.running is None:
            runs = {
                (LeaseId(bytes([each.lease]) * 32), each.item): each for each in self.owed if not each.made
            }
            chosen = next_run(
                Run(name, int(each.due - self.now), each.needs + STARTUP_MS) for name, each in runs.items()
            )
            found = runs[chosen.name] if chosen else None
            self.running = found if found and found.due <= before else None
            if self.running is not None:
                lease = self.running.lease
                if lease in self.kept:
                    self.running.left -= self.promises[lease].reading_ms
                self.kept = [*(each for each in self.kept if each != lease), lease][
                    -1 if self.alone else -KEPT :
                ]

    def _step(self, orders: list[Fraction]) -> Fraction | None:
        share = (self.running is not None) + len(self.audits)
        times = [each.left * share for each in self.audits]
        if self.running is not None:
            times.append((self.startup + self.running.left) * share)
        times += [self._turn(each) - self.now for each in self.owed if each.made]
        times += [at - self.now for at in orders]
        for number, attack in enumerate(self.attacks):
            if self.next_item.get(number, 0) < self.promises[number].items:
                times.append(attack.start * MS - self.now)
        times = [each for each in times if each > 0]
        return min(times, default=None)

    def _advance(self, step: Fraction) -> None:
        share = (self.running is not None) + len(self.audits)
        self.now += step
        if share:
            work = step / share
            for each in list(self.audits):
                each.left -= work
                if each.left <= 0:
                    self.audits.remove(each)
            if self.running is not None:
                spent = min(self.startup, work)
                self.startup -= spent
                self.running.left -= work - spent
                if self.running.left <= 0:
                    self.running.made, self.running = True, None
        for owed in [each for each in self.owed if each.made and self._turn(each) <= self.now]:
            if self.now <= owed.due:
                self.owed.remove(owed)  # posted; the challenger gives up, and is counted no longer


def promise(
    items: int, run: int, allowance: int, cap: int, reading: int = 0, *, audited: bool = False
) -> Promise:
    lease = LeaseId(bytes(32))
    return Promise(lease, items, run * MS, allowance * MS, cap * MS, reading * MS, audited=audited)


spans = st.integers(1, 8) | st.integers(1, 40)
promises = st.builds(
    promise,
    st.integers(1, 12),
    st.integers(1, 12),
    spans,
    st.integers(0, 200),
    st.integers(0, 5),
    audited=st.booleans(),
)
attacks = st.builds(
    Attack,
    st.just(0) | st.integers(0, 60),
    st.sampled_from([1, 12]) | st.integers(1, 12),
    st.lists(st.integers(0, 60), max_size=2).map(tuple),
)
ONE_AFTER_THE_OTHER = [
    (promise(9, 6, 26, 67), Attack(0, 12)),
    (promise(6, 6, 30, 115), Attack(0, 1)),
    (promise(2, 8, 6, 10_000), Attack(46, 1)),
]
"""The second lease's games are given up one by one, so each has the clock of a first one."""
IN_TURNS = [(promise(3, 1, 1, 3, 1), Attack(0, 12))] * 2
"""Deadlines of two jobs alternate, and where memory holds one of them, each is read for every run."""
BEHIND_A_LONG_RUN = [(promise(1, 40, 60, 60), Attack(0, 1)), (promise(1, 1, 1, 1), Attack(1, 1))]


def tightest(held: list[Promise]) -> int:
    """The shortest move clock that the bound takes."""
    low, high = 0, 1 << 24
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if load(held, middle, memory_bytes=1).fits else (middle + 1, high)
    return low


def court(
    leases: list[tuple[Promise, Attack]], *, paced: bool = True, spare: int = 0, alone: bool = False
) -> Court:
    held = [replace(each, trace_bytes=int(alone)) for each, _ in leases]
    return Court(held, [each for _, each in leases], tightest(held) + spare, paced, alone)


@given(st.lists(st.tuples(promises, attacks), min_size=1, max_size=5))
@example(ONE_AFTER_THE_OTHER)
@example(BEHIND_A_LONG_RUN)
def test_rule_13_what_is_within_the_bound_is_never_late(leases: list[tuple[Promise, Attack]]) -> None:
    """On the shortest move clock that it takes."""
    assert court(leases).first_late() == ""


@given(st.lists(st.tuples(promises, attacks), min_size=1, max_size=5))
@example(ONE_AFTER_THE_OTHER)
@example(BEHIND_A_LONG_RUN)
@example(IN_TURNS)
def test_rule_13_nor_where_no_two_runs_fit_into_memory(leases: list[tuple[Promise, Attack]]) -> None:
    """Games and audits are in one line then: whatever is due first has the next place."""
    assert court(leases, alone=True).first_late() == ""


def test_rule_13_without_a_pace_games_given_up_one_by_one_would_make_other_leases_late() -> None:
    assert court(ONE_AFTER_THE_OTHER, paced=False).first_late()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_the_bound_asks_for_no_more_than_it_takes(runs: list[int]) -> None:
    """Single items, all challenged at once: with a child's start less, and a millisecond, one is late."""
    leases = [(promise(1, run, 1, 1), Attack(0, 1)) for run in runs]
    assert court(leases).first_late() == ""
    assert court(leases, spare=-STARTUP_MS - 1).first_late()


@given(st.lists(promises, min_size=1, max_size=6), promises, st.integers(0, 300))
def test_one_lease_more_never_lightens_the_load(held: list[Promise], more: Promise, clock: int) -> None:
    before, after = load(held, clock * MS), load([*held, more], clock * MS)
    assert before.percent <= after.percent


@given(st.lists(promises, min_size=1, max_size=6), st.integers(1, 20))
def test_a_bound_for_few_at_once_is_never_stricter_than_that_for_all(held: list[Promise], few: int) -> None:
    for clock in (1, 30, 100, 300):
        every, some = load(held, clock * MS), load(held, clock * MS, few)
        assert some.percent <= every.percent
    everything = sum(each.items + 2 for each in held)
    work = sum((each.items + 2) * (each.run_ms + each.reading_ms) + 2 * AUDIT_START_MS for each in held)
    assert load(held, 2 * STARTUP_MS + work, everything).fits


def test_a_thousand_leases_are_weighed_within_milliseconds() -> None:
    held = [replace(promise(1 + n % 500, 1 + n % 7, 1 + n % 40, 1 + n), run_ms=n) for n in range(1_000)]
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        load(held, 600_000)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.2, "about 5 ms on an idle machine"
