"""Who is behind what was seen of the chain is not believed; who says most shuts out nobody."""

import pytest

from protocol.chain import front
from protocol.chain.front import MAY_LAG_S, Front, Reach

LONG = front._FALLS_AFTER_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(front.time, "monotonic", lambda: now[0])
    return now


def reached(clock: list[float], number: int) -> Reach:
    """A URL that has shown a block for longer than its other nodes may lag."""
    reach = Reach()
    reach.hold(number, reach.floor)
    clock[0] += MAY_LAG_S
    return reach


def believe(seen: Front, reach: Reach, number: int, floor: int) -> None:
    """As `Rpc` does, where its newest block is young."""
    seen.hold(reach, number, floor, follows=reach.moves(number))


def test_a_url_that_is_behind_itself_is_refused(clock: list[float]) -> None:
    """It stands for many nodes, some of which lag."""
    reach = reached(clock, 7)
    for _ in range(2):
        with pytest.raises(ValueError, match="is at block 6, and was at block 7 before"):
            reach.hold(6, reach.floor)
        clock[0] += LONG - 1
        reach.hold(7, reach.floor)  # the fresh node again
    with pytest.raises(ValueError, match="before"):
        reach.hold(6, reach.floor)


def test_a_pool_whose_stale_node_answers_in_turn_with_a_fresh_one_stays_held_to_the_fresh_one(
    clock: list[float],
) -> None:
    reach = reached(clock, 7)
    for _ in range(20):
        with pytest.raises(ValueError, match="before"):
            reach.hold(6, reach.floor)
        clock[0] += LONG / 8
        reach.hold(7, reach.floor)
        clock[0] += LONG / 8


def test_nodes_of_one_url_may_be_a_moment_behind_each_other(clock: list[float]) -> None:
    """On chains of many blocks a second all but the first one are, at any time."""
    reach = reached(clock, 7)
    for number in range(8, 40):
        reach.hold(number, reach.floor)
        clock[0] += 0.25
        reach.hold(number - 1, reach.floor)
    with pytest.raises(ValueError, match=r"is at block 30, and was at block 3\d before"):
        reach.hold(30, reach.floor)


def test_an_answer_is_held_to_what_was_seen_before_its_question(clock: list[float]) -> None:
    """Two threads ask one node; the first answer made may be the second one read."""
    reach, all_of_them = Reach(), Front()
    own, floor = reach.floor, all_of_them.floor
    for number in (5, 4):
        reach.hold(number, own)
        believe(all_of_them, reach, number, floor)
        clock[0] += MAY_LAG_S
    assert (all_of_them.number, all_of_them.floor, reach.floor) == (5, 5, 5)


def test_a_chain_that_stays_shorter_is_believed(clock: list[float]) -> None:
    reach = reached(clock, 20)
    for _ in range(5):
        with pytest.raises(ValueError, match="before"):
            reach.hold(3, reach.floor)
        clock[0] += LONG / 5
    reach.hold(3, reach.floor)
    assert reach.floor == 3
    reach.hold(4, reach.floor)


def test_two_glimpses_a_minute_apart_are_no_minute(clock: list[float]) -> None:
    reach = reached(clock, 20)
    for _ in range(3):
        with pytest.raises(ValueError, match="before"):
            reach.hold(19, reach.floor)
        clock[0] += LONG + 1


def test_another_url_that_is_behind_waits_until_it_is_no_more(clock: list[float]) -> None:
    seen, second = Front(), Reach()
    believe(seen, Reach(), 9, seen.floor)
    clock[0] += MAY_LAG_S
    for _ in range(3):
        with pytest.raises(ValueError, match="is at block 8, block 9 was seen before"):
            believe(seen, second, 8, seen.floor)
    believe(seen, second, 9, seen.floor)
    assert seen.number == 9
    with pytest.raises(ValueError, match="block 9"):
        believe(seen, second, 7, seen.floor)  # it is believed no longer for having moved once


def test_who_was_believed_again_has_to_move_anew_once_it_is_refused_again(clock: list[float]) -> None:
    seen, first, second = Front(), Reach(), Reach()
    believe(seen, first, 9, seen.floor)
    clock[0] += MAY_LAG_S
    with pytest.raises(ValueError, match="block 9"):
        believe(seen, second, 8, seen.floor)
    believe(seen, second, 9, seen.floor)
    believe(seen, first, 20, seen.floor)
    clock[0] += MAY_LAG_S
    with pytest.raises(ValueError, match="block 20"):
        believe(seen, second, 10, seen.floor)


def test_no_high_number_shuts_out_who_moves_on_and_one_that_is_stuck_stays_out(clock: list[float]) -> None:
    seen, honest, stuck = Front(), Reach(), Reach()
    believe(seen, Reach(), 1 << 60, seen.floor)
    clock[0] += MAY_LAG_S
    for reach, number in ((honest, 9), (stuck, 5)):
        with pytest.raises(ValueError, match="was seen before"):
            believe(seen, reach, number, seen.floor)
    with pytest.raises(ValueError, match="was seen before"):
        believe(seen, stuck, 5, seen.floor)
    assert honest.moves(10)
    believe(seen, honest, 10, seen.floor)
    assert seen.floor == seen.number == 10
    believe(seen, honest, 11, seen.floor)


def test_who_moved_on_long_after_it_was_refused_has_not_shown_that_it_follows(clock: list[float]) -> None:
    seen, second = Front(), Reach()
    believe(seen, Reach(), 900, seen.floor)
    clock[0] += MAY_LAG_S
    for number in (100, 200, 300):
        with pytest.raises(ValueError, match="was seen before"):
            believe(seen, second, number, seen.floor)
        clock[0] += front._MOVES_WITHIN_S


def test_it_tells_for_how_long_nothing_has_moved(clock: list[float]) -> None:
    seen, reach = Front(), Reach()
    clock[0] += 7
    assert seen.still_for == 7
    believe(seen, reach, 1, seen.floor)
    clock[0] += 5
    believe(seen, reach, 1, seen.floor)
    assert seen.still_for == 5
