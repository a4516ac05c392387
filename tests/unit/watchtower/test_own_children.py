"""Each game and each audited item has a child process of its own: no long run makes another one late."""

import math
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from protocol.chain.audits import AuditCalls
from protocol.chain.calls import Due
from protocol.chain.client import Chain
from protocol.dispute.audits import Answer, Part, Roots, Stage, bound, commitment
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, Item
from protocol.games.asking import ask, hash32
from protocol.games.audit_runs import Effort, Run
from protocol.games.audit_sight import salt_of
from protocol.games.player import Player, Turn
from protocol.games.pledges import Pledges
from protocol.games.precedence import Precedence
from protocol.games.runs_at_once import AT_ONCE, MOST
from protocol.games.workshop import CaseFiles, How, Workshop
from protocol.messages import Bid
from protocol.runtime.child import Child
from protocol.runtime.metrics import Metrics
from protocol.types import Address, BlockNo, Hash32, InputError, LeaseId, TransientError, Wei
from tests.held_runs import CHILD, HASH, HeldRuns, until
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import ME, OWN, sight
from watchtower import games
from watchtower.auditing import auditor
from watchtower.auditing.auditor import Auditing, Court
from watchtower.auditing.notes import AuditorNote, Notes
from watchtower.auditing.running import Job, Ran, Room
from watchtower.auditing.survey import Seen
from watchtower.config import WatchtowerConfig
from watchtower.games import Games, Subject
from watchtower.judge import PostedResult
from watchtower.rerun import games_memory
from watchtower.spending import Spending
from watchtower.standings import Standing

pytestmark = pytest.mark.trio
DUE = Due(BlockNo(50), Wei(10**18))


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeldRuns:
    for module in (games, auditor):
        monkeypatch.setattr(module, "WORKER", CHILD)
    return HeldRuns.under(tmp_path, monkeypatch)


class FirstQuestions(Games):
    """Of each game only the first question to the worker: what the item comes to here."""

    runs: HeldRuns
    answered: set[LeaseId]

    async def _played(self, player: Player) -> None:
        await (await player.workshop()).accuse(1)
        self.answered.add(player.lease)

    async def _workshop(self, player: Player, child: Child) -> Workshop:
        files = CaseFiles(self.runs.program(player.lease.hex()), Path("i"), Path("o"), 1)
        return Workshop(child, files, How("cpu", 1, 60.0))


class LetGo(FirstQuestions):
    """Notes what is held no more."""

    let_go: list[str]

    async def _redate(self, reason: str) -> None:
        self.let_go.append(reason)

    def _write(self, standing: Standing) -> None:
        assert standing.over


def opened(bid: Bid) -> Any:
    return SimpleNamespace(lease=bid.lease_id(), bid=bid, block=0)


async def test_a_game_does_not_wait_for_the_run_of_another(held: HeldRuns) -> None:
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0))
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking),
    )
    nothing: Any = None
    long, short = (replace(BID, capacity_nonce=nonce) for nonce in (1, 2))
    async with trio.open_nursery() as nursery:
        playing = FirstQuestions(rig, nothing, nothing, nursery, Metrics())
        playing.runs, playing.answered = held, set()
        playing.accuse(opened(long), 1, HASH, DUE)
        await held.begun(long.lease_id().hex())
        held.let_go(short.lease_id().hex())
        playing.accuse(opened(short), 1, HASH, DUE)
        await until(lambda: short.lease_id() in playing.answered)
        assert long.lease_id() not in playing.answered
        held.let_go(long.lease_id().hex())
        await until(lambda: long.lease_id() in playing.answered)


class Ends(Games):
    """Each player does nothing until the test ends it."""

    how: dict[int, trio.Event]

    async def _until_over(self, player: Player) -> str:
        assert player.item is not None
        player.root = HASH
        await self.how.setdefault(player.item, trio.Event()).wait()
        return "it is over"

    async def _redate(self, reason: str) -> None:
        pass

    async def end(self, item: int) -> None:
        self.how.pop(item).set()
        await until(lambda: all(each.item != item for each in self.playing))


