"""Which audits an auditor sees. The chain is an object in this process: what two blocks say of each audit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.audit_events import Abstained, Called, Earned, Reached
from protocol.chain.audit_reads import AuditorView
from protocol.chain.audits import AuditCalls
from protocol.chain.marks import Ground
from protocol.chain.node import BlockHead
from protocol.chain.rpc import RpcRefused
from protocol.chain.views import LeaseState
from protocol.dispute.audits import Audit, Part, Sight, Stage, Task
from protocol.dispute.records import Verdict
from protocol.games.audit_runs import Name
from protocol.types import Amount, BlockNo, Blocks, Hash32, LeaseId
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import CLOCKS, ME, OTHER, sight
from watchtower.auditing import survey as surveying
from watchtower.auditing.survey import Survey

CONFIRMED = BlockNo(97)
NEWEST = BlockNo(100)
HEIGHT = BlockNo(77)
"""What draws count in: on some rollups another chain's."""


def standing(stage: Stage, part: Part | None = None, until: int = 110) -> tuple[Audit, tuple[Task, ...]]:
    """As a block has it; `part`: ours, None where it drew somebody else."""
    found = sight(stage, part or Part.ASSIGNED, audit={"commit_until": BlockNo(until)})
    tasks = [replace(each, auditor=OTHER) if part is None else each for each in found.tasks]
    return found.audit, tuple(tasks)


CALLED, OVER = standing(Stage.CALLED), standing(Stage.OVER, Part.DONE)
DRAWN = standing(Stage.DRAWN, Part.ASSIGNED)


@dataclass
class World:
    """Audits of leases 1, 2, ...; each had its opening and its first order in the block of its number."""

    newest: dict[int, Any] = field(default_factory=dict)
    confirmed: dict[int, Any] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    archive: bool = True
    """Whether nodes have the state of the confirmed block."""
    fork: int = 0
    end: BlockNo = CONFIRMED
    """The newest confirmed block."""
    lags: bool = False
    scans: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audits = AuditCalls(OTHER)
        self.deployment = SimpleNamespace(block=1, tokens=())
        self.network = SimpleNamespace(may_restart=True)
        self.audit_clocks = CLOCKS
        self.node = SimpleNamespace(head=self._head)
        self.scanner = SimpleNamespace(
            all=self._all, between=self._between, confirmed_head=lambda: self.end, ground=Ground(self)
        )

    def both(self, number: int, found: Any) -> None:
        self.newest[number] = self.confirmed[number] = found

    def _head(self, number: int) -> BlockHead | None:
        self.asked["head"] += 1
        if self.lags:
            return None
        digest = Hash32(bytes([self.fork, number & 255]) * 16)
        return BlockHead(BlockNo(number), digest, digest, number)

    def _all(self, topics: Any) -> Any:
        self.asked["events"] += 1
        nothing: Any = None
        return tuple(Called(nothing, *name_of(each), CONFIRMED, NEWEST) for each in self.newest)

    def _between(self, first: int, last: int, topics: Any) -> Any:
        self.scans.append((first, last))
        lease = topics[1]
        at: Any = SimpleNamespace(tx=b"end")
        other: Any = SimpleNamespace(tx=b"other")
        return (
            Reached(at, lease, True, Stage.OVER),
            Earned(at, lease, ME, Amount(7)),
            Earned(at, lease, OTHER, Amount(7)),
            Earned(other, lease, ME, Amount(9)),
            Abstained(at, lease, False, ME),
        )

    def auditor(self, _: object) -> AuditorView:
        self.asked["auditor"] += 1
        return AuditorView(Amount(4), BlockNo(1), BlockNo(0), 0, 0)

    def audits_now(self, names: Sequence[Name], tag: Any) -> list[Audit]:
        return [audit for audit, _ in self._standings(names, tag)]

    def tasks_now(self, names: Sequence[Name], tag: Any) -> list[tuple[Task, ...]]:
        return [tasks for _, tasks in self._standings(names, tag)]

    def _standings(self, names: Sequence[Name], tag: Any) -> Any:
        self.asked["audits"] += 1
        if tag != "latest" and not self.archive:
            raise RpcRefused("eth_call", {"code": -32000, "message": "missing trie node"})
        known = self.newest if tag == "latest" else self.confirmed
        return [known.get(number_of(each), (replace(CALLED[0], stage=Stage.NONE), ())) for each in names]

    def leases(self, leases: Sequence[LeaseId]) -> Any:
        self.asked["leases"] += 1
        view = SimpleNamespace(state=LeaseState.POSTED, started_at=10**6, last_beat=90, freezes=1)
        return (view,) * len(leases)

    def verdicts(self, leases: Sequence[LeaseId]) -> Any:
        self.asked["verdicts"] += 1
        return (Verdict(),) * len(leases)

    def leases_of(self) -> Any:
        self.asked["openings"] += 1
        return [SimpleNamespace(lease=name_of(each)[0], bid=BID, block=each) for each in self.newest]

    def clock(self) -> BlockNo:
        self.asked["clock"] += 1
        return NEWEST

    def block_number(self) -> BlockNo:
        return NEWEST

    def draw_height(self) -> BlockNo:
        return HEIGHT


def name_of(number: int) -> Name:
    return LeaseId(number.to_bytes(32, "big")), True


def number_of(name: Name) -> int:
    return int.from_bytes(name[0], "big")


def look(survey: Survey, world: Any) -> list[int]:
    """Return the leases whose audits concern us, in order."""
    head: Any = SimpleNamespace(number=NEWEST)
    return [number_of(each.name) for each in survey.look(world, head).open]


