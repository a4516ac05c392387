"""What the newest block says may be undone: a player gives nothing up for good before that is confirmed."""

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.errors import Revert
from protocol.chain.views import LeaseState
from protocol.dispute.names import Case
from protocol.dispute.purse import Limits
from protocol.dispute.records import Conviction, Game, Phase, Verdict
from protocol.games.player import Challenger, Player
from protocol.types import ZERO_HASH, Address, BlockNo, Hash32, InputError, TransientError, Wei
from tests.strategies.provider import BID

pytestmark = pytest.mark.trio
ME = Address(b"\7" * 20)
ROOT, OTHER, SEAL, GAME = (Hash32(bytes([n]) * 32) for n in (1, 2, 3, 4))
LEASE = BID.lease_id()
NOT_CONVICTED = Verdict()
SILENT = Verdict(Conviction.SILENT, since=100)
POSTED = SimpleNamespace(state=LeaseState.POSTED, last_beat=100, output_root=ROOT)
RUNNING = SimpleNamespace(state=LeaseState.RUNNING, last_beat=90, output_root=ZERO_HASH)
NOTHING_LEFT = Revert("Disputes_NothingToCollect", {}, "collect")


def game(phase: Phase, **state: int) -> Any:
    return SimpleNamespace(
        game=GAME,
        case=Case(LEASE, BID.job_hash, 3, ROOT),
        opened=SimpleNamespace(challenger=ME, seal=SEAL),
        now=Game(phase, **{"opened_at": 90, "moved_at": 95, "bond": 5, **state}),
        others=(),
    )


class World:
    """A chain whose newest block says one thing, and the newest confirmed one another."""

    def __init__(self, lease: Any, *games: Any, verdict: Verdict = NOT_CONVICTED) -> None:
        self.newest = self.confirmed = (lease, verdict, games)
        self.now = 101
        self.refuse: list[Exception] = []
        self.sent: list[str] = []
        self.address = ME
        self.deployment = SimpleNamespace(block=1)
        self.scanner = SimpleNamespace(confirmed_head=lambda: BlockNo(50))
        self.game_terms = SimpleNamespace(claim_period=10)
        self.network = SimpleNamespace(seconds_per_block=1)
        self.disputes = SimpleNamespace(move=lambda move: move)

    def _as_of(self, at: Any) -> Any:
        return self.newest if at in ("latest", 60) else self.confirmed

    def block_number(self) -> BlockNo:
        return BlockNo(60)

    def games_of(self, bid: Any, since: Any, until: Any) -> Any:
        return self._as_of(until)[2]

    def clock(self, tag: Any = "latest") -> BlockNo:
        return BlockNo(self.now)

    def lease(self, lease: Any, tag: Any = "latest") -> Any:
        return self._as_of(tag)[0]

    def verdict(self, lease: Any, tag: Any = "latest") -> Verdict:
        return self._as_of(tag)[1]

    def worth(self, token: int, amount: int) -> None:
        return None

    async def run(self, read: Any, *args: Any) -> Any:
        return read(self, *args)

    async def send(self, call: Any, effect: str, patience: float = 0) -> Any:
        self.sent.append(effect.split(" ", maxsplit=1)[0])
        if self.refuse:
            raise self.refuse.pop(0)
        return SimpleNamespace(block=1)


def player(world: World, monkeypatch: pytest.MonkeyPatch, suspect: int | None = 3) -> Player:
    async def workshop() -> Any:
        raise AssertionError("nothing is to be run")

    rig: Any = SimpleNamespace(blocking=world, run=world.run, send=world.send)
    who = Challenger.of(b"key", Limits(*(Wei(10**18) for _ in range(4))))
    made = Player(rig, BID, BlockNo(0), who, suspect, workshop, lambda _: None, item=3, root=ROOT)

    async def reports(*_: object) -> tuple[()]:
        return ()

    async def sent(self: Player, move: Any, effect: str, due: Any = None) -> Any:
        return await self.chain.send(move, effect)

    monkeypatch.setattr(made, "_reports", reports)
    monkeypatch.setattr(Player, "_send", sent)
    return made


FINAL = SimpleNamespace(state=LeaseState.FINALIZED, last_beat=100, output_root=ROOT)
ANOTHER = SimpleNamespace(state=LeaseState.POSTED, last_beat=100, output_root=OTHER)
SETTLED = replace(SILENT, settled=True, reward=5, claims=1)


@pytest.mark.parametrize(
    ("newest", "verdict"),
    [
        (RUNNING, NOT_CONVICTED),  # the posting came back to the pool
        (FINAL, NOT_CONVICTED),
        (ANOTHER, NOT_CONVICTED),
        (POSTED, SETTLED),  # convicted by another's game
    ],
)
async def test_no_wrong_result_is_left_for_what_only_the_newest_block_says(
    newest: Any, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(POSTED)
    world.newest = (newest, verdict, ())
    tried = player(world, monkeypatch)
    turn = await tried.turn()
    assert not turn.over
    world.confirmed = world.newest
    turn = await tried.turn()
    assert bool(turn.over) == (newest is not RUNNING), "one that may be posted again is waited for"


async def test_a_player_whose_node_cannot_say_what_is_confirmed_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(FINAL)

    def gone() -> BlockNo:
        raise TransientError("no state of that block")

    world.scanner.confirmed_head = gone
    assert not (await player(world, monkeypatch).turn()).over


@pytest.mark.parametrize(
    "refusal",
    [
        Revert("Disputes_NotConvicted", {}, "claimSilence"),
        Revert("Disputes_BadSeal", {}, "claim"),  # over the place of a conviction that a re-org replaces
        InputError("the wallet has too little coin"),
        TransientError("the base fee is too high"),
    ],
)
async def test_a_claim_that_was_refused_is_tried_until_the_claim_period_ends(
    refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(POSTED, game(Phase.WON), verdict=SILENT)
    winner = player(world, monkeypatch)
    for last in range(101, 111):
        world.now, world.refuse = last, [refusal]
        with suppress(TransientError):
            assert not (await winner.turn()).over
    assert world.sent == ["claim"] * 10
    world.now, world.refuse = 111, []
    await winner.turn()
    assert world.sent[10:] == ["collect", "settle"], "its bond is to be had all the same"


async def test_a_share_is_given_up_only_where_a_confirmed_settlement_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claimed = game(Phase.CLAIMED, bond=0)
    world = World(POSTED, claimed, verdict=SILENT)
    world.newest = (POSTED, SETTLED, (claimed,))
    winner = player(world, monkeypatch)
    world.refuse = [NOTHING_LEFT]  # a re-org took the settlement away between two calls
    assert not (await winner.turn()).over
    world.confirmed = world.newest
    await winner.turn()
    assert world.sent == ["collect", "collect"]
    world.refuse = [NOTHING_LEFT]
    await winner.turn()
    turn = await winner.turn()
    assert turn.over
    assert len(world.sent) == 3


async def test_the_trouble_of_one_action_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that is stuck below the base fee, say."""
    other = game(Phase.WON)
    other.game = OTHER
    world = World(POSTED, game(Phase.WON), other, verdict=SILENT)
    world.refuse = [TransientError("it is not in a block yet")]
    with pytest.raises(TransientError, match="not in a block"):
        await player(world, monkeypatch).turn()
    assert world.sent == ["claim", "claim"]
