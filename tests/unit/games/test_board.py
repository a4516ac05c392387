"""Which games a challenger goes on with."""

import pytest

from protocol.dispute.records import Game, Phase
from protocol.games.board import still_holds


@pytest.mark.parametrize(
    ("phase", "bond", "holds"),
    [
        (Phase.REVEAL, 1, True),
        (Phase.REVEAL, 0, False),
        (Phase.CLAIMED, 1, True),
        (Phase.CLAIMED, 0, True),  # answers have spent the bond: the share is still to be collected
        (Phase.LOST, 1, False),
        (Phase.NONE, 1, False),
    ],
)
def test_a_game_is_gone_on_with_while_a_bond_or_a_share_is_in_it(
    phase: Phase, bond: int, holds: bool
) -> None:
    assert still_holds(Game(phase, bond=bond)) == holds
