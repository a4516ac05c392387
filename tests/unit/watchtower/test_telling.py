"""What `gavel watchtower status` shows: short lines, each id once, and who is to do what until when."""

from dataclasses import replace

from protocol.games.report import WAITING, GameReport, about_time
from protocol.types import Wei
from watchtower.standings import Standing
from watchtower.telling import told
from watchtower.verdicts import Finding, Verdict

LEASE, OTHER, OWNER = ("0x" + digit * 64 for digit in "abc")
COIN = 10**18
GAME = GameReport(
    game="0x" + "d" * 64,
    lease=LEASE,
    owner=OWNER[:42],
    item=2,
    phase="reveal",
    mover="provider",
    at=100,
    clock_left=50,
    opened_at=90,
    moves=3,
    levels=4,
    node=7,
    node_name="Dense/MatMul",
    element=-1,
    segment=-1,
    bond=Wei(COIN // 10),
    bond_left=Wei(COIN // 20),
    gas=140_000,
    fees=Wei(COIN // 1_000),
    expected=5 * COIN,
    coin_back=Wei(0),
    reward=0,
    symbol="LOC",
    decimals=18,
    outcome="",
    doing=f"{WAITING} (until 150)",
    seconds_left=600,
)
WRONG = Verdict(LEASE, OWNER[:42], Finding.MISMATCH, "0x01", "0x02", first_different_item=2)
AWAY = Verdict(OTHER, OWNER[:42], Finding.UNAVAILABLE, "0x01", detail="nobody answers", tries=3, again_at=90)


def test_findings_and_games_lease_by_lease() -> None:
    lines = told([WRONG, AWAY], [Standing(LEASE, 100, GAME.doing, "", (GAME,))])
    assert lines == [
        "2 results re-run: 1 WRONG, 1 unavailable; 1 game open",
        f"lease {LEASE}",
        f"  WRONG RESULT of {OWNER[:42]}: first different item: 2",
        "    posted 0x01",
        "    re-run 0x02",
        "  game 0xdddddddd",
        "    item 2, 4 levels down, node 7 (Dense/MatMul)",
        "    the provider is to open the picked node: about 10 min left on its clock, until 150",
        "    spent 140000 gas for 0.001 coin; bond 0.1 coin; reward up to 5 LOC",
        f"lease {OTHER}",
        f"  unavailable, result of {OWNER[:42]}: tried 3 times, again from 90 on",
        "    nobody answers",
    ]
    assert all(len(line) <= 100 for line in lines)


def test_what_is_still_to_come_is_not_called_nothing() -> None:
    claimed = replace(GAME, mover="", phase="claimed", outcome="convicted", doing="shares are fixed later")
    assert claimed.lines()[1:] == (
        "convicted",
        "spent 140000 gas for 0.001 coin; bond 0.1 coin, not back yet; reward not fixed yet",
        "shares are fixed later",
    )
    paid = replace(claimed, over=True, coin_back=Wei(COIN // 20), reward=5 * COIN)
    assert paid.lines()[2:] == (
        "spent 140000 gas for 0.001 coin; bond 0.1 coin, 0.05 of it back; reward 5 LOC",
    )


def test_no_game_is_explained_and_an_empty_folder_too() -> None:
    refused = Standing(LEASE, 100, "no game is opened: bond_per_game allows 1 coin", "", ())
    assert told([WRONG], [refused])[-1] == "  no game is opened: bond_per_game allows 1 coin"
    assert told([], []) == ["no result has been re-run yet"]


def test_spans_are_said_as_people_say_them() -> None:
    said = [about_time(seconds) for seconds in (-1, 59, 119, 120, 7_300, 200_000)]
    assert said == ["0 s", "59 s", "119 s", "about 2 min", "about 2 h", "about 2 days"]
