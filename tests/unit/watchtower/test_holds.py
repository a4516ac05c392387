"""What an audit or a game is played with is held until nothing can follow, and then let go."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.dispute.audits import Part, Stage
from protocol.games.player import Player
from protocol.games.pledges import Pledges
from protocol.runtime.metrics import Metrics
from protocol.store.artifacts import Artifacts
from protocol.types import ArtifactId, BlockNo, Blocks, DiskError, Hash32, TransientError
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import CLOCKS, sight
from watchtower.auditing import running
from watchtower.auditing.auditor import Auditing
from watchtower.auditing.notes import Notes
from watchtower.auditing.survey import Seen
from watchtower.config import WatchtowerConfig
from watchtower.games import Games, Subject
from watchtower.spending import Spending
from watchtower.standings import Standing

pytestmark = pytest.mark.trio
LEASE, ROOT = BID.lease_id(), Hash32(b"\7" * 32)
NOW = BlockNo(250)
DEEPEST = 256
NOTHING: Any = None


class Rig:
    """A store, and a chain that knows the time."""

    def __init__(self, folder: Path) -> None:
        network = SimpleNamespace(seconds_per_block=1, span=Blocks)
        self.deployment = SimpleNamespace(block=0)
        self.store = Artifacts(folder / "store")
        self.pledges = Pledges()
        self.config = WatchtowerConfig()
        self.folder = folder / "receipts"
        blocking = SimpleNamespace(
            network=network, deployment=self.deployment, clock=lambda: NOW, address=b""
        )
        self.chain: Any = SimpleNamespace(run=self._run, blocking=blocking)

    async def _run(self, read: Any) -> BlockNo:
        assert read.__name__ == "clock"
        return NOW

    def hold(self, reason: str, until: int) -> ArtifactId:
        artifact = self.store.put_bytes(reason.encode())
        self.store.pin(artifact, reason, until)
        return artifact

    def is_held(self, artifact: ArtifactId, at: int) -> bool:
        """Whether it is there once all room is needed, at a reading."""
        self.store.expire(at)
        self.store.collect(0)
        return self.store.has(artifact)


@pytest.fixture
def rig(tmp_path: Path) -> Any:
    return Rig(tmp_path)


async def test_a_job_is_held_as_long_as_an_audits_game_can_last_and_no_longer_than_the_audit(
    rig: Any, tmp_path: Path
) -> None:
    """The window's end came first: what an accuser had not yet read for its game could be dropped."""
    opened: Any = SimpleNamespace(bid=BID)
    seen = Seen((LEASE, True), opened, sight(Stage.DRAWN, Part.ASSIGNED))
    hold, other = (running._held(each) for each in (seen, Seen((LEASE, False), opened, seen.sight)))
    assert hold.until == seen.sight.window_end + CLOCKS.game_span
    assert hold.reason != other.reason, "the end of one audit takes nothing from the other"
    program = rig.hold(hold.reason, hold.until)
    assert rig.is_held(program, seen.sight.window_end)
    gas = Spending(tmp_path / "gas.json", 1, "audit_gas_per_day", lambda: 0.0)  # type: ignore[arg-type]
    desk = Auditing(rig, b"key", Notes(tmp_path / "notes"), gas, Metrics(), None)
    rig.store.pin(program, hold.reason, 1 << 40)  # a long span
    desk._let_go(seen.name)
    assert rig.is_held(program, NOW + DEEPEST - 1), "a re-org may bring it back"
    assert not rig.is_held(program, NOW + DEEPEST)


class Over(Games):
    """Games that are over at once."""

    async def _until_over(self, player: Player) -> str:
        player.root = ROOT
        return "it is over"


async def test_a_games_artifacts_are_let_go_when_it_is_over_and_not_when_its_last_move_could_be(
    rig: Any,
) -> None:
    weeks = 1 << 40
    async with trio.open_nursery() as nursery:
        playing = Over(rig, NOTHING, NOTHING, nursery, Metrics())
        reason = f"game 0x{LEASE.hex()} 3"
        mine, others = rig.hold(reason, weeks), rig.hold(f"game 0x{LEASE.hex()} 4", weeks)
        sooner = rig.hold("game of an earlier process", NOW + 5)
        opened: Any = SimpleNamespace(lease=LEASE, bid=BID, block=0)
        playing._start(opened, 3)
        with trio.fail_after(60):
            while playing.playing:
                await trio.sleep(0.01)
    assert rig.is_held(mine, NOW + DEEPEST - 1)
    assert not rig.is_held(mine, NOW + DEEPEST)
    assert rig.is_held(others, weeks - 1), "another game's are its own"
    assert not rig.store.has(sooner)


async def test_what_a_crash_left_held_for_ended_games_is_let_go_at_the_next_start(rig: Any) -> None:
    weeks = 1 << 40
    names = [f"game 0x{LEASE.hex()} {item}" for item in (3, 4)]
    going_on, ended = (rig.hold(each, weeks) for each in names)
    rerun, sooner = rig.hold("re-run 0x00", weeks), rig.hold("game 0x00 1", NOW + 5)
    playing = Games(rig, NOTHING, NOTHING, NOTHING, Metrics())
    playing.playing[Subject(LEASE, 3)] = NOTHING
    await playing._let_others_go()
    assert not rig.is_held(sooner, NOW + 5), "what ends sooner is held no longer"
    assert not rig.is_held(ended, NOW + DEEPEST)
    assert rig.is_held(going_on, weeks - 1)
    assert rig.is_held(rerun, weeks - 1)


async def test_without_a_node_nothing_is_let_go(rig: Any) -> None:
    async def away(_: Any) -> BlockNo:
        raise TransientError("no node answers")

    artifact = rig.hold("game 0x00 1", 1 << 40)
    rig.chain.run = away
    await Games(rig, NOTHING, NOTHING, NOTHING, Metrics())._redate("game 0x00 1")
    assert rig.is_held(artifact, (1 << 40) - 1)


async def test_a_full_disk_ends_no_game(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What people read grows old, and what was held is held on."""

    def full(*_: object) -> None:
        raise DiskError("the disk is full")

    artifact = rig.hold("game 0x00 1", 1 << 40)
    standings: Any = SimpleNamespace(write=full)
    playing = Games(rig, NOTHING, standings, NOTHING, Metrics())
    playing._write(Standing("0x00", 1, "", "it is over", ()))
    assert "cannot be written down: the disk is full" in caplog.text
    rig.store.redate = full
    await playing._redate("game 0x00 1")
    assert rig.is_held(artifact, (1 << 40) - 1)
