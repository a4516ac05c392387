"""The watchtower's choice: bounded, repeatable, unpredictable from outside."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import Bid
from protocol.types import Address, BlockNo, Blocks, Hash32, LeaseClass, LeaseId, Verification
from tests.strategies.messages import bids
from watchtower.judge import WHOLE_SHARE, Pass, Policy, PostedResult, Rerun, View, judge, next_try

SECRET = b"\x05" * 32
RESULTS = st.lists(
    st.builds(
        PostedResult,
        st.binary(min_size=32, max_size=32).map(LeaseId),
        bids(),
        st.just(Hash32(bytes(32))),
        st.integers(0, 50).map(BlockNo),
    ),
    max_size=6,
    unique_by=lambda r: r.lease,
).map(tuple)


def tape_bid(owner: int = 1) -> Bid:
    zero = Hash32(bytes(32))
    return Bid(
        client=Address(bytes(20)),
        rate_per_block=1,
        owner=Address(bytes([owner]) * 20),
        completion_fee=0,
        job_hash=zero,
        delegates=zero,
        bond=0,
        capacity_nonce=0,
        expiry=9,
        start_deadline=1,
        grace=1,
        max_blocks=1,
        top_up_cap=1,
        result_deadline=1,
        challenge_window=1,
        trace_allowance=0,
        token=0,
        lease_class=LeaseClass.JOB,
        verification=Verification.TAPE,
        flags=0,
    )


def result(number: int, bid: Bid | None = None, end: int = 100) -> PostedResult:
    return PostedResult(
        LeaseId(number.to_bytes(32, "big")), bid or tape_bid(), Hash32(bytes(32)), BlockNo(end)
    )


def view(*results: PostedResult, height: int = 0, judged=(), running=()) -> View:
    return View(BlockNo(height), results, frozenset(judged), frozenset(running))


EVERYTHING = Policy(SECRET, WHOLE_SHARE, frozenset())


@given(RESULTS, st.integers(0, 60))
def test_never_late_never_twice(results, height) -> None:
    running = frozenset(r.id for r in results[:1])
    judged = frozenset(r.id for r in results[1:2])
    seen = View(BlockNo(height), results, judged, running)
    actions = judge(seen, EVERYTHING)
    reruns = [a.result for a in actions if isinstance(a, Rerun)]
    assert all(r.window_end > height and r.id not in judged | running for r in reruns)
    assert judge(seen, EVERYTHING) == actions


def test_all_are_looked_at_first_the_one_whose_window_ends_first() -> None:
    late, soon = result(1, end=90), result(2, end=10)
    assert judge(view(late, soon), EVERYTHING) == (Rerun(soon), Rerun(late))


def test_a_share_is_drawn_and_the_secret_decides_which() -> None:
    results = tuple(result(n) for n in range(400))
    drawn = {
        secret: {
            a.result.lease
            for a in judge(view(*results), Policy(secret, 2_500, frozenset()))
            if isinstance(a, Rerun)
        }
        for secret in (SECRET, b"\x06" * 32)
    }
    assert all(60 <= len(d) <= 140 for d in drawn.values())
    assert drawn[SECRET] != drawn[b"\x06" * 32]


def test_chosen_providers_are_always_rerun_others_never_at_share_zero() -> None:
    policy = Policy(SECRET, 0, frozenset({tape_bid(2).owner}))
    actions = judge(view(result(1), result(2, tape_bid(2))), policy)
    assert Rerun(result(2, tape_bid(2))) in actions
    assert Pass(result(1).lease, "not drawn") in actions


def test_private_results_and_services_are_passed_with_the_reason() -> None:
    private = dataclasses.replace(tape_bid(), flags=1)
    opaque = dataclasses.replace(tape_bid(), lease_class=LeaseClass.SERVICE)
    whys = [
        a.why for a in judge(view(result(1, private), result(2, opaque)), EVERYTHING) if isinstance(a, Pass)
    ]
    assert [w.split(":")[0] for w in whys] == ["private", "a service owes no result"]


def test_what_could_not_be_judged_is_tried_again_when_it_is_due() -> None:
    old, new = result(1, end=50), result(2, end=90)
    seen = View(BlockNo(10), (old, new), frozenset({old.id}), frozenset(), {old.id: 10})
    assert judge(seen, EVERYTHING) == (Rerun(old), Rerun(new))
    assert judge(dataclasses.replace(seen, height=BlockNo(9)), EVERYTHING) == (Rerun(new),)
    final = dataclasses.replace(seen, again={})
    assert judge(final, EVERYTHING) == (Rerun(new),)


def test_a_verdict_says_nothing_of_another_root_on_the_same_lease() -> None:
    """A re-org undoes a right result, and a wrong one is posted in its place."""
    right = result(1)
    wrong = dataclasses.replace(right, output_root=Hash32(b"\1" * 32))
    assert judge(view(right, judged=[right.id]), EVERYTHING) == ()
    assert judge(view(wrong, judged=[right.id]), EVERYTHING) == (Rerun(wrong),)
    assert judge(view(wrong, judged=[right.id], running=[wrong.id]), EVERYTHING) == ()


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(1, 300))
def test_tries_go_on_with_growing_pauses_to_the_end_of_the_window(
    window: int, begin: int, least: int
) -> None:
    """A provider that serves nothing for a while, so as not to be judged, is tried until it is too late."""
    asked = result(1, dataclasses.replace(tape_bid(), challenge_window=window), end=begin + window)
    now, tries, pauses = BlockNo(begin), 1, []
    while at := next_try(asked, now, tries, Blocks(least)):
        assert now < at < asked.window_end
        pauses.append(at - now)
        now, tries = BlockNo(at), tries + 1
    assert asked.window_end - now <= max(window // 16, 1)
    assert tries <= 2 + window // least
    assert pauses[:-1] == sorted(pauses[:-1]), "they grow"
    assert all(least <= pause <= max(window // 8, least) for pause in pauses[:-1])