async def test_nothing_that_a_rerun_began_or_ended_stands_in_an_accusers_way() -> None:
    """RULES 25: half of its stake is lost without a game about the drawn item."""
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0))
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking),
    )
    nothing: Any = None
    lease, accused = opened(BID), BID.lease_id()
    async with trio.open_nursery() as nursery:
        playing = Ends(rig, nothing, nothing, nursery, Metrics())
        playing.how = {}
        # A re-run's games about the same item and another one, both to their end before the audit's.
        for item in (1, 2):
            playing._start(lease, item).suspect = item
            await until(lambda: item in playing.how)  # noqa: B023
            await playing.end(item)
        assert len(playing.left) == 2
        assert not playing.is_accused(accused, 1)
        looks = list[bool]()
        rig.precedence.look = lambda: looks.append(playing.playing[Subject(accused, 1)].is_at_risk)
        playing._start(lease, 2).suspect = 2  # and one under way
        playing.accuse(lease, 1, HASH, DUE)
        assert playing.is_accused(accused, 1)
        mine = playing.playing[Subject(accused, 1)]
        assert (mine.suspect, mine.shown, mine.due) == (1, HASH, DUE)
        assert looks == [True], "a run that a suspicion began goes first from now on"
        # What was resumed after a restart opens no game by itself: the accusation takes it over.
        resumed = playing._start(lease, 3)
        assert (resumed.suspect, resumed.due) == (None, None)
        playing.accuse(lease, 3, HASH, DUE)
        assert (resumed.suspect, resumed.due) == (3, DUE)
        await until(lambda: len(playing.how) == 3)
        await playing.end(1)
        assert playing.is_accused(accused, 1), "played to its end: not once more in every block"
        playing.accuse(lease, 1, HASH, DUE)
        assert Subject(accused, 1) not in playing.playing
        await playing.end(2)
        await playing.end(3)


async def test_what_is_prepared_for_an_accusation_is_none_and_stops_no_other_game() -> None:
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0))
    lease, accused = opened(BID), BID.lease_id()

    async def run(read: object) -> object:
        return (lease,) if read is Chain.leases_of else 0

    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking, run=run),
    )
    nothing: Any = None
    async with trio.open_nursery() as nursery:
        playing = Ends(rig, nothing, nothing, nursery, Metrics())
        playing.how = {}
        playing.prepare(lease, 1, 7.0)
        mine = playing.playing[Subject(accused, 1)]
        assert (mine.suspect, mine.prepares, mine.due, mine.took) == (1, True, None, 7.0)
        assert not playing.is_accused(accused, 1), "the comparison is still to come"
        result = PostedResult(accused, BID, HASH, BlockNo(900))
        await playing.look_after((result,), {result.id: 2})
        assert playing.playing[Subject(accused, 2)].suspect == 2, "what a re-run found is played all the same"
        playing.accuse(lease, 1, HASH, DUE)
        playing.prepare(lease, 1)
        assert playing.playing[Subject(accused, 1)] is mine, "with the run that is made"
        assert (mine.suspect, mine.prepares, mine.due, mine.shown) == (1, False, DUE, HASH)
        await until(lambda: len(playing.how) == 2)
        await playing.end(1)
        playing.prepare(lease, 1)
        assert Subject(accused, 1) not in playing.playing, "it is over"
        await playing.end(2)


async def test_what_is_prepared_is_let_go_with_the_reveal_and_comes_back_with_it(held: HeldRuns) -> None:
    """A re-org took the reveal away: child, trace and artifacts were held until the window's end."""
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0))
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking),
    )
    nothing: Any = None
    lease, program = opened(BID), BID.lease_id().hex()
    prepared, accused, rerun = (Subject(BID.lease_id(), item) for item in (1, 2, 3))
    async with trio.open_nursery() as nursery:
        playing = LetGo(rig, nothing, nothing, nursery, Metrics())
        playing.runs, playing.answered, playing.let_go = held, set(), []
        playing.prepare(lease, 1)
        playing.accuse(lease, 2, HASH, DUE)
        playing._start(lease, 3).suspect = 3
        await held.begun(program)
        first = playing.playing[prepared]
        playing.keep({prepared})
        assert playing.playing[prepared] is first
        playing.keep(())
        assert set(playing.playing) == {accused, rerun}, "nothing else is let go"
        playing.prepare(lease, 1)
        assert playing.playing[prepared] is not first, "the reveal is there again"
        playing.keep(())
        await until(lambda: playing.let_go == [f"game 0x{program} 1"] * 2)
        assert playing.left == {}, "nothing was found out"
        playing.prepare(lease, 1)
        assert prepared in playing.playing
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("comes_back", [False, True])
async def test_what_is_let_go_in_the_moment_of_its_end_ends_nothing_else(comes_back: bool) -> None:
    """Both follow a conviction elsewhere: the player has nothing more to do, the audit accuses no more."""
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0))
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking),
    )
    nothing: Any = None
    subject = Subject(BID.lease_id(), 1)
    async with trio.open_nursery() as nursery:
        playing = Ends(rig, nothing, nothing, nursery, Metrics())
        playing.how = {}
        playing._write = lambda _: None  # type: ignore[method-assign]
        playing.prepare(opened(BID), 1)
        await wait_all_tasks_blocked()
        playing.how.pop(1).set()  # its last look is over, and its task has not gone on yet
        playing.keep(())
        if comes_back:
            playing.prepare(opened(BID), 1)
        again = playing.playing.get(subject)
        await wait_all_tasks_blocked()
        assert playing.playing.get(subject) is again, "another player's place is not its to leave"
        nursery.cancel_scope.cancel()


