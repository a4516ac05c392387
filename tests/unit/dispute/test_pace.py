"""When traces of one lease are posted."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.dispute.pace import Opened, post_from
from protocol.types import BlockNo, Blocks

A, CAP = Blocks(10), Blocks(1_000)


def games(*pairs: tuple[int, int]) -> list[Opened]:
    return [Opened(item, BlockNo(at)) for item, at in pairs]


def test_the_first_trace_is_posted_at_once_and_the_next_an_allowance_later() -> None:
    both = games((3, 100), (5, 101))
    assert post_from(3, both, A, CAP) == 100
    assert post_from(5, both, A, CAP) == 110
    assert post_from(5, both[1:], A, CAP) == 101, "the other is of no game"
    assert post_from(5, games((3, 100), (5, 140)), A, CAP) == 140, "that was long ago"


def test_more_games_about_an_item_change_nothing() -> None:
    assert post_from(5, games((3, 100), (3, 101), (3, 102), (5, 103), (5, 190)), A, CAP) == 110


def test_no_trace_is_held_longer_than_allowances_add_to_its_clock() -> None:
    many = games(*((item, 100) for item in range(50)))
    assert post_from(49, many, A, Blocks(25)) == 125


def test_of_games_that_began_together_what_is_owed_soonest_is_first() -> None:
    owed = [Opened(1, BlockNo(100), BlockNo(180)), Opened(2, BlockNo(100), BlockNo(170))]
    assert post_from(2, owed, A, CAP) == 100
    assert post_from(1, owed, A, CAP) == 110


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=20), st.integers(1, 9)
)
def test_a_trace_s_turn_leaves_a_whole_move_clock(openings: list[tuple[int, int]], allowance: int) -> None:
    """Each game's clock has an allowance for every item that is owed when it begins (`_traceClock`)."""
    now, seen = 0, list[Opened]()
    for pause, item in openings:
        now += pause
        fresh = item not in {each.item for each in seen}
        first = {each.item: post_from(each.item, seen, Blocks(allowance), CAP) for each in seen}
        owed = sum(turn > now for turn in first.values()) + 1
        seen.append(Opened(item, BlockNo(now)))
        if fresh:
            allowed = now + min(owed * allowance, CAP)
            assert now <= post_from(item, seen, Blocks(allowance), CAP) <= allowed
