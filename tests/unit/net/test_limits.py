"""Token buckets, scores, the address book: pure, with the clock passed in."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.net.book import MAX_ADDRS, AddressBook
from protocol.net.limits import Buckets, TokenBucket
from protocol.net.score import BAN_AT, DECAY_PER_S, Fault, Scores
from protocol.types import Address


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=60))
def test_a_bucket_never_gives_more_than_rate_and_burst(steps: list[tuple[float, float]]) -> None:
    bucket, now, given_out = TokenBucket(2.0, 6.0, 0.0), 0.0, 0.0
    for pause, amount in steps:
        now += pause
        if bucket.take(amount, now):
            given_out += amount
        assert given_out <= 6.0 + 2.0 * now + 1e-6


def test_a_bucket_fills_again_and_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1.0, 2.0, 100.0)
    assert bucket.take(2, 100.0)
    assert not bucket.take(1, 50.0)
    assert bucket.take(1, 101.5)


def test_buckets_are_apart_and_bounded_in_number() -> None:
    buckets: Buckets[int] = Buckets(1.0, 1.0, max_keys=2)
    assert buckets.take(1, 1, 0.0)
    assert buckets.take(2, 1, 0.0)
    assert not buckets.take(1, 1, 0.0)
    assert buckets.take(3, 1, 0.0)
    # Key 2 was used longest ago and is forgotten; key 1 is not.
    assert not buckets.take(1, 1, 0.0)
    assert buckets.take(2, 1, 0.0)


def test_points_decay_and_a_hundred_ban_for_a_while() -> None:
    scores = Scores(ban_s=60)
    assert not scores.blame("p", Fault.OVERSIZED, 0.0)
    assert scores.points("p", 10.0) == Fault.OVERSIZED - 10 * DECAY_PER_S
    assert not scores.blame("p", Fault.OVERSIZED, 2 * Fault.OVERSIZED / DECAY_PER_S)
    assert scores.blame("p", Fault.OVERSIZED, 200.0)
    assert scores.banned("p", 259.0)
    assert not scores.banned("q", 259.0)
    assert not scores.banned("p", 260.0)
    assert scores.points("p", 260.0) == 0


def test_one_wrong_chunk_bans_and_a_pardon_lifts_it() -> None:
    scores = Scores(ban_s=60)
    assert Fault.WRONG_BYTES >= BAN_AT
    assert scores.blame("p", Fault.WRONG_BYTES, 0.0)
    scores.pardon("p")
    assert not scores.banned("p", 1.0)


def test_ten_thousand_liars_do_not_push_memory_up() -> None:
    scores = Scores(ban_s=60, max_peers=10)
    for index in range(100):
        scores.blame(str(index), Fault.WRONG_BYTES, 0.0)
        scores.blame(f"x{index}", Fault.RATE, 0.0)
    assert len(scores._banned) == len(scores._points) == 10


A, B, C = (Address(bytes(19) + bytes([n])) for n in (1, 2, 3))


def test_dials_back_off_to_the_last_value_and_start_afresh_after_a_success() -> None:
    book = AddressBook(1.0, 8.0)
    entry = book.learn(A, "peer", ["/ip4/1.2.3.4/tcp/1"], keep=True)
    waits = []
    for _ in range(6):
        book.failed(entry, 100.0, "refused")
        waits.append(entry.next_dial - 100.0)
    assert waits == [1, 2, 4, 8, 8, 8]
    assert book.due(105.0) == []
    assert book.waiting(105.0) == [entry]
    book.connected(entry)
    assert book.due(105.0) == [entry]


def test_failing_for_a_year_overflows_nothing() -> None:
    book = AddressBook(1.0, 8.0)
    entry = book.learn(A, "peer", [], keep=True)
    entry.failures = 10**6
    book.failed(entry, 0.0, "refused")
    assert entry.next_dial == 8.0


def test_a_new_registration_is_tried_at_once_and_the_same_one_changes_nothing() -> None:
    book = AddressBook(1.0, 8.0)
    entry = book.learn(A, "peer", ["/a"], keep=True)
    book.failed(entry, 0.0, "refused")
    assert book.learn(A, "peer", ["/a"], keep=False) is entry
    fresh = book.learn(A, "peer", ["/b"], keep=False)
    assert (fresh.next_dial, fresh.keep) == (0.0, True)


def test_a_full_book_gives_up_strangers_first_and_long_address_lists_are_cut() -> None:
    book = AddressBook(1.0, 8.0, max_entries=2)
    book.learn(A, "a", [f"/{n}" for n in range(100)], keep=True)
    book.learn(B, "b", [], keep=False)
    book.learn(C, "c", [], keep=False)
    assert book.get(B) is None
    kept = book.get(A)
    assert kept is not None
    assert len(kept.addrs) == MAX_ADDRS
    assert book.due(0.0)[0] is kept
