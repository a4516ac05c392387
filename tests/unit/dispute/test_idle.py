"""Leases held though nobody moves: who is given how long, and what is then ended."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.dispute.delivery.names import Kind, Wanted
from protocol.dispute.idle import Due, EndDemand, EndGame, Held, OpenDemand, OpenGame, Settle, due
from protocol.dispute.names import Case
from protocol.dispute.records import Conviction, Game, Phase, Verdict
from protocol.types import Address, Hash32, LeaseId

PATIENCE, CLAIM = 5, 10
WANTED = Wanted(Kind.ROOTS, Hash32(b"n" * 32), 32)


def game(phase: Phase, moved_at: int = 100, left: int = 30, name: int = 1) -> OpenGame:
    state = Game(phase, opened_at=90, moved_at=moved_at, provider_left=left, challenger_left=left)
    case = Case(LeaseId(b"l" * 32), Hash32(b"j" * 32), 0, Hash32(b"r" * 32))
    return OpenGame(Hash32(bytes([name]) * 32), case, Address(b"c" * 20), Hash32(b"s" * 32), state)


def held(now: int, *games: OpenGame, **changes: Any) -> Held:
    fields = {"posted": True, "verdict": Verdict(), "claim_period": CLAIM, "games": games, "demands": ()}
    return Held(now, **{**fields, "patience": PATIENCE, "right": True, **changes})


P, C = game(Phase.TRACE), game(Phase.PICK)
DUE = 130 + PATIENCE + 1
SILENT = Verdict(Conviction.SILENT, since=140)

SITUATIONS: dict[str, tuple[Held, Due]] = {
    "nothing is held": (held(500), Due((), None)),
    "the provider is in time": (held(130, P), Due((), DUE)),
    "its challenger may still call": (held(DUE - 1, P), Due((), DUE)),
    "nobody called": (held(DUE, P), Due((EndGame(P),), DUE + 1)),
    "so too if the result is not known to be right": (held(DUE, P, right=False), Due((EndGame(P),), DUE + 1)),
    "a challenger vanished": (held(DUE, C), Due((EndGame(C),), DUE + 1)),
    "no wrong result is helped along": (held(DUE, C, right=False), Due((), None)),
    "a demand is in time": (held(50, demands=(OpenDemand(WANTED, 60),)), Due((), 66)),
    "a demand was not answered": (held(66, demands=(OpenDemand(WANTED, 60),)), Due((EndDemand(WANTED),), 67)),
    "shares may be claimed": (held(155, P, C, verdict=SILENT), Due((), 156)),
    "nobody settled": (held(156, P, C, verdict=SILENT), Due((Settle(),), 157)),
    "settled": (held(900, P, C, verdict=Verdict(Conviction.SILENT, settled=True)), Due((), None)),
    "the lease is over": (held(900, P, C, posted=False), Due((), None)),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(name: str) -> None:
    table, expected = SITUATIONS[name]
    assert due(table) == expected


def test_a_conviction_comes_alone_and_first() -> None:
    """After it no clock can be called, and a challenger that is late as well loses nothing."""
    late = [game(Phase.PICK, 10, name=name) for name in (2, 3)]
    assert due(held(DUE, *late, P)).actions == (EndGame(P),)
    assert due(held(DUE, *late)).actions == tuple(map(EndGame, late))


GAMES = st.builds(
    game,
    st.sampled_from([p for p in Phase if p.live]),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(1, 9),
)


@given(st.lists(GAMES, max_size=4), st.integers(0, 300), st.booleans())
def test_nobody_is_cut_off_and_nothing_is_forgotten(games: list[OpenGame], now: int, right: bool) -> None:
    found = due(held(now, *games, right=right))
    for action in found.actions:
        assert isinstance(action, EndGame)
        assert now > action.game.deadline + PATIENCE
        assert right or action.game.state.phase.provider_moves
    if found.again_at is not None:
        assert found.again_at > now
    elif right:
        assert not games