class Refusing(Games):
    """A game whose every look goes wrong at first."""

    errors: list[Exception]

    async def turn(self) -> Turn:
        if self.errors:
            raise self.errors.pop()
        return Turn(BlockNo(1), BlockNo(1), (), "", over="it is over")

    async def _redate(self, reason: str) -> None:
        pass

    def _note(self, player: Player, turn: Turn) -> None:
        pass

    def _write(self, standing: Standing) -> None:
        pass


async def test_an_accusation_that_was_prepared_waits_for_no_other_block(autojump_clock: object) -> None:
    async def run(_: object) -> int:
        return 7

    network = SimpleNamespace(seconds_per_block=1, look_s=0.1)
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0), network=network)
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking, run=run),
    )
    nothing: Any = None
    async with trio.open_nursery() as nursery:
        playing = Refusing(rig, nothing, nothing, nursery, Metrics())
        playing.prepare(opened(BID), 1)
        player = playing.playing[Subject(BID.lease_id(), 1)]
        turns = list[bool]()

        async def turn() -> Turn:
            turns.append(player.prepares)
            return Turn(BlockNo(1), BlockNo(1), (), "", over="" if player.prepares else "it is over")

        player.turn = turn  # type: ignore[method-assign]
        await until(lambda: turns == [True])
        await trio.sleep(60)
        assert turns == [True], "nothing new to look at"
        playing.accuse(opened(BID), 1, HASH, DUE)
        await until(lambda: not playing.playing)
        assert turns == [True, False]


async def test_what_is_found_during_the_last_look_is_looked_at(autojump_clock: object) -> None:
    """A game that was resumed is over as a re-run finds its item wrong: that is a game still to be opened."""

    async def run(_: object) -> int:
        return 7

    network = SimpleNamespace(seconds_per_block=1, look_s=0.1)
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0), network=network)
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking, run=run),
    )
    nothing: Any = None
    async with trio.open_nursery() as nursery:
        playing = Refusing(rig, nothing, nothing, nursery, Metrics())
        player = playing._start(opened(BID), 1)
        looks = list[int | None]()

        async def turn() -> Turn:
            looks.append(player.suspect)
            player.suspect = 1
            return Turn(BlockNo(1), BlockNo(1), (), "", over="it is over")

        player.turn = turn  # type: ignore[method-assign]
        with trio.fail_after(60):
            await until(lambda: not playing.playing)
    assert looks == [None, 1]


@pytest.mark.parametrize(
    ("due", "bound", "prepares"),
    [(DUE, False, False), (None, True, False), (None, False, True), (None, False, False)],
)
async def test_no_error_ends_an_accusation_or_a_live_game(
    due: Due | None, bound: bool, prepares: bool, autojump_clock: object
) -> None:
    """Nor a run that is prepared: its time has begun, and memory that others hold will be free again."""
    heads = iter(range(100))

    async def run(_: object) -> int:
        return next(heads)

    network = SimpleNamespace(seconds_per_block=1, look_s=0.1)
    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0), network=network)
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking, run=run),
    )
    nothing: Any = None
    async with trio.open_nursery() as nursery:
        playing = Refusing(rig, nothing, nothing, nursery, Metrics())
        playing.errors = [InputError("the item does not fit"), TransientError("not served")]
        player = playing._start(opened(BID), 1)
        player.suspect, player.due, player.root, player.bound = 1, due, HASH, bound
        player.prepares = prepares
        player.turn = playing.turn  # type: ignore[method-assign]
    ends = due is None and not bound and not prepares
    assert list(playing.left.values()) == ["the item does not fit" if ends else "it is over"]


