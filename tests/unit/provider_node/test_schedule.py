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


def test_what_is_lost_makes_nothing_else_late() -> None:
    """A client may have put an item in that takes longer than its clock: its own lease alone is lost."""
    lost, fine = run(100, 300), run(250, 200)
    assert next_run([lost, fine]) == fine
    assert next_run([lost, run(900, 200)]) == lost, "there is time for both, and an estimate may be wrong"
    assert next_run([lost]) == lost
    assert gives_way(lost, 10, [fine])
    assert not gives_way(lost, 10, [run(900, 200)])
    assert gives_way(run(200, 100), 250, [run(300, 100)]), "it takes much longer than expected"


@given(st.lists(RUNS, max_size=8))
def test_the_nearest_deadline_that_can_be_kept_is_next(waiting: list[Run]) -> None:
    chosen = next_run(waiting)
    if not waiting:
        assert chosen is None
        return
    assert chosen is not None
    kept = [each.left_ms for each in waiting if each.fits]
    assert chosen.left_ms <= min(kept, default=chosen.left_ms)
    if not chosen.fits:
        assert all(chosen.needs_ms + each.needs_ms <= each.left_ms for each in waiting if each.fits)


@given(RUNS, st.integers(0, 800), st.lists(RUNS, max_size=5))
def test_a_run_gives_way_only_if_it_is_lost_or_can_be_made_again_in_time(
    current: Run, spent: int, waiting: list[Run]
) -> None:
    if gives_way(current, spent, waiting):
        soonest = min(each.needs_ms for each in waiting if each.fits)
        rest = current.needs_ms - spent if spent < current.needs_ms else spent
        assert rest > current.left_ms or soonest + max(current.needs_ms, spent) <= current.left_ms
