"""Places that many want are shared out."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.net.places import Places


def filled(total: int, per_peer: int, *holders: tuple[str, str, int]) -> Places[int]:
    places, item = Places[int](total, per_peer), 0
    for host, peer, count in holders:
        for _ in range(count):
            assert places.take(item, host, peer) is None
            item += 1
    return places


def test_a_newcomer_of_another_host_pushes_out_the_newest_of_who_has_most() -> None:
    places = filled(6, 9, ("a", "1", 2), ("b", "2", 3), ("b", "3", 1))
    assert places.take(99, "c", "4") == 4
    assert 99 in places
    assert len(places) == 6


def test_a_newcomer_of_the_fullest_host_pushes_out_its_busiest_peer() -> None:
    places = filled(4, 9, ("a", "1", 3), ("a", "2", 1))
    assert places.take(99, "a", "2") == 2


def test_among_equals_it_is_the_newcomer_that_has_no_place() -> None:
    places = filled(4, 9, ("a", "1", 2), ("b", "2", 2))
    assert places.take(99, "a", "1") == 99
    assert 99 not in places
    assert places.held("1") == 2


def test_a_peer_has_its_share_and_no_more() -> None:
    places = filled(9, 2, ("a", "1", 2))
    assert places.take(99, "b", "1") == 99
    places.leave(0)
    assert places.take(99, "b", "1") is None
    places.leave(0)
    assert places.held("1") == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.booleans()), max_size=60))
def test_whoever_holds_few_is_never_kept_out_by_who_holds_many(
    steps: list[tuple[str, int, bool]],
) -> None:
    places, held = Places[int](5, 3), dict[int, tuple[str, int]]()
    for item, (host, number, stays) in enumerate(steps):
        peer = (host, number)
        leaving = places.take(item, host, peer)
        hosts = [each for each, _ in held.values()]
        if leaving == item:
            own = sum(each == peer for each in held.values())
            fullest = max(map(hosts.count, hosts), default=0)
            assert own == 3 or hosts.count(host) + 1 >= fullest
        else:
            held[item] = peer
            if leaving is not None:
                assert hosts.count(held.pop(leaving)[0]) >= hosts.count(host)
        if not stays:
            places.leave(item)
            held.pop(item, None)
        assert len(places) == len(held) <= 5
        assert all(places.held(peer) <= 3 for peer in held.values())