async def test_a_game_that_is_resumed_is_ended_by_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lease = opened(BID)

    async def run(read: object) -> object:
        return ((lease, 1),) if read is games.unfinished else 0

    blocking = SimpleNamespace(deployment=SimpleNamespace(block=0))
    rig: Any = SimpleNamespace(
        config=WatchtowerConfig(),
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking, run=run),
    )
    nothing: Any = None
    async with trio.open_nursery() as nursery:
        playing = Ends(rig, nothing, nothing, nursery, Metrics())
        playing.how = {}

        async def none() -> None:
            pass

        monkeypatch.setattr(playing, "_let_others_go", none)
        await playing.resume()
        assert playing.playing[Subject(BID.lease_id(), 1)].bound, "before the chain is read for it"
        nursery.cancel_scope.cancel()


class Desk:
    """An auditor's desk whose runs last as long as the test wants, and the calls that it sends."""

    def __init__(self, runs: HeldRuns, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs, self.sent, self.effects = runs, list[str](), set[str]()
        network = SimpleNamespace(seconds=lambda blocks: 60, seconds_per_block=0.05)
        blocking = SimpleNamespace(address=ME, network=network, audits=AuditCalls(ME))
        rig: Any = SimpleNamespace(
            config=WatchtowerConfig(),
            pledges=Pledges(),
            precedence=Precedence(),
            chain=SimpleNamespace(blocking=blocking, send=self._send),
        )
        gas = Spending(folder / "gas.json", Wei(1), "audit_gas_per_day", lambda: 0.0)
        self.prepared = list[LeaseId]()
        self.court = Court(
            self._accuse,
            lambda *_: False,
            lambda seen, _: self.prepared.append(seen.name[0]),
            lambda kept: self.kept.append(sorted(lease[0] for lease, _ in kept)),
            lambda: {(LeaseId(bytes(32)), 3): self.taken},
        )
        self.kept = list[list[int]]()
        self.desk = Auditing(rig, b"key", Notes(folder / "notes"), gas, Metrics(), self.court)
        monkeypatch.setattr(auditor, "get_job", self._get)
        monkeypatch.setattr(auditor, "run_item", self._run)
        rig.chain.run = self._read
        self.lacking = set[LeaseId]()
        self.slowly_served = dict[LeaseId, trio.Event]()
        self.slow, self.takes, self.taken = "", 1, 1
        self.public = False
        """Whether the provider has shown what the item comes to here."""
        self.beside = list[list[LeaseId]]()
        """For each look into the purse, the other audits that count on it."""

    async def _accuse(self, seen: Seen, took: float) -> None:
        raise AssertionError("nothing is found here")

    async def _read(self, method: Any, *args: Any) -> Any:
        if method is auditor.is_public:
            assert args[1] is True, "which of the two audits"
            return self.public
        if method is auditor.why_no_game:
            seen, effort, room, pledges = args
            assert all(astuple(effort(seen.name, seen.sight.audit.item))), "it is reckoned with"
            assert room == Room(games_memory(WatchtowerConfig()), self.court.traces())
            self.beside.append([lease for lease, _ in pledges._coming])
            if not self.slow:
                pledges.promise(seen.name, seen.sight.audit.seed)
            return self.slow
        assert method is auditor.due_of
        return Due(BlockNo(0), None)

    async def _send(self, call: Any, effect: str, patience: float | None = None) -> Any:
        if call.what == "Audits.draw":
            self.sent.append("Audits.draw, which is stuck below the base fee")
            await trio.sleep(math.inf if patience is None else patience)
            raise TransientError("it is not in a block yet")
        assert call.due is not None, "its silence costs stake"
        self.sent.append(f"{call.what} {effect.split()[1][:2]}")
        self.effects.add(effect)
        return SimpleNamespace(fee=Wei(0), gas_used=1)

    async def _get(self, rig: Any, child: Child, seen: Seen) -> Job:
        lease = seen.name[0]
        if lease in self.lacking:
            raise TransientError("nobody serves the inputs")
        if lease in self.slowly_served:
            await self.slowly_served[lease].wait()
        files = CaseFiles(self.runs.program(lease.hex()), Path("i"), Path("o"), 4)
        return Job(seen.sight.audit.item, files, True, trace_bytes=self.takes)

    async def _run(self, rig: Any, child: Child, job: Job, limit_s: float) -> Ran:
        args = AccuseArgs(Item(str(job.files.program), "i", job.item), "o")
        found = await ask(child, args, AccuseResult)
        return Ran(Roots(hash32(found.trace_root), hash32(found.item_root)), Effort(1.0, 1 << 20))

    async def look(
        self,
        nursery: trio.Nursery,
        number: int,
        until_: int,
        now: int = 100,
        part: Part = Part.ASSIGNED,
        owner: Address = BID.owner,
        stage: Stage = Stage.DRAWN,
        **audit: object,
    ) -> LeaseId:
        """Have the desk look at the audit of a lease, which has drawn it."""
        lease = LeaseId(bytes([number]) * 32)
        fields = {"commit_until": BlockNo(until_)} | audit
        seen = sight(stage, part, audit=fields, now=BlockNo(now), shown=OWN)
        opened: Any = SimpleNamespace(bid=replace(BID, owner=owner))
        found = Seen((lease, True), opened, seen)
        await self.desk._begin(nursery, found)
        return lease

    def said(self, lease: LeaseId) -> str:
        return self.desk.doing.get((lease, True), "")


@pytest.fixture
def desk(held: HeldRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(held, tmp_path, monkeypatch)


async def test_an_audited_item_that_is_due_first_waits_for_no_other_run(held: HeldRuns, desk: Desk) -> None:
    async with trio.open_nursery() as nursery:
        long = [await desk.look(nursery, number, 1_000) for number in (1, 2, 3)]
        for each in long:
            await held.begun(each.hex())
        late = await desk.look(nursery, 4, 2_000)
        await until(lambda: desk.said(late) == "waits for other items to be executed")
        held.let_go((bytes([5]) * 32).hex())
        first = await desk.look(nursery, 5, 500)
        await until(lambda: desk.said(first) == "ran item 3")
        assert [desk.said(each) for each in long] == ["runs item 3"] * 3
        assert not held.has_begun(late.hex())
        nursery.cancel_scope.cancel()


async def test_an_audited_items_run_is_made_again_after_that_of_an_accusation(
    held: HeldRuns, desk: Desk
) -> None:
    """Half of a stake hangs on the one; who makes the other in vain abstains, and loses nothing."""
    precedence, over = desk.desk.rig.precedence, trio.Event()
    async with trio.open_nursery() as nursery:
        lease = await desk.look(nursery, 1, 1_000)
        await held.begun(lease.hex())
        nursery.start_soon(precedence.work, over.wait, lambda: True)
        await wait_all_tasks_blocked()
        held.let_go(lease.hex())
        late = await desk.look(nursery, 2, 1_000)
        held.let_go(late.hex())
        await until(lambda: desk.said(late) == "waits for the run of an accusation")
        assert desk.said(lease) != "ran item 3"
        over.set()
        await until(lambda: desk.said(lease) == desk.said(late) == "ran item 3")


async def test_no_slow_server_takes_the_place_of_an_audited_items_run(held: HeldRuns, desk: Desk) -> None:
    """As many as may run at once, each due before the one that is served at once."""
    slow = [LeaseId(bytes([number]) * 32) for number in range(1, MOST + 1)]
    desk.slowly_served = {each: trio.Event() for each in slow}
    async with trio.open_nursery() as nursery:
        for number in range(1, MOST + 1):
            await desk.look(nursery, number, 1_000)
        await until(lambda: all(desk.said(each) == "gets the job of item 3" for each in slow))
        held.let_go((bytes([20]) * 32).hex())
        served = await desk.look(nursery, 20, 2_000)
        await until(lambda: desk.said(served) == "ran item 3")
        for each in slow:
            desk.slowly_served[each].set()
        await until(lambda: sum(held.has_begun(each.hex()) for each in slow) == AT_ONCE)
        waits = "waits for other items to be executed"
        await until(lambda: sum(desk.said(each) == waits for each in slow) == MOST - AT_ONCE)
        for each in slow:
            held.let_go(each.hex())
        await until(lambda: all(desk.said(each) == "ran item 3" for each in slow))


async def test_no_number_of_slow_servers_keeps_a_job_from_being_fetched(held: HeldRuns, desk: Desk) -> None:
    """As many of one owner as are fetched at once, each due before another's that is served at once."""
    slow = [LeaseId(bytes([number]) * 32) for number in range(1, 65)]
    desk.slowly_served = {each: trio.Event() for each in slow}
    async with trio.open_nursery() as nursery:
        for number in range(1, 65):
            await desk.look(nursery, number, 1_000)
        await until(lambda: sum(desk.said(each) == "gets the job of item 3" for each in slow) >= 32)
        held.let_go((bytes([100]) * 32).hex())
        served = await desk.look(nursery, 100, 2_000, owner=Address(b"\x77" * 20))
        await until(lambda: desk.said(served) == "ran item 3")
        nursery.cancel_scope.cancel()


async def test_a_run_under_way_ends_before_the_auditor_abstains(held: HeldRuns, desk: Desk) -> None:
    """At 110 the commitments end, the clock is 10: a run that is under way has until 108."""
    async with trio.open_nursery() as nursery:
        lease = await desk.look(nursery, 1, 110)
        await held.begun(lease.hex())
        await desk.look(nursery, 1, 110, now=107)
        assert desk.said(lease) == "runs item 3"
        await desk.look(nursery, 1, 110, now=108)
        assert desk.sent == [], "nothing is sent while the run goes on"
        await until(lambda: "cannot be had and run in time" in desk.said(lease))
        await desk.look(nursery, 1, 110, now=108)
        await until(lambda: desk.said(lease).startswith("abstained"))
        assert desk.sent == ["Audits.abstain 01"]


async def test_a_run_that_ends_in_time_is_committed_to(held: HeldRuns, desk: Desk) -> None:
    async with trio.open_nursery() as nursery:
        lease = await desk.look(nursery, 1, 110)
        await held.begun(lease.hex())
        held.let_go(lease.hex())
        await until(lambda: desk.said(lease) == "ran item 3")
        noted = desk.desk.notes.runs.of((lease, True), 3)
        assert noted == desk.desk._runs[lease, True], "after a restart the time to reveal may be too short"
        await desk.look(nursery, 1, 110, now=109)
        await until(lambda: desk.said(lease).startswith("committed"))
        assert desk.sent == ["Audits.commit 01"]


async def test_only_a_run_that_opens_what_was_committed_to_is_revealed(desk: Desk) -> None:
    """Silence costs an eighth of the stake, and what differs half of it."""
    lease, opened = LeaseId(bytes([1]) * 32), cast(Any, SimpleNamespace(bid=BID))
    desk.desk._runs[lease, True] = Run(3, OWN)
    seed = sight(Stage.DRAWN).audit.seed
    sealed = bound(commitment(OWN, ME, lease, seed, salt_of(b"key", seed)), OWN)

    def own(found: Hash32, seed: Hash32 = seed) -> Roots | None:
        seen = sight(Stage.DRAWN, Part.COMMITTED, audit={"seed": seed})
        seen = replace(seen, tasks=tuple(replace(each, found=found) for each in seen.tasks))
        return desk.desk._own(Seen((lease, True), opened, seen))

    assert own(sealed) == OWN
    assert own(Hash32(b"x" * 32)) is None
    assert own(sealed, Hash32(b"o" * 32)) is None, "another draw has another salt"


async def test_one_purse_stands_behind_all_that_is_committed_to(held: HeldRuns, desk: Desk) -> None:
    """Each by itself could be paid for: with N at once, all but one accusation would have no bond."""
    async with trio.open_nursery() as nursery:
        leases = [await desk.look(nursery, number, 1_000) for number in (1, 2, 3)]
        for done, lease in enumerate(leases, 1):
            held.let_go(lease.hex())
            await until(lambda lease=lease: desk.said(lease) == "ran item 3")  # type: ignore[misc]
            assert desk.beside == [leases[:many] for many in range(done)]


async def test_a_run_of_an_earlier_process_is_committed_to_if_the_wallet_still_holds_its_bond(
    held: HeldRuns, desk: Desk
) -> None:
    async with trio.open_nursery() as nursery:
        kept, poor = (LeaseId(bytes([number]) * 32) for number in (1, 2))
        for lease in (kept, poor):
            desk.desk.notes.runs.keep((lease, True), Run(3, OWN, effort=Effort(7.0, 1 << 20)))
        await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(kept).startswith("committed"))
        desk.slow = "games about 2 audits may take bonds of 2 coin, the wallet holds 1 coin"
        await desk.look(nursery, 2, 110)
        await until(lambda: desk.said(poor) == desk.slow and not desk.desk._busy)
        await desk.look(nursery, 2, 110)
        await until(lambda: desk.said(poor).startswith("abstained"))
        assert desk.sent == ["Audits.commit 01", "Audits.abstain 02"]


async def test_a_job_that_cannot_be_had_is_tried_until_half_of_the_clock_is_left(
    held: HeldRuns, desk: Desk
) -> None:
    async with trio.open_nursery() as nursery:
        lease = LeaseId(bytes([1]) * 32)
        desk.lacking = {lease}
        for now in (100, 104):
            await desk.look(nursery, 1, 110, now=now)
            await until(lambda: "nobody serves" in desk.said(lease) and not desk.desk._busy)
        await desk.look(nursery, 1, 110, now=105)
        await until(lambda: desk.said(lease).startswith("abstained"))
        assert desk.said(lease).endswith(": nobody serves the inputs")
        assert desk.sent == ["Audits.abstain 01"]


async def test_who_could_not_play_a_game_about_what_it_found_abstains(held: HeldRuns, desk: Desk) -> None:
    """What it commits to it may have to defend, and why_not would refuse the game."""
    async with trio.open_nursery() as nursery:
        desk.slow = "executing item 3 takes 70 s here, the clock of a move is 60 s"
        lease = await desk.look(nursery, 1, 110)
        held.let_go(lease.hex())
        await until(lambda: desk.said(lease) == desk.slow)
        await until(lambda: not desk.desk._busy)
        await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(lease).startswith("abstained"))
        assert desk.said(lease).endswith(desk.slow), "and why"
        assert desk.sent == ["Audits.abstain 01"]