def ends(survey: Survey, world: Any) -> list[int]:
    ended = survey.endings(world)
    assert survey.endings(world) == ended, "until they are written down"
    survey.tell(ended)
    return [number_of(each.name) for each in ended]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()

    def read(*_: object) -> Sight | None:
        made.asked["sight"] += 1
        return sight(Stage.DRAWN, Part.ASSIGNED)

    monkeypatch.setattr(surveying, "read_sight", read)
    return made


def test_an_audit_is_forgotten_for_nothing_that_a_re_org_may_undo(world: World) -> None:
    survey = Survey(ME)
    world.newest = {1: standing(Stage.DRAWN), 2: OVER, 3: standing(Stage.OVER)}
    world.confirmed = {1: CALLED, 2: DRAWN, 3: CALLED}
    assert (look(survey, world), ends(survey, world)) == ([], [])
    world.newest = {1: DRAWN, 2: DRAWN, 3: DRAWN}  # another block drew us
    assert look(survey, world) == [1, 2, 3]
    for number in (1, 2, 3):
        world.both(number, OVER)
    assert (look(survey, world), ends(survey, world)) == ([], [1, 2, 3])
    assert (look(survey, world), ends(survey, world)) == ([], []), "told once"


def test_an_audit_that_cannot_be_read_in_one_look_is_seen_in_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that lags: drawn, said one; there is no such audit, the next."""
    survey, read = Survey(ME), surveying.read_sight
    world.both(1, DRAWN)
    monkeypatch.setattr(surveying, "read_sight", lambda *_: None)
    assert look(survey, world) == []
    monkeypatch.setattr(surveying, "read_sight", read)
    assert look(survey, world) == [1]


def test_what_nodes_cannot_say_to_be_confirmed_is_read_again(world: World) -> None:
    survey = Survey(ME)
    world.both(1, OVER)
    world.archive = False
    assert (look(survey, world), ends(survey, world)) == ([], [])
    world.newest[1] = DRAWN
    assert look(survey, world) == [1]


def test_a_deep_re_org_brings_all_back_and_a_node_that_lags_nothing(world: World) -> None:
    survey = Survey(ME)
    world.both(1, OVER)
    world.both(2, DRAWN)
    assert (look(survey, world), ends(survey, world)) == ([2], [1])
    world.asked.clear()
    world.lags = True
    assert look(survey, world) == [2]
    assert world.asked["audits"] == 2, "what is over stays over"
    world.lags, world.fork = False, 1
    world.both(1, DRAWN)
    assert look(survey, world) == [1, 2]
    world.both(1, OVER)
    assert (look(survey, world), ends(survey, world)) == ([2], [1]), "what is held anew is let go anew"


def test_what_a_chain_said_whose_blocks_were_made_up_is_taken_back(world: World) -> None:
    """INVARIANT: no number, however high, lets an auditor forget its draw."""
    survey = Survey(ME)
    world.both(1, OVER)
    world.end = BlockNo(1_000_000)
    assert look(survey, world) == []
    world.end = CONFIRMED
    world.both(1, DRAWN)
    assert look(survey, world) == [1]


@pytest.mark.parametrize("kind", ["over", "others", "called"])
def test_months_of_business_cost_no_audit_its_clock(kind: str, world: World) -> None:
    """A process that was started anew asks as often for a thousand past or open audits as for ten."""
    found = {"over": OVER, "others": standing(Stage.DRAWN), "called": CALLED}[kind]
    asked = []
    for many in (10, 1_000):
        survey = Survey(ME)
        for number in range(1, many + 1):
            world.both(number, found)
        world.both(many + 1, DRAWN)
        world.asked.clear()
        seen = look(survey, world)
        assert seen[0] == many + 1, "what has a clock is first"
        assert len(seen) == (many + 1 if kind == "called" else 1)
        asked.append(dict(world.asked))
    assert asked[0] == asked[1]
    assert asked[0]["sight"] == 1
    assert world.scans == [], "and what came of the others is told later"


def test_what_is_due_first_is_read_first(world: World) -> None:
    for number, until in ((1, 130), (2, 110), (3, 120)):
        world.both(number, standing(Stage.DRAWN, Part.ASSIGNED, until))
    assert look(Survey(ME), world) == [2, 3, 1]


def test_an_ending_is_told_from_what_happened_since_its_lease_and_by_one_process(world: World) -> None:
    survey = Survey(ME, told={name_of(1)})
    world.both(1, OVER)
    world.both(2, OVER)
    assert look(survey, world) == []
    (ended,) = survey.endings(world)  # type: ignore[arg-type]
    assert (ended.name, ended.fee, ended.reward, ended.abstained) == (name_of(2), 7, 0, False)
    assert world.scans == [(2, NEWEST)]
    assert ended.outcome == "paid"


def test_many_endings_are_told_a_few_at_a_time(world: World) -> None:
    survey = Survey(ME)
    for number in range(1, 41):
        world.both(number, OVER)
    look(survey, world)
    told = [ends(survey, world) for _ in range(4)]
    assert list(map(len, told)) == [16, 16, 8, 0]
    assert [each for some in told for each in some] == list(range(1, 41))


def test_what_may_draw_is_seen_as_it_stands(world: World) -> None:
    world.both(1, CALLED)
    head: Any = SimpleNamespace(number=NEWEST)
    (seen,) = Survey(ME).look(world, head).open  # type: ignore[arg-type]
    found = seen.sight
    assert (found.audit, found.now, found.block, found.holds) == (CALLED[0], NEWEST, HEIGHT, 1)
    assert (found.window_end, found.convicted) == (90 + BID.challenge_window, False)
    assert seen.task(ME) is None or found.audit.stage is Stage.CALLED
    assert found.ran == Blocks(90 - 10**6)
