"""What a player decides before it opens a game. The chain and the worker are objects in this process."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from protocol.chain.calls import Due
from protocol.chain.sender import Leaving, NotMinedYetError, Ticket
from protocol.chain.views import LeaseState
from protocol.dispute.challenger import Leave, Open, Wait
from protocol.dispute.purse import Limits, Purse
from protocol.dispute.records import Phase, Verdict
from protocol.games import player as players
from protocol.games.player import Challenger, Player
from protocol.games.pledges import Pledges, counted, opening, total
from protocol.games.workshop import Charge
from protocol.types import ZERO_HASH, Address, BlockNo, Hash32, InputError, TransientError, Wei
from tests.strategies.provider import BID
from tests.unit.watchtower.test_telling import GAME

pytestmark = pytest.mark.trio
OWN, OTHER, ROOT = (Hash32(bytes([n]) * 32) for n in (1, 2, 3))
NOTHING: Any = None
DUE = Due(BlockNo(50), Wei(10**18))
LIMITS = Limits(*(Wei(10**18) for _ in range(4)))


def player(known: Hash32, item_root: Hash32) -> Player:
    """Accuses item 3, over whose right root OTHER was revealed as its trace; games know `known`."""
    chain = SimpleNamespace(
        address=Address(b"me" * 10),
        sender=SimpleNamespace(leaving=tuple),
        trace_root=lambda case: known,
        game_terms=SimpleNamespace(claim_period=10),
    )

    async def run(read: Any, *args: Any) -> Any:
        return read(chain, *args)

    async def workshop() -> Any:
        return SimpleNamespace(accuse=accuse)

    async def accuse(item: int) -> Charge:
        return Charge(item, OWN, ROOT, item_root, (), SimpleNamespace(hash=BID.job_hash, items=4))  # type: ignore[arg-type]

    rig: Any = SimpleNamespace(blocking=chain, run=run)
    who = Challenger.of(b"key", LIMITS)
    return Player(rig, BID, BlockNo(0), who, 3, workshop, lambda _: None, item=3, shown=OTHER)


def board(now: int = 10) -> Any:
    lease = SimpleNamespace(state=LeaseState.POSTED, last_beat=0, output_root=ROOT)
    return SimpleNamespace(
        now=now, lease=lease, ended=False, verdict=Verdict(), place=None, games=(), of=lambda *_: ()
    )


@pytest.mark.parametrize(
    ("known", "item_root", "opens"),
    [
        (ZERO_HASH, ROOT, True),  # the game forces a trace out
        (OTHER, ROOT, True),  # what was revealed, and it has a false node
        (OWN, ROOT, False),  # not what was revealed: the audit's end convicts, and a game would be lost
        (OWN, OTHER, True),  # the item is false: whatever the trace, the game proves it
    ],
)
async def test_no_game_is_opened_where_the_audits_end_convicts_without_one(
    known: Hash32, item_root: Hash32, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuser = player(known, item_root)
    purse = Purse(Wei(10**18), Wei(1), Wei(1), Wei(0), 0, LIMITS)

    async def full(*_: object) -> Purse:
        return purse

    monkeypatch.setattr(accuser, "_purse", full)
    (action,) = await accuser._judge(board())
    assert isinstance(action, Open if opens else Wait), action
    assert accuser.was_to_open


async def test_the_run_of_a_game_is_made_before_it_may_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    accuser, runs = player(ZERO_HASH, ROOT), list[int]()
    charge = accuser._charge

    async def counted(item: int) -> Charge:
        runs.append(item)
        return await charge(item)

    async def full(*_: object) -> Purse:
        return Purse(Wei(10**18), Wei(1), Wei(1), Wei(0), 0, LIMITS)

    monkeypatch.setattr(accuser, "_charge", counted)
    monkeypatch.setattr(accuser, "_purse", full)
    accuser.prepares = True
    (action,) = await accuser._judge(board())
    assert isinstance(action, Wait), "until the audit has been compared"
    assert runs == [3]
    accuser.prepares = False
    (action,) = await accuser._judge(board())
    assert isinstance(action, Open)
    accuser.prepares = True
    (action,) = await accuser._judge(board(now=BID.challenge_window))
    assert isinstance(action, Leave), "no game can follow any more"


async def test_nothing_is_believed_of_a_worker_that_takes_another_job_apart() -> None:
    """Bond and reward would hang on whatever it says of that."""
    accuser, asked = player(ZERO_HASH, OTHER), 0
    workshop = accuser.workshop

    async def another() -> Any:
        nonlocal asked
        asked += 1
        shop = await workshop()
        charge = await shop.accuse(3)
        hash_ = Hash32(b"\x99" * 32) if asked == 1 else BID.job_hash

        async def accuse(item: int) -> Charge:
            return replace(charge, job=SimpleNamespace(hash=hash_, items=4))

        return SimpleNamespace(accuse=accuse)

    accuser.workshop = another
    with pytest.raises(TransientError, match="another job than the bid names"):
        await accuser._charge(3)
    assert (await accuser._charge(3)).job.hash == BID.job_hash, "it is taken apart once more"
    await accuser._charge(3)
    assert asked == 2


async def test_an_accusation_that_comes_during_a_look_waits_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumed = player(ZERO_HASH, ROOT)
    resumed.suspect, run = None, resumed.chain.run

    async def slow(read: Any, *args: Any) -> Any:
        resumed.suspect = 3
        return await run(read, *args)

    monkeypatch.setattr(resumed.chain, "run", slow)
    (action,) = await resumed._judge(board())
    assert isinstance(action, Leave)
    assert resumed.suspect == 3, "so it is not over"


async def test_nothing_is_fetched_or_run_for_a_game_that_would_come_too_late() -> None:
    """Nobody serves the job any more, and a lease that nobody makes final stays as it is for ever."""
    accuser = player(ZERO_HASH, ROOT)

    async def gone() -> Any:
        raise TransientError("nobody serves the job")

    accuser.workshop = gone
    with pytest.raises(TransientError):
        await accuser._judge(board())
    (action,) = await accuser._judge(board(now=BID.challenge_window))
    assert isinstance(action, Leave)


def wallet(coin: int) -> Any:
    """A purse as read for whatever is due, with as much coin."""
    return lambda _, __, ___, limits, due: Purse(
        Wei(coin), Wei(100), Wei(0), Wei(0), 0, limits, pressing=due is not None
    )


class Rich(Player):
    """A player whose opening is not in a block until the test says so."""

    mined: trio.Event
    sent: list[int]

    async def _opened(self, charge: Charge, attempt: int) -> str:
        self.sent.append(charge.item)
        await self.mined.wait()
        return "opened"


def rich(pledges: Pledges, due: Due | None = None) -> Rich:
    poor = player(ZERO_HASH, OTHER)
    made = Rich(poor.chain, BID, BlockNo(0), poor.who, 3, poor.workshop, lambda _: None, item=3, due=due)
    made.pledges, made.mined, made.sent = pledges, trio.Event(), []
    chain: Any = made.chain.blocking
    chain.network = SimpleNamespace(seconds=float)
    chain.game_terms.move_clock = 20
    return made


async def test_a_game_that_no_stake_depends_on_leaves_what_is_pledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RULES 25: after a re-run's game a true accusation had no bond, and half of a stake burnt."""
    monkeypatch.setattr(players, "contested_traces", lambda *_: (OTHER,))
    monkeypatch.setattr(players, "read_purse", wallet(coin=299))
    pledges = Pledges()
    monkeypatch.setattr(pledges, "beside", lambda *_: Wei(200))
    own = rich(pledges)
    own.mined.set()
    assert "games of audits that are committed to" in await own._do(board(), Open(3, 0))
    assert own.sent == []
    accusing = rich(pledges, DUE)
    accusing.mined.set()
    assert await accusing._do(board(), Open(3, 0)) == "opened", "it is pledged to this one"