async def test_what_takes_more_memory_than_games_have_is_not_run_at_all(held: HeldRuns, desk: Desk) -> None:
    """Whoever orders audits of it would have the whole machine, and its fee back."""
    async with trio.open_nursery() as nursery:
        desk.takes = 2 * games_memory(WatchtowerConfig())
        lease = await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(lease).startswith("a game takes "))
        await until(lambda: not desk.desk._busy)
        assert not held.has_begun(lease.hex())
        await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(lease).startswith("abstained"))
        assert desk.sent == ["Audits.abstain 01"]


async def test_runs_and_games_take_no_more_together_than_games_may(held: HeldRuns, desk: Desk) -> None:
    async with trio.open_nursery() as nursery:
        whole = games_memory(WatchtowerConfig())
        desk.taken, desk.takes = whole // 2, whole // 3  # a game under way, and each of the items
        first = await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(first) == "runs item 3")
        second = await desk.look(nursery, 2, 110)
        await until(lambda: desk.said(second) == "waits for other items to be executed")
        held.let_go(first.hex())
        await until(lambda: desk.said(second) == "runs item 3")
        held.let_go(second.hex())
        await until(lambda: desk.said(second) == "ran item 3" and not desk.desk._busy)


async def test_who_finds_what_is_public_abstains_and_pledges_nothing(held: HeldRuns, desk: Desk) -> None:
    """ADR 053: also if the other audit has shown it after the run."""
    async with trio.open_nursery() as nursery:
        desk.public = True
        lease = await desk.look(nursery, 1, 110)
        held.let_go(lease.hex())
        await until(lambda: desk.said(lease).startswith("the provider has shown the same"))
        await until(lambda: not desk.desk._busy)
        await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(lease).startswith("abstained"))
        assert desk.said(lease).endswith("so agreeing is not paid"), "and why"
        desk.public = False
        shown = await desk.look(nursery, 2, 110)
        held.let_go(shown.hex())
        await until(lambda: desk.said(shown) == "ran item 3" and not desk.desk._busy)
        desk.public = True
        for _ in range(2):
            await desk.look(nursery, 2, 110)
            await until(lambda: not desk.desk._busy)
        assert desk.said(shown).startswith("abstained")
        assert desk.sent == ["Audits.abstain 01", "Audits.abstain 02"]
        assert desk.beside == [[]], "looked into for the second alone, before that was public"


