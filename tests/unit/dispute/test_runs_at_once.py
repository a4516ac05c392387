"""An audit of a long item makes no short one late."""

from protocol.games.runs_at_once import AT_ONCE, MOST, may_begin


def test_a_run_that_is_due_first_waits_for_none() -> None:
    long = [10_000] * AT_ONCE
    assert may_begin(20_000, long[1:])
    assert not may_begin(10_000, long)
    assert may_begin(100, long)


def test_no_more_run_than_memory_is_meant_for() -> None:
    assert not may_begin(1, [100] * MOST)
