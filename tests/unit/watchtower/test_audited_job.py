"""What an auditor has checked it keeps, and what a stranger serves instead ends no game."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.chain.calls import Due
from protocol.chain.deploy_terms import TokenTerms, default_audit_terms, default_dispute_terms
from protocol.chain.networks_file import shipped_network
from protocol.chain.sender import Leaving
from protocol.dispute.audits import Part, Roots, Stage
from protocol.dispute.challenger import MARGIN
from protocol.dispute.delivery import PostedRoots
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, OpenTraceResult
from protocol.engines.worker.interface import CheckArgs, to_wire
from protocol.games.asking import Asked
from protocol.games.audit_runs import Effort
from protocol.games.player import Player
from protocol.games.pledges import Pledge, Pledges
from protocol.games.workshop import CaseFiles
from protocol.types import Address, Amount, BlockNo, Hash32, InputError, LeaseId, TransientError, Wei, to_hex
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import CLOCKS, LIE, OWN, sight
from tests.unit.games.test_asking import GOOD
from watchtower import games
from watchtower.auditing import running
from watchtower.auditing.survey import Seen
from watchtower.config import WatchtowerConfig
from watchtower.fetching import Hold, WrongArtifactsError
from watchtower.games import Games
from watchtower.judge import PostedResult
from watchtower.obtaining import Obtained, Rig, WithheldError

LEASE: LeaseId = BID.lease_id()
ROOT = Hash32(b"\7" * 32)
NOTHING: Any = None
JOB = Obtained(NOTHING, CaseFiles(Path("p"), Path("i"), Path(), 4), b"the receipt")


def rig_of(folder: Path, read: object) -> Rig:
    async def run(*_: object) -> object:
        return read

    chain: Any = SimpleNamespace(run=run)
    return Rig(chain, NOTHING, NOTHING, NOTHING, WatchtowerConfig(), folder)


@pytest.mark.trio
async def test_an_auditor_keeps_the_job_before_it_commits_though_the_outputs_are_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rig_of(tmp_path, ROOT)

    async def obtain(_: object, __: object, result: PostedResult, hold: Hold) -> Obtained:
        assert hold.until == result.window_end + CLOCKS.game_span, "what it finds is played with this"
        raise WithheldError("nobody has the outputs", JOB, again=True)

    async def opened(*_: object, fresh: bool) -> OpenTraceResult:
        assert (tmp_path / to_hex(LEASE)).read_bytes() == b"the receipt", "kept before it is run"
        return OpenTraceResult(OWN.trace, OWN.item, 1.0, 5 << 20)

    monkeypatch.setattr(running, "obtain", obtain)
    monkeypatch.setattr(running, "_opened", opened)
    opened: Any = SimpleNamespace(bid=BID)
    seen = Seen((LEASE, True), opened, sight(Stage.DRAWN, Part.ASSIGNED))
    ran = await running.run_item(rig, NOTHING, await running.get_job(rig, NOTHING, seen), 60.0)
    assert (ran.roots, ran.effort.memory) == (OWN, 5 << 20)


class TwoRuns:
    """A worker whose first run of the item comes to OWN; the next to `again`, unless the first is kept."""

    def __init__(self, posted: Hash32, again: Roots) -> None:
        self.posted, self.again, self.asked = posted, again, list[str]()

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        self.asked.append(op)
        if op == AccuseArgs.OP:
            return to_wire(AccuseResult(OWN.trace, OWN.item, self.posted, (), (), (), b"", 5 << 20))
        again = self.again if args["fresh"] else OWN
        return to_wire(OpenTraceResult(again.trace, again.item, 1.0, 5 << 20))


@pytest.mark.trio
async def test_what_differs_from_the_result_is_run_twice_before_it_is_committed_to() -> None:
    """A false accusation burns half of the stake."""
    rig, job = rig_of(Path(), ROOT), running.Job(3, JOB.files, served=True)

    async def ran(worker: Any) -> Roots:
        found = await running.run_item(rig, worker, job, 60.0)
        assert found.effort.memory == 5 << 20, "what keeping its trace takes is known as well"
        return found.roots

    right = TwoRuns(OWN.item, LIE)
    assert await ran(right) == OWN
    assert right.asked == [AccuseArgs.OP], "once, where it is as posted"
    assert await ran(TwoRuns(ROOT, OWN)) == OWN, "wrong both times"
    for other in (LIE, replace(OWN, trace=LIE.trace), Roots(OWN.trace, ROOT)):
        with pytest.raises(TransientError, match="comes out in two ways on this machine"):
            await ran(TwoRuns(ROOT, other))
    # So is what can be held against nothing, since the provider serves no outputs.
    job = replace(job, served=False)
    assert await ran(twice := TwoRuns(OWN.item, OWN)) == OWN
    assert len(twice.asked) == 2
    with pytest.raises(TransientError, match="comes out in two ways on this machine"):
        await ran(TwoRuns(OWN.item, LIE))


@pytest.mark.trio
async def test_what_a_game_checks_again_before_its_run_is_reckoned_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Of a job of many narrow items the inputs take longer to check than an item to run."""

    class Slow(TwoRuns):
        async def call(self, op: str, args: dict[str, Any]) -> Any:
            await trio.sleep(7.0 if op == CheckArgs.OP else 2.0)
            return None if op == CheckArgs.OP else await super().call(op, args)

    async def obtain(_: object, child: Asked, *__: object) -> Obtained:
        await trio.sleep(1000.0)  # what is served slowly is fetched once
        for _ in range(2):
            await child.call(CheckArgs.OP, {})
        return replace(JOB, trace_bytes=9 << 20)

    monkeypatch.setattr(running, "obtain", obtain)
    opened: Any = SimpleNamespace(bid=BID)
    seen = Seen((LEASE, True), opened, sight(Stage.DRAWN, Part.ASSIGNED))
    rig, worker = rig_of(tmp_path, ROOT), Slow(OWN.item, OWN)
    child: Any = worker
    job = await running.get_job(rig, child, seen)
    assert job.trace_bytes == 9 << 20
    assert (await running.run_item(rig, child, job, 60.0)).effort.seconds == 16.0


