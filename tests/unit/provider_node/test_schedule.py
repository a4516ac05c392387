"""Which run is next, and when one gives way."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.types import LeaseId
from provider_node.defence.schedule import Run, gives_way, next_run

RUNS = st.builds(
    Run,
    st.tuples(st.integers(0, 3).map(lambda i: LeaseId(bytes([i]) * 32)), st.integers(0, 9)),
    st.integers(-10, 1_000),
    st.integers(1, 400),
)


def run(left: int, needs: int) -> Run:
    return Run((LeaseId(bytes(32)), 0), left, needs)


def test_a_run_gives_way_only_if_that_saves_the_other_and_costs_it_nothing() -> None:
    long = run(1_000, 300)
    assert gives_way(long, 0, [run(200, 100)])
    assert not gives_way(long, 0, [run(400, 100)]), "it can wait"
    assert not gives_way(long, 0, [run(90, 100)]), "it is late already"
    assert not gives_way(run(350, 300), 0, [run(200, 100)]), "the first one would be late"
    assert not gives_way(long, 250, [run(200, 100)]), "it is nearly done"
    assert gives_way(long, 310, [run(200, 100)]), "it takes longer than expected, and may take as long again"
    assert not gives_way(long, 0, [run(2_000, 1_900)]), "its deadline is farther"


@given(st.lists(RUNS))
def test_the_nearest_deadline_is_next(waiting: list[Run]) -> None:
    chosen = next_run(waiting)
    assert chosen is None if not waiting else chosen.left_ms == min(each.left_ms for each in waiting)


@given(RUNS, st.integers(0, 800), st.lists(RUNS, max_size=5))
def test_a_run_that_gave_way_can_always_be_made_again_in_time(
    current: Run, spent: int, waiting: list[Run]
) -> None:
    if gives_way(current, spent, waiting):
        first = min(waiting, key=lambda each: each.left_ms)
        assert any(
            each.needs_ms + max(current.needs_ms, spent) <= current.left_ms
            for each in waiting
            if each.left_ms >= each.needs_ms
        )
        assert first.left_ms < current.left_ms
