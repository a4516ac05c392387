"""Traces of all that is promised are kept on the disk together, or can be made again for every answer."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auction.bidding import Refusal, answer
from protocol.auction.clocks import Promise
from protocol.auction.defence import RAN_FACTOR, STARTUP_MS, Means, again_ms, trace_ms
from protocol.auction.room import room_flaw
from protocol.auction.traces import traces_flaw
from protocol.chain.deploy_terms import MOST_MOVES, STRAIGHT_MOVES, default_dispute_terms
from protocol.chain.networks_file import shipped_network
from protocol.types import Blocks, LeaseId
from tests.unit.auction.test_bidding import MARKET, OFFER, SLOTS, bid_for
from tests.unit.auction.test_defence import GUARDED, MEANS

EACH = 80 << 20
HASH_MS = 209
SHORT = replace(MEANS, block_ms=1, move_clock=Blocks(86_400_000))
"""A day for all moves, and six milliseconds for each."""


def held(number: int = 1, items: int = 100, item_ms: int = 100, **changes: int) -> Promise:
    run = trace_ms(item_ms, HASH_MS)
    cap, again = RAN_FACTOR * items * item_ms, again_ms(run, item_ms)
    plain = Promise(
        LeaseId(bytes([number]) * 32), items, run, 6_000, cap, value_bytes=EACH, again_ms=again, audited=False
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_rule_13_traces_that_do_not_fit_on_the_disk_are_made_again_for_every_answer_of_a_game() -> None:
    """The oldest goes for the next: with all items challenged, each answer finds its trace gone."""
    fits = replace(SHORT, disk_bytes=100 * EACH)
    assert room_flaw(held(), (), fits) == ""
    again = 101 * (trace_ms(100, HASH_MS) + 100) + STARTUP_MS  # twice as slow as measured, behind another one
    patient = replace(SHORT, disk_bytes=100 * EACH - 1, increment=Blocks(2 * again))
    assert room_flaw(held(), (), patient) == ""
    hasty = replace(patient, increment=Blocks(2 * again - 1))
    found = room_flaw(held(), (), hasty)
    assert "their 100 traces would take 8000 MiB on disk, they may take 8000 MiB" in found
    assert f"making all again for each answer about {again} ms" in found
    # Who reckons with fewer games at once needs room for as many.
    assert room_flaw(held(), (), replace(hasty, at_once=20, disk_bytes=20 * EACH)) == ""
    assert "their 20 traces" in room_flaw(held(), (), replace(SHORT, at_once=20, disk_bytes=20 * EACH - 1))


def test_rule_13_the_traces_of_several_leases_share_the_disk_and_the_time() -> None:
    """Two of 60 % each: by itself either fits. Challenged together each answer finds its trace gone."""
    one, other = held(1, 60), held(2, 60)
    tight = replace(SHORT, disk_bytes=100 * EACH)
    assert room_flaw(one, (), tight) == room_flaw(other, (), tight) == ""
    found = room_flaw(one, (other,), tight)
    assert found.startswith("were it and 1 other leases (0x02020202) challenged at once, their 120 traces")
    assert room_flaw(one, (other,), replace(tight, disk_bytes=120 * EACH)) == ""
    again = 121 * again_ms(trace_ms(100, HASH_MS), 100) + STARTUP_MS
    patient = replace(tight, increment=Blocks(2 * again))
    assert room_flaw(one, (other,), patient) == ""
    assert room_flaw(one, (other,), replace(patient, increment=Blocks(2 * again - 1)))
    # Small traces take the time that those which are made again need.
    assert room_flaw(one, (held(2, 60), held(3, 1, value_bytes=0)), patient)
    # Programs are read in turns, and that of one by the process that answers as well.
    assert room_flaw(one, (replace(other, reading_ms=1),), patient)
    single = replace(held(1, 120), reading_ms=1)
    assert room_flaw(single, (), replace(patient, increment=Blocks(2 * again + 3)))
    assert room_flaw(single, (), replace(patient, increment=Blocks(2 * again + 4))) == ""


def test_rule_13_jobs_are_read_for_answers_though_their_traces_fit() -> None:
    """The answering process ends when nothing is asked of it, and keeps two jobs at most."""
    means = replace(SHORT, disk_bytes=1 << 40, increment=Blocks(2 * 5_000))
    for count, most in ((1, 5_000), (2, 1_666), (3, 1_000)):
        known = [held(number, 1, reading_ms=most) for number in range(count)]
        assert traces_flaw(known, means) == ""
        assert traces_flaw([*known[1:], replace(known[0], reading_ms=most + 2)], means)
    single, three = held(1, 1, reading_ms=5_001), [held(number, 1, reading_ms=1_001) for number in (1, 2, 3)]
    assert "reading program and inputs takes 5001 ms" in traces_flaw([single], means)
    assert "reading program and inputs of each in turn takes 5005 ms" in traces_flaw(three, means)
    assert traces_flaw(three, replace(means, at_once=2)) == ""


def test_rule_13_two_jobs_that_memory_does_not_hold_together_are_read_for_every_run() -> None:
    """Deadlines alternate, and whatever executes lets go of the other one."""
    means = replace(SHORT, move_clock=Blocks(600_000), increment=Blocks(60_000))
    for size, fits in ((2 << 30, True), (3 << 30, False)):
        one, other = (held(number, reading_ms=9_000, trace_bytes=size) for number in (1, 2))
        assert room_flaw(one, (), means) == ""
        assert (room_flaw(one, (other,), means) == "") is fits


@pytest.mark.parametrize("name", ["local", "sepolia", "base-sepolia"])
def test_rule_13_no_challenger_that_lets_the_answering_process_end_makes_a_clock_run_out(name: str) -> None:
    """It takes a minute for each of its moves: every answer finds its job gone, behind those of others."""
    network = shipped_network(name)
    terms, unit_ms = default_dispute_terms(network), 1_000 * network.seconds(Blocks(1))
    means = Means(terms.move_clock, terms.increment, unit_ms, memory_bytes=1 << 40, disk_bytes=1 << 40)
    mined_ms, passed = 2_000 * network.seconds_per_block, set()
    for count, reading in itertools.product((1, 2, 9), (100, 1_000, 9_000, 50_000, 200_000, 10**7)):
        if traces_flaw([held(number, 1, reading_ms=reading) for number in range(count)], means):
            continue
        passed.add(count)
        left = means.clock_ms
        for _ in range(MOST_MOVES):
            left -= (2 * count - 1) * reading + mined_ms
            assert left >= 0, (count, reading)
            left += means.increment_ms
    assert passed == {1, 2, 9}


def test_rule_13_items_that_ran_slower_take_their_time_again_for_every_answer() -> None:
    """A client picks the inputs, and a move clock is no measure where each answer takes all runs again."""
    again = 121 * again_ms(trace_ms(100, HASH_MS), 100) + STARTUP_MS
    means = replace(SHORT, disk_bytes=100 * EACH, increment=Blocks(2 * again + 2_000))
    for beside in (held(2, 60, slow_ms=1_000), held(2, 60, slow_ms=1_001)):
        assert bool(room_flaw(held(1, 60), (beside,), means)) == (beside.slow_ms > 1_000)
    assert room_flaw(held(1, 60, slow_ms=10**6), (), means) == "", "all are kept"


def test_rule_13_no_bid_for_what_by_its_figures_finds_no_room_for_traces() -> None:
    """The figures are ten items of ten million elements: a byte of each is reckoned."""
    offer = replace(OFFER, item_elements=10**7, item_count=10)
    house = replace(GUARDED, means=replace(MEANS, disk_bytes=100 * EACH))
    terms = bid_for(offer, house)
    assert terms.value_bytes == 10**7
    full = replace(MARKET, promises=(held(1, 1, value_bytes=100 * EACH - 10**8),))
    assert answer(offer, house, full, SLOTS) == terms
    fuller = replace(MARKET, promises=(held(1, 1, value_bytes=100 * EACH - 10**8 + 1),))
    found = answer(offer, house, fuller, SLOTS)
    assert isinstance(found, Refusal)
    assert "their 11 traces would take" in found.reason
    assert bid_for(offer, replace(house, means=None)).value_bytes == 0, "there is no judge"


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 12),
)
def test_rule_13_no_choice_of_challenged_items_takes_more_than_is_reckoned(
    leases: list[tuple[int, int, int, int]], at_once: int
) -> None:
    """Whichever items a challenger takes: they fit, or are all made again in half the time."""
    known = [
        held(number, items, value_bytes=size, again_ms=again, slow_ms=slow)
        for number, (items, size, again, slow) in enumerate(leases)
    ]
    singles = [each for each in known for _ in range(each.items)]
    count = at_once or len(singles)
    sizes = sorted((each.value_bytes for each in singles), reverse=True)[:count]
    times = sorted((each.again_ms for each in singles), reverse=True)
    needed = sum(times[:count]) + times[0] + sum(each.slow_ms for each in known) + STARTUP_MS
    means = replace(SHORT, at_once=at_once, disk_bytes=sum(sizes), increment=Blocks(2 * needed - 1))
    assert traces_flaw(known, means) == ""
    if sum(sizes):
        less = replace(means, disk_bytes=sum(sizes) - 1)
        assert traces_flaw(known, less)
        assert traces_flaw(known, replace(less, increment=Blocks(2 * needed))) == ""


@pytest.mark.parametrize("name", ["local", "sepolia", "base-sepolia", "arbitrum-sepolia"])
def test_rule_13_no_game_of_leases_that_pass_ever_runs_out_of_time(name: str) -> None:
    """A challenger of all items goes down level by level; clocks are those of `DisputeMoves`."""
    network = shipped_network(name)
    terms, unit_ms = default_dispute_terms(network), 1_000 * network.seconds(Blocks(1))
    means = Means(terms.move_clock, terms.increment, unit_ms, memory_bytes=1 << 40, disk_bytes=2 << 28)
    mined_ms, passed = 2_000 * network.seconds_per_block, 0
    for items in (10, 60, 140, 300, 1_000, 20_000):
        for item_ms in (100, 1_000, 60_000):
            for count in (1, 3):
                known = [held(n, items, item_ms, value_bytes=1 << 28, reading_ms=50) for n in range(count)]
                if traces_flaw(known, means):
                    continue
                passed += count
                left = means.clock_ms
                for _ in range(STRAIGHT_MOVES + 30):
                    left -= count * items * (known[0].run_ms + 50 * (count > 1)) + STARTUP_MS + mined_ms
                    assert left >= 0, (items, item_ms)
                    left += means.increment_ms
    assert passed