@pytest.mark.parametrize("error", [WrongArtifactsError, InputError])
@pytest.mark.trio
async def test_a_job_that_is_not_the_leases_ends_no_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[InputError]
) -> None:
    result = PostedResult(LEASE, BID, ROOT, sight(Stage.DRAWN).window_end)

    async def run(read: object, *_: object) -> object:
        return (result, 900) if read is games._posted else PostedRoots(ROOT, {})

    chain: Any = SimpleNamespace(run=run)
    rig = Rig(chain, NOTHING, NOTHING, NOTHING, WatchtowerConfig(), tmp_path)
    playing = Games(rig, NOTHING, NOTHING, NOTHING, games.Metrics())

    async def obtain(*_: object, **__: object) -> Obtained:
        raise error("the job specification is not the one that the bid names")

    monkeypatch.setattr(games, "obtain", obtain)
    player: Any = SimpleNamespace(bid=BID, root=None, lease=LEASE, item=3)
    with pytest.raises(TransientError, match="not the one that the bid names"):
        await playing._workshop(player, NOTHING)


async def shop_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> tuple[Any, Player, Rig]:
    """The workshop of a game, its player and its rig, on a chain of two seconds a block and 60 blocks a move.

    Its worker checks the job for 7 seconds, and accuses after 20.
    """
    result = PostedResult(LEASE, BID, ROOT, sight(Stage.DRAWN).window_end)

    async def run(read: object, *_: object) -> object:
        known = {games._posted: (result, 900), games.revealed_items: PostedRoots(ROOT, {})}
        return known.get(read, 60)  # type: ignore[call-overload]

    async def obtain(_: object, child: Asked, *__: object, **___: object) -> object:
        await child.call("check", {})
        return SimpleNamespace(files=CaseFiles(folder, folder, folder, 4))

    async def answer(op: str, _: object) -> object:
        await trio.sleep(7 if op == "check" else 20)
        return GOOD.get(op)

    network = SimpleNamespace(seconds=lambda span: 2 * span)
    chain: Any = SimpleNamespace(run=run, blocking=SimpleNamespace(network=network))
    rig = Rig(chain, NOTHING, NOTHING, NOTHING, WatchtowerConfig(**config), folder)
    monkeypatch.setattr(games, "obtain", obtain)
    playing = Games(rig, NOTHING, NOTHING, NOTHING, games.Metrics())
    player = Player(chain, BID, BlockNo(0), NOTHING, 3, NOTHING, NOTHING, item=3)
    worker: Any = SimpleNamespace(call=answer)
    return await playing._workshop(player, worker), player, rig