async def test_who_plays_no_games_abstains_and_runs_nothing(held: HeldRuns, desk: Desk) -> None:
    desk.desk.court = None
    async with trio.open_nursery() as nursery:
        lease = await desk.look(nursery, 1, 110)
        await until(lambda: desk.said(lease).startswith("abstained"))
        assert desk.said(lease).endswith("challenge is off, so it could not defend what it commits to")
        assert desk.sent == ["Audits.abstain 01"]
        assert not held.has_begun(lease.hex())


async def test_a_run_for_a_draw_that_a_reorg_replaced_makes_way_for_the_right_one(
    held: HeldRuns, desk: Desk
) -> None:
    other = {"item": 1, "seed": Hash32(b"\6" * 32)}
    async with trio.open_nursery() as nursery:
        lease = await desk.look(nursery, 1, 110)
        await held.begun(lease.hex())
        assert desk.said(lease) == "runs item 3"
        await desk.look(nursery, 1, 110, **other)
        await until(lambda: not desk.desk._busy)
        held.let_go(lease.hex())
        await desk.look(nursery, 1, 110, **other)
        await until(lambda: desk.said(lease) == "ran item 1")


async def test_an_answer_to_another_draw_is_another_transaction(held: HeldRuns, desk: Desk) -> None:
    """The same block's number, and the same item: a re-org gave the block another hash."""
    async with trio.open_nursery() as nursery:
        lease = LeaseId(bytes([1]) * 32)
        held.let_go(lease.hex())
        for seed in (b"\6", b"\7", b"\7"):
            draw = {"seed": Hash32(seed * 32)}
            desk.desk.doing.clear()
            await desk.look(nursery, 1, 110, **draw)
            await until(lambda: not desk.desk._busy)
            if not desk.said(lease).startswith("committed"):
                await desk.look(nursery, 1, 110, **draw)
            await until(lambda: desk.said(lease).startswith("committed"))
        assert desk.sent == ["Audits.commit 01"] * 3
        assert len(desk.effects) == 2


