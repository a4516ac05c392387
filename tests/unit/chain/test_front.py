"""Who is behind what was seen of the chain is not believed; a chain that fell back is, after a while."""

import pytest

from protocol.chain import front
from protocol.chain.front import Front

LONG = front._FALLS_AFTER_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(front.time, "monotonic", lambda: now[0])
    return now


def test_who_is_behind_is_refused_and_says_by_how_much(clock: list[float]) -> None:
    seen = Front()
    seen.hold(7, seen.number)
    with pytest.raises(ValueError, match="is at block 6, block 7 was seen before"):
        seen.hold(6, seen.number)
    seen.hold(7, seen.number)
    seen.saw(9)
    with pytest.raises(ValueError, match="block 9"):
        seen.hold(8, seen.number)


def test_an_answer_is_held_to_what_was_seen_before_its_question(clock: list[float]) -> None:
    """Two threads ask one node; the first answer made may be the second one read."""
    seen = Front()
    floor = seen.number
    seen.hold(5, floor)
    seen.hold(4, floor)
    assert seen.number == 5


def test_a_chain_that_stays_shorter_is_believed_and_one_glimpse_of_it_is_not(clock: list[float]) -> None:
    seen = Front()
    seen.hold(20, seen.number)
    for _ in range(2):
        with pytest.raises(ValueError, match="seen"):
            seen.hold(3, seen.number)
        clock[0] += LONG - 1
        seen.hold(20, seen.number)  # the chain is as long as ever: the other node lags
    with pytest.raises(ValueError, match="seen"):
        seen.hold(3, seen.number)
    clock[0] += LONG
    seen.hold(3, seen.number)
    assert seen.number == 3
    seen.hold(4, seen.number)
