"""Open bids are shared out so that no client takes them all."""

from provider_node.clients import places_of


def test_a_client_may_have_fewer_bids_the_more_are_taken() -> None:
    assert [places_of(20, taken, 200) for taken in (0, 100, 190, 199)] == [20, 10, 1, 1]


def test_ten_clients_that_take_all_they_can_leave_room_for_others() -> None:
    taken = [0] * 10
    for _ in range(200):
        for index, mine in enumerate(taken):
            if mine < places_of(20, sum(taken), 200):
                taken[index] += 1
    assert sum(taken) <= 110