async def test_who_will_have_to_accuse_prepares_for_it_before_the_comparison(desk: Desk) -> None:
    shown = {"answer": Answer.REVEALED, "committed": 3, "opened": 2}
    async with trio.open_nursery() as nursery:
        agrees = await desk.look(nursery, 1, 110, part=Part.REVEALED, **shown)
        accuses = await desk.look(nursery, 2, 110, part=Part.REVEALED, found=HASH, **shown)
        assert desk.prepared == [accuses] != [agrees]


async def test_what_was_prepared_is_kept_for_as_long_as_the_chain_shows_that_it_is_needed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {"answer": Answer.REVEALED, "committed": 3, "opened": 2, "found": HASH}
    sights = [
        sight(Stage.DRAWN, Part.REVEALED, audit=shown, shown=OWN),
        sight(Stage.DRAWN, Part.REVEALED, audit={"committed": 3, "opened": 1}),  # a re-org
        sight(Stage.CONTESTED, Part.ACCUSING, audit=shown, shown=OWN, playing=True),
    ]
    opened_: Any = SimpleNamespace(bid=BID)
    lease = LeaseId(bytes([1]) * 32)
    heads = iter(range(10))

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(desk.desk, "_begin", nothing)
    monkeypatch.setattr(desk.desk, "_note", nothing)
    async with trio.open_nursery() as nursery:
        for each in sights:
            look = SimpleNamespace(open=(Seen((lease, True), opened_, each),), owed=(), ended=())
            answers = iter([next(heads), look])

            async def run(_: object, answers: Any = answers) -> object:
                return next(answers)

            desk.desk.rig.chain.run = run  # type: ignore[method-assign]
            await desk.desk.look(nursery)
    assert desk.kept == [[1], [], [1]]


