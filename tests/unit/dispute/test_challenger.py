"""The challenger's judge: a table of situations, and what no situation may lead to."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.dispute.challenger import (
    MARGIN,
    TRIES,
    Action,
    ClaimShare,
    CollectGame,
    Leave,
    Open,
    Own,
    Play,
    SettleLease,
    Table,
    TimeOut,
    Wait,
    attempts_on,
    judge,
    salt_of,
)
from protocol.dispute.names import Case
from protocol.dispute.purse import GAME_GAS, Limits, Purse
from protocol.dispute.records import Conviction, Game, Phase, Place, Verdict
from protocol.types import BrokenInvariant, Hash32, LeaseId, Wei

GWEI, COIN = 10**9, 10**18
LIMITS = Limits(*(Wei(COIN) for _ in range(4)))
PURSE = Purse(Wei(10 * COIN), Wei(COIN // 10), Wei(GWEI), Wei(0), 0, LIMITS)
PROVEN, SILENT = Verdict(Conviction.PROVEN, since=60), Verdict(Conviction.SILENT, since=60)


def case(item: int = 3) -> Case:
    return Case(LeaseId(b"l" * 32), Hash32(b"j" * 32), item, Hash32(b"r" * 32))


def own(phase: Phase, name: int = 1, item: int = 3, **changes: Any) -> Own:
    waits = changes.pop("waits", False)
    clocks = {"opened_at": 40, "moved_at": 45, "provider_left": 30, "challenger_left": 20, "bond": 7}
    return Own(Hash32(bytes([name]) * 32), case(item), Game(phase, **{**clocks, **changes}), waits)


def place(item: int = 3, exact: bool = False, landed_at: int = 50) -> Place:
    zero = Hash32(bytes(32))
    return Place(case(item).id, 1, 0, 0, 0, 4, zero, 1, 2, exact, landed_at)


def table(*games: Own, **changes: Any) -> Table:
    fields = {
        "now": 50,
        "posted": True,
        "ended": False,
        "window_end": 100,
        "verdict": Verdict(),
        "place": None,
    }
    return Table(**{**fields, "claim_period": 10, "own": games, "suspect": 3, "purse": PURSE, **changes})


G = own(Phase.PICK).game
SITUATIONS: dict[str, tuple[Table, tuple[Action, ...] | type[Action]]] = {
    "a wrong item": (table(), (Open(3, 0),)),
    "nothing wrong": (table(suspect=None), Leave),
    "no result": (table(posted=False, ended=True), Leave),
    "no result yet, or a node that lags": (table(posted=False), Wait),
    "last readings of the window": (table(now=100 - MARGIN), (Open(3, 0),)),
    "window too short": (table(now=101 - MARGIN), Leave),
    "bond over the limit": (table(purse=replace(PURSE, bond=Wei(2 * COIN))), Wait),
    "bond of the day": (table(purse=replace(PURSE, bonds_of_day=Wei(COIN))), Wait),
    "gas price": (table(purse=replace(PURSE, gas_price=Wei(COIN // GAME_GAS + 1))), Wait),
    "gas of the day": (table(purse=replace(PURSE, gas_price=Wei(300 * GWEI), games_of_day=3)), Wait),
    "a slow machine": (table(purse=replace(PURSE, too_slow="an item takes 90 s here")), Wait),
    "a poor wallet": (table(purse=replace(PURSE, coin=Wei(COIN // 10))), Wait),
    "own turn": (table(own(Phase.PICK)), (Play(G),)),
    "own turn, last reading": (table(own(Phase.PROVE), now=65), (Play(G),)),
    "own clock ran out": (table(own(Phase.SPAN), now=66), Wait),
    "provider's turn": (table(own(Phase.REVEAL)), (Wait("the provider is to move", 75),)),
    "provider's last reading": (table(own(Phase.CHAIN), now=75), Wait),
    "provider silent": (table(own(Phase.TRACE), now=76), (TimeOut(G),)),
    "others showed something": (table(own(Phase.REVEAL, waits=True)), (Play(G, early=True),)),
    "one game is enough": (table(own(Phase.REVEAL), suspect=4), Wait),
    "lost by the clock": (table(own(Phase.LOST)), (Open(3, 1),)),
    "lost on another item": (table(own(Phase.LOST, item=9)), (Open(3, 0),)),
    "lost too often": (table(*(own(Phase.LOST, n) for n in range(TRIES))), Leave),
    "convicted by another": (table(verdict=PROVEN, place=place()), Leave),
    "won": (table(own(Phase.WON), verdict=PROVEN, place=place()), (ClaimShare(G, Conviction.PROVEN),)),
    "live when another won": (
        table(own(Phase.REVEAL), verdict=PROVEN, place=place()),
        (ClaimShare(G, Conviction.PROVEN),),
    ),
    "sealed after landing": (
        table(own(Phase.REVEAL, opened_at=50, moved_at=51), verdict=PROVEN, place=place()),
        (CollectGame(G),),
    ),
    "sealed after landing, exact": (
        table(own(Phase.REVEAL, opened_at=50, moved_at=51), verdict=PROVEN, place=place(exact=True)),
        (ClaimShare(G, Conviction.PROVEN),),
    ),
    "never moved": (
        table(own(Phase.PICK, opened_at=45), verdict=PROVEN, place=place()),
        (CollectGame(G),),
    ),
    "convicted elsewhere": (
        table(own(Phase.REVEAL), verdict=PROVEN, place=place(item=4)),
        (CollectGame(G),),
    ),
    "a share to claim, a bond to collect": (
        table(own(Phase.REVEAL, 2, moved_at=40), own(Phase.REVEAL), verdict=PROVEN, place=place()),
        (ClaimShare(G, Conviction.PROVEN), CollectGame(own(Phase.REVEAL, 2).game)),
    ),
    "a silent provider, and an own turn": (
        table(own(Phase.REVEAL, 2, provider_left=1), own(Phase.PICK)),
        (Play(G), TimeOut(own(Phase.REVEAL, 2).game)),
    ),
    "claim period over": (
        table(own(Phase.REVEAL), verdict=PROVEN, place=place(), now=71),
        (CollectGame(G),),
    ),
    "won, but came too late": (
        table(own(Phase.WON), verdict=PROVEN, place=place(), now=71),
        (CollectGame(G), SettleLease()),
    ),
    "silence": (table(own(Phase.WON), verdict=SILENT), (ClaimShare(G, Conviction.SILENT),)),
    "opened after silence": (table(own(Phase.PICK, opened_at=60), verdict=SILENT), (CollectGame(G),)),
    "claimed": (table(own(Phase.CLAIMED), verdict=PROVEN, now=70), Wait),
    "to be settled": (table(own(Phase.CLAIMED), verdict=PROVEN, now=71), (SettleLease(),)),
    "settled": (
        table(own(Phase.CLAIMED), verdict=replace(PROVEN, settled=True, reward=5)),
        (CollectGame(G),),
    ),
    "settled, bond left": (
        table(own(Phase.REVEAL), verdict=replace(PROVEN, settled=True, reward=5)),
        (CollectGame(G),),
    ),
    "collected": (
        table(own(Phase.LOST, bond=0), verdict=replace(PROVEN, settled=True, reward=5)),
        Leave,
    ),
    "bond back, no share": (
        table(own(Phase.REVEAL, bond=0), verdict=replace(PROVEN, settled=True, reward=5)),
        Leave,
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_has_its_action(name: str) -> None:
    seen, wanted = SITUATIONS[name]
    found = judge(seen)
    if isinstance(wanted, tuple):
        assert found == wanted
    else:
        assert len(found) == 1
        assert isinstance(found[0], wanted)
        assert getattr(found[0], "why", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bond over the limit", "a game's bond is 2 coin, bond_per_game allows 1 coin"),
        ("bond of the day", "the day's bonds would be 1.1 coin, bond_per_day allows 1 coin"),
        ("gas of the day", "the day's gas may cost 1.2 coin, gas_per_day allows 1 coin"),
        ("a slow machine", "an item takes 90 s here"),
        ("a poor wallet", "bond and gas of a game may take 0.101 coin, the wallet holds 0.1 coin"),
    ],
)
def test_what_the_purse_does_not_allow_is_said_with_the_sums(name: str, said: str) -> None:
    (found,) = judge(SITUATIONS[name][0])
    assert isinstance(found, Wait)
    assert found.refused
    assert said in found.why


def test_nothing_is_opened_without_a_look_into_the_purse() -> None:
    with pytest.raises(BrokenInvariant):
        judge(table(purse=None))


GAMES = st.builds(
    lambda phase, name, item, moved, left, bond: own(
        phase, name, item, moved_at=moved, provider_left=left, challenger_left=left, bond=bond
    ),
    st.sampled_from(list(Phase)[1:]),
    st.integers(1, 200),
    st.integers(2, 4),
    st.integers(40, 60),
    st.integers(0, 40),
    st.integers(0, 3),
)
VERDICTS = st.builds(
    Verdict, st.sampled_from(Conviction), st.booleans(), st.integers(40, 60), reward=st.integers(0, 3)
)


@given(
    st.lists(GAMES, max_size=4, unique_by=lambda game: game.game),
    VERDICTS,
    st.integers(40, 120),
    st.booleans(),
    st.sampled_from([None, 3, 4]),
)
def test_no_situation_opens_a_game_beside_another_or_for_nothing(
    games, verdict, now, posted, suspect
) -> None:
    seen = table(*games, verdict=verdict, now=now, posted=posted, suspect=suspect, place=place())
    found = judge(seen)
    assert found
    assert judge(seen) == found
    opened = [action for action in found if isinstance(action, Open)]
    if opened:
        assert found == (Open(suspect, attempts_on(seen, suspect)),)
        assert posted
        assert verdict.how is Conviction.NONE
        assert now + MARGIN <= seen.window_end
        assert not any(game.live for game in games)
    if any(isinstance(action, Play | TimeOut) for action in found):
        assert verdict.how is Conviction.NONE
    if any(isinstance(action, Leave) for action in found):
        assert len(found) == 1
        assert verdict.how is not Conviction.NONE or not any(game.live for game in games)


def test_salts_are_made_again_and_differ_by_item_and_attempt() -> None:
    lease = LeaseId(b"l" * 32)
    salts = {salt_of(b"s", lease, item, attempt) for item in range(3) for attempt in range(3)}
    assert len(salts) == 9
    assert salt_of(b"s", lease, 1, 1) in salts
    assert salt_of(b"t", lease, 1, 1) not in salts