@pytest.mark.parametrize(
    ("of", "first"),
    [
        ({}, False),
        ({"prepares": True}, True),
        ({"due": Due(BlockNo(50), None)}, True),
        ({"bound": True}, True),
    ],
)
@pytest.mark.trio
async def test_runs_on_which_a_stake_or_a_bond_depends_are_first(
    of: dict[str, Any], first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    """A re-run's own suspicion may be of a cheat's making, to make an accusation late."""
    shop, player, rig = await shop_in(tmp_path, monkeypatch)
    for name, value in of.items():
        setattr(player, name, value)
    assert (shop._rank.precedence, shop._rank.first()) == (rig.precedence, first)
    shop._rank = None
    assert (await shop.accuse(3)).seconds == 27, "a game after a restart checks the job as well"


@pytest.mark.parametrize(("item_seconds", "most"), [(50.0, 120.0), (500.0, 500.0)])
@pytest.mark.trio
async def test_a_game_may_take_a_move_clock_over_its_item_whatever_re_runs_may(
    item_seconds: float, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    """An auditor that ran it in time would lose half of its stake by a game that may not."""
    shop, *_ = await shop_in(tmp_path, monkeypatch, item_seconds=item_seconds)
    assert shop._how.item_seconds == most


@pytest.mark.parametrize(
    ("seconds", "coin", "why"),
    [
        (7.9, 200, ""),
        (8.0, 200, "checking the job and executing item 3 takes 8 s here, the clock of a move is 8 s"),
        (1.0, 199, "a game may take a bond of"),
    ],
)
@pytest.mark.trio
async def test_who_could_play_no_game_is_told_so_before_it_commits(
    seconds: float, coin: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the 15 readings to accuse the opening takes 3, and 2 are spare; a bond may be twice as dear."""
    on_their_way: tuple[Leaving, ...] = ()
    chain: Any = SimpleNamespace(
        game_terms=SimpleNamespace(move_clock=20),
        network=SimpleNamespace(seconds=float, forced_inclusion_blocks=3),
        bond=lambda bid, items, most: 100,
        balance=lambda _: coin,
        sender=SimpleNamespace(leaving=lambda: on_their_way),
        address=b"",
    )
    opened: Any = SimpleNamespace(bid=BID)
    seen = Seen((LEASE, True), opened, sight(Stage.DRAWN, Part.ASSIGNED))
    pledges = Pledges()
    monkeypatch.setattr(pledges, "read", lambda _: ())
    found = running.why_no_game(
        chain, seen, lambda *_: Effort(seconds, 1), running.Room(1 << 30, {}), pledges
    )
    assert found.startswith(why) if why else found == ""
    assert pledges.is_promised(seen.name, seen.sight.audit.seed) == (not why)
    with pledges.paying("challenge", Wei(1), Wei(0)):  # a bond on its way is the wallet's no more
        assert running.why_no_game(chain, seen, lambda *_: Effort(1.0, 1), running.Room(1 << 30, {}), pledges)
    on_their_way = (Leaving("challenge", Wei(1), Wei(0)),)  # nor while nobody waits for it any more
    assert running.why_no_game(chain, seen, lambda *_: Effort(1.0, 1), running.Room(1 << 30, {}), pledges)
    on_their_way = ()
    # One wallet stands behind all that is committed to.
    others = [Pledge((LeaseId(bytes([n]) * 32), True), 3, Wei(200)) for n in (1, 2)]
    monkeypatch.setattr(pledges, "read", lambda _: others)
    beside = running.why_no_game(chain, seen, lambda *_: Effort(1.0, 1), running.Room(1 << 30, {}), pledges)
    assert beside.startswith("games about 3 audits may take bonds of")


def rich() -> Any:
    """A chain on which a wallet can pay for whatever game."""
    return SimpleNamespace(
        game_terms=SimpleNamespace(move_clock=20),
        network=SimpleNamespace(seconds=float, forced_inclusion_blocks=3),
        bond=lambda *_: 1,
        balance=lambda _: 10**18,
        sender=SimpleNamespace(leaving=lambda: ()),
        address=b"",
    )


@pytest.mark.parametrize(
    ("took", "takes", "why"),
    [
        ((2.0, 3.0, 2.9), (2, 3, 5), ""),
        ((2.0, 3.0, 3.0), (1, 1, 1), "what 3 audits drew takes 8 s here, to accuse all are 8 s"),
        ((2.0, 0.0, 3.0), (1, 1, 1), "how long what its audits drew takes is not known here any more"),
        ((0.0, 3.0, 3.0), (1, 1, 1), "how long what its audits drew takes is not known here any more"),
        ((1.0, 1.0, 1.0), (2, 3, 6), "games about 3 audits take 11 MiB here, there are 10 MiB for them"),
        ((1.0, 1.0, 1.0), (2, 0, 1), "how much memory what its audits drew takes is not known here any more"),
        ((1.0, 1.0, 1.0), (0, 1, 1), "how much memory what its audits drew takes is not known here any more"),
    ],
)
def test_nobody_commits_to_more_than_it_could_accuse_at_once(
    took: tuple[float, ...], takes: tuple[int, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider may lie in all of its leases, and reveal in the last reading of all: a stake each burns."""
    names = [(LeaseId(bytes([n]) * 32), True) for n in range(3)]
    chain = rich()
    opened: Any = SimpleNamespace(bid=BID)
    pledges = Pledges()
    # The own one is pledged already where it was found that it can be committed to.
    monkeypatch.setattr(pledges, "read", lambda _: [Pledge(name, 3, Wei(1)) for name in names])
    efforts = [Effort(seconds, mib << 20) for seconds, mib in zip(took, takes, strict=True)]
    known = {(name, 3): effort for name, effort in zip(names, efforts, strict=True)}
    seen = Seen(names[0], opened, sight(Stage.DRAWN, Part.ASSIGNED))
    assert running.why_no_game(chain, seen, lambda *of: known[of], running.Room(10 << 20, {}), pledges) == why
    assert pledges.is_promised(names[0], seen.sight.audit.seed) == (not why)


def test_games_under_way_keep_their_memory_whoever_began_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider lies in lease after lease: each game keeps its trace, and its audit counts as redeemed."""
    leases = [LeaseId(bytes([n]) * 32) for n in range(4)]
    chain = rich()
    opened: Any = SimpleNamespace(bid=BID)
    pledges = Pledges()
    monkeypatch.setattr(pledges, "read", lambda _: [Pledge((leases[1], True), 3, Wei(1))])
    seen = Seen((leases[0], True), opened, sight(Stage.DRAWN, Part.ASSIGNED))
    noted = {(leases[0], True): 2 << 20, (leases[1], True): 3 << 20, (leases[3], False): 4 << 20}

    def why(games: dict[tuple[LeaseId, int], int]) -> str:
        room = running.Room(10 << 20, games)
        return running.why_no_game(
            chain, seen, lambda name, _: Effort(1.0, noted.get(name, 0)), room, pledges
        )

    # What is pledged, and prepared for, counts once.
    assert why({(leases[0], 3): 2 << 20, (leases[1], 3): 3 << 20}) == ""
    assert why({(leases[2], 3): 5 << 20}) == ""
    lack = "games about 2 audits take 11 MiB here beside 1 under way, there are 10 MiB for them"
    assert why({(leases[2], 3): 6 << 20}) == lack
    assert why({(leases[1], 4): 6 << 20}) == lack, "another item"
    # After a restart it has run nothing yet: what its audit noted, if one began it.
    assert why({(leases[2], 3): 2 << 20, (leases[3], 3): 0})
    assert why({(leases[2], 3): 5 << 20, (leases[3], 9): 0})
    assert why({(leases[2], 3): 0}) == ""


@pytest.mark.parametrize("name", ["local", "sepolia", "base-sepolia", "optimism-sepolia", "arbitrum-sepolia"])
def test_the_longest_item_that_is_committed_to_can_be_accused_of_by_the_chains_own_clocks(name: str) -> None:
    """The reveal comes in its last reading, the machine is slower than before, the game is kept out."""
    network = shipped_network(name)
    games_ = default_dispute_terms(network)
    contest = default_audit_terms(
        network, games_, (TokenTerms(Address(bytes(20)), Amount(8)),)
    ).clocks.contest
    chain: Any = SimpleNamespace(network=network, game_terms=games_)
    longest = running.time_to_accuse(chain, contest)
    assert longest <= games_.move_clock
    opened = longest * 5 / 4 + network.forced_inclusion_blocks
    assert opened + MARGIN <= contest
    assert 2 * network.forced_inclusion_blocks <= contest, "comparison and game, one after the other"
    assert (longest + 1) * 5 / 4 + network.forced_inclusion_blocks + MARGIN > contest, "and no less than fits"