async def test_a_draw_that_is_stuck_below_the_base_fee_keeps_no_auditor_from_its_answer(
    held: HeldRuns, desk: Desk
) -> None:
    """Somebody else's draw is mined: from then on the auditor's clock runs."""
    async with trio.open_nursery() as nursery:
        for _ in range(3):  # its turn among all that may draw
            lease = await desk.look(nursery, 1, 0, stage=Stage.CALLED, draw_block=BlockNo(1))
        await until(lambda: bool(desk.sent))
        held.let_go(lease.hex())
        with trio.fail_after(60):
            while (lease, True) not in desk.desk._runs:
                await desk.look(nursery, 1, 1_000)
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def test_an_ending_that_a_full_disk_does_not_take_is_told_and_let_go_once_there_is_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, play = (LeaseId(bytes([1]) * 32), True), desk.desk
    note: Any = SimpleNamespace(lease="0x01", by="its client", sentence=lambda: "over")
    survey = play._survey
    standing: Any = SimpleNamespace(name=name)
    survey._endings[name] = standing
    monkeypatch.setattr(survey, "_ending", lambda *_: SimpleNamespace(name=name, outcome="paid"))
    monkeypatch.setattr(auditor, "ending_note", lambda *_: note)
    let_go, full = list[object](), [TransientError("the disk is full")]

    def write(_: object) -> None:
        if full:
            raise full.pop()

    async def run(read: Any, *_: Any) -> Any:
        if read is auditor.auditor_note:
            return AuditorNote(0, "", True, "", "", "")
        return read(None)

    play.rig.chain.run = run  # type: ignore[method-assign]
    monkeypatch.setattr(play.notes, "write", write)
    monkeypatch.setattr(play, "_let_go", let_go.append)
    memories: Any = (play.doing, play._vain, play._runs)
    for memory in memories:
        memory[name] = standing
    look: Any = SimpleNamespace(open=())
    with pytest.raises(TransientError):
        await play._note(look)
    assert name not in survey.told, "with a restart it is told, and let go, by the next process"
    await play._note(look)
    await play._note(look)
    assert (let_go, survey.told) == ([name] * 2, {name})
    assert not any((play.doing, play._vain, play._runs, survey._endings))