async def test_a_bond_on_its_way_is_counted_and_holds_no_accusation_up(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    """While gas is dear an opening may wait for hours: an accuser's clock runs meanwhile."""
    monkeypatch.setattr(players, "contested_traces", lambda *_: (OTHER,))
    monkeypatch.setattr(players, "read_purse", wallet(coin=250))
    pledges = Pledges()
    monkeypatch.setattr(pledges, "beside", lambda *_: Wei(0))
    first, second, third, accusing = (rich(pledges, due) for due in (None, None, None, DUE))
    accusing.mined.set()
    async with trio.open_nursery() as nursery:
        for item, each in enumerate((first, second)):
            nursery.start_soon(each._do, board(), Open(item, 0))
        await trio.testing.wait_all_tasks_blocked()
        assert (first.sent, second.sent) == ([0], [1])
        with trio.fail_after(1):
            assert "the wallet holds" in await third._do(board(), Open(2, 0)), "two bonds are on their way"
            first.mined.set()
            await trio.testing.wait_all_tasks_blocked()
            assert await accusing._do(board(), Open(3, 0)) == "opened"
        second.mined.set()


async def test_no_game_is_opened_for_an_accusation_that_a_reorg_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The posted item is right, and the trace that was false may be another one by now."""
    traces = dict[str, Any](now=(OTHER,))
    dues = list[Due | None]()

    def purse(_: Any, __: Any, ___: Any, limits: Limits, due: Due | None) -> Purse:
        dues.append(due)
        return Purse(Wei(10**18), Wei(1), Wei(1), Wei(0), 0, limits)

    monkeypatch.setattr(players, "read_purse", purse)
    monkeypatch.setattr(players, "contested_traces", lambda *_: traces["now"])
    accuser = rich(Pledges(), DUE)
    accuser.shown = OTHER
    accuser.mined.set()
    shop = await player(ZERO_HASH, ROOT).workshop()

    async def right() -> Any:
        return shop

    wrong, accuser.workshop = accuser.workshop, right
    (action,) = await accuser._judge(board())
    assert isinstance(action, Open)
    traces["now"] = None
    assert "on the chain no more" in await accuser._do(board(), action), "it was removed meanwhile"
    assert accuser.sent == []
    (waits,) = await accuser._judge(board())
    assert isinstance(waits, Wait)
    assert accuser.suspect == 3, "it may come back"
    traces["now"] = (None,)
    assert isinstance((await accuser._judge(board()))[0], Open), "its event is not confirmed yet"
    traces["now"] = (OWN,)
    (action,) = await accuser._judge(board())
    assert isinstance(action, Leave), "what is revealed now is right"
    assert dues == [DUE, DUE]
    # What the posted result itself shows to be wrong is played, as after any re-run: no stake presses.
    accuser.suspect, accuser._shop, accuser.workshop, traces["now"] = 3, None, wrong, None
    monkeypatch.setattr(accuser.pledges, "beside", lambda *_: Wei(0))
    (action,) = await accuser._judge(board())
    assert await accuser._do(board(), action) == "opened"
    assert dues == [DUE, DUE, None, None]


async def test_who_has_sent_or_seen_a_game_is_bound_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bond is lost without a player, whatever is wrong with one action or with a report."""
    live = SimpleNamespace(phase=Phase.TRACE, bond=1)
    games = [SimpleNamespace(game=OWN, case=None, now=live)]
    seen = board()
    seen.of = lambda *_: tuple(games)
    seen.block = 10
    mine = player(ZERO_HASH, ROOT)

    async def fails(*_: object) -> Any:
        raise InputError("the item does not fit in the worker's memory")

    async def judged(_: object) -> Any:
        return (Wait("first"), Wait("second"))

    def report(*_: object) -> Any:
        return GAME

    monkeypatch.setattr(players, "read_board", lambda *_: seen)
    monkeypatch.setattr(players, "Reporter", lambda *_: SimpleNamespace(report=report))
    monkeypatch.setattr(mine, "_judge", judged)
    monkeypatch.setattr(mine, "_played", fails)
    mine._shop = SimpleNamespace(files=SimpleNamespace(program=None))  # type: ignore[assignment]
    assert not mine.bound
    turn = await mine.turn()
    assert (turn.doing, [each.doing for each in turn.reports]) == ("first; second", ["first; second"])
    assert mine.bound
    games.clear()
    await mine.turn()
    assert mine.bound, "a node that lags does not end it"


@pytest.mark.parametrize(
    "error", [InputError("the contract says no"), NotMinedYetError(Ticket(7, "challenge"))]
)
async def test_an_opening_that_was_refused_binds_nobody_and_is_told(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may still be in a block does: `gavel job challenge` would else wait for a game that never was."""
    mine, seen = player(ZERO_HASH, ROOT), board()
    seen.block = 10
    call: Any = mine.chain.blocking
    call.disputes = SimpleNamespace(challenge=lambda *_: None)

    async def opens(_: object) -> Any:
        return (Open(3, 0),)

    async def purse(*_: object) -> Purse:
        return Purse(Wei(10**18), Wei(1), Wei(1), Wei(0), 0, LIMITS)

    async def sent(*_: object) -> Any:
        assert mine.bound, "while it is sent"
        raise error

    async def nowhere() -> None:
        return None

    mine._shop = await mine._work()
    mine._shop.files = SimpleNamespace(program=None)  # type: ignore[assignment]
    monkeypatch.setattr(players, "read_board", lambda *_: seen)
    monkeypatch.setattr(players, "bond_now", lambda *_: Wei(1))
    for name, stand_in in (("_judge", opens), ("_purse", purse), ("_sent", sent), ("_confirmed", nowhere)):
        monkeypatch.setattr(mine, name, stand_in)
    if isinstance(error, InputError):
        turn = await mine.turn()
        assert (turn.refused, mine.bound) == ("the contract says no", False)
    else:
        with pytest.raises(NotMinedYetError):
            await mine.turn()
        assert mine.bound


class Stuck(Rich):
    """A player whose opening, with a bond of 100, stays pending longer than it waits."""

    pool: list[Leaving]

    async def _opened(self, charge: Charge, attempt: int) -> str:
        effect = opening(self._to_open(charge, attempt)[1])
        if effect not in [each.effect for each in self.pool]:
            self.pool.append(Leaving(effect, Wei(100), Wei(5)))
        self.sent.append(charge.item)
        raise NotMinedYetError(Ticket(7, "challenge"))


def stuck(pledges: Pledges, pool: list[Leaving], item: int) -> Stuck:
    made: Any = rich(pledges)
    made.__class__, made.pool, made.suspect, made.item = Stuck, pool, item, item
    made.chain.blocking.sender.leaving = lambda: tuple(pool)
    return cast(Stuck, made)


async def test_a_bond_is_counted_while_nobody_waits_for_it_and_not_against_its_own_game(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two looks of a player its pending bond was there for another game, or for an audit's."""
    monkeypatch.setattr(players, "read_purse", wallet(coin=150))
    pledges, pool = Pledges(), list[Leaving]()
    monkeypatch.setattr(pledges, "beside", lambda *_: Wei(0))
    first, second = stuck(pledges, pool, 3), stuck(pledges, pool, 2)
    with pytest.raises(NotMinedYetError):
        await first._do(board(), Open(3, 0))
    chain = first.chain.blocking
    assert total(pledges.outgoing(chain)) == 105, "whoever waits: an audit is committed to beside it"
    assert "the wallet holds" in await second._do(board(), Open(2, 0))
    assert second.sent == []
    with pytest.raises(NotMinedYetError):
        await first._do(board(), Open(3, 0))
    assert first.sent == [3, 3], "its own game goes on waiting, or nobody replaces what is stuck"
    assert isinstance((await first._judge(board()))[0], Open)
    pool.clear()  # in a block
    with pytest.raises(NotMinedYetError):
        await second._do(board(), Open(2, 0))


async def test_what_is_sent_and_waited_for_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pledges, pool = Pledges(), list[Leaving]()
    chain = stuck(pledges, pool, 3).chain.blocking
    with pledges.paying("challenge a", Wei(100), Wei(4)), pledges.paying("demand", Wei(0), Wei(7)):
        assert total(pledges.outgoing(chain)) == 111, "not handed in yet"
        pool.append(Leaving("challenge a", Wei(100), Wei(9)))
        assert total(pledges.outgoing(chain)) == 116, "as it is signed by now"
        assert total(pledges.outgoing(chain, "challenge a")) == 7
        pool.append(Leaving("", Wei(0), Wei(3)))
        assert total(pledges.outgoing(chain)) == 119
    assert total(pledges.outgoing(chain)) == 112
    purse = counted(wallet(coin=150)(0, 0, 0, LIMITS, None), Wei(0), pledges.outgoing(chain))
    assert (purse.coin, purse.bonds_of_day, purse.games_of_day) == (38, 100, 1)


async def test_a_run_that_was_too_slow_is_made_anew_after_a_while(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """The machine may have had much else to do: no wrong result may stand because of that."""
    monkeypatch.setattr(players, "read_purse", wallet(coin=10**18))
    pledges = Pledges()
    monkeypatch.setattr(pledges, "beside", lambda *_: Wei(0))
    accuser, ended, began = rich(pledges), list[float](), trio.current_time()
    charge = await accuser._charge(3)

    async def shop() -> Any:
        return SimpleNamespace(close=lambda: ended.append(trio.current_time() - began))

    monkeypatch.setattr(accuser, "workshop", shop)
    accuser._shop = None
    for _ in range(80):
        await accuser._work()
        assert (await accuser._purse(replace(charge, seconds=50.0), 0)).too_slow
        await trio.sleep(10)
    assert ended == [200, 610], "after four times as long, then twice that"
    await trio.sleep(10_000)
    monkeypatch.setattr(players, "contested_traces", lambda *_: (OTHER,))
    accuser.due = DUE
    assert (await accuser._purse(replace(charge, seconds=50.0), 0)).too_slow
    assert len(ended) == 2, "a game that is due needs its run now"
    assert not (await accuser._purse(replace(charge, seconds=19.0), 0)).too_slow
