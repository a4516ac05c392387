"""What an auditor keeps of audits: all of it until they are over for good, and nothing after."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.dispute.audits import Stage
from protocol.games.audit_runs import Name, Run
from protocol.games.pledges import Pledges
from protocol.games.precedence import Precedence
from protocol.runtime.metrics import Metrics
from protocol.types import Amount, Hash32, LeaseId, TransientError, Wei
from tests.unit.dispute.test_audits import ME, OWN
from tests.unit.watchtower.test_auditing import NOTE, over
from tests.unit.watchtower.test_survey import OVER
from watchtower.auditing import auditor
from watchtower.auditing.auditor import Auditing
from watchtower.auditing.notes import AuditorNote, Notes
from watchtower.auditing.running import reason_of
from watchtower.auditing.survey import Ending, Look, Survey, _Standing
from watchtower.spending import Spending

pytestmark = pytest.mark.trio
OURS, STRANGERS, OPEN = ((LeaseId(bytes([number]) * 32), True) for number in (1, 2, 3))
SEED = Hash32(b"\5" * 32)
NOTHING: Any = None
LOOK = Look(NOTHING, NOTHING, (), ())


class Disk(Notes):
    """It has no room for so many writes."""

    full = 0

    def _write(self, name: str, content: dict[str, object]) -> None:
        if self.full:
            self.full -= 1
            raise TransientError("the disk is full")
        super()._write(name, content)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Auditing:
    """At a time when OURS, which had drawn it, and STRANGERS, which had not, are over for good."""
    network = SimpleNamespace(seconds_per_block=1, span=int)
    heads = count()
    node = SimpleNamespace(head=lambda: next(heads))
    blocking = SimpleNamespace(address=ME, network=network, node=node, clock=lambda: 1_000)
    redated: dict[str, int] = {}

    async def run(method: Any, *args: Any) -> Any:
        return method(blocking, *args)

    rig: Any = SimpleNamespace(
        pledges=Pledges(),
        precedence=Precedence(),
        chain=SimpleNamespace(blocking=blocking, run=run),
        store=SimpleNamespace(redate=redated.__setitem__, redated=redated),
    )
    gas = Spending(tmp_path / "gas.json", Wei(1), "audit_gas_per_day", lambda: 0.0)
    made = Auditing(rig, b"key", Disk(tmp_path), gas, Metrics(), None)
    made._survey._done = {OURS, STRANGERS}
    made._survey._endings = {OURS: _Standing(OURS, *OVER)}
    for name in (OURS, STRANGERS, OPEN):
        made.doing[name] = "waits"
        made._due[name, "draw"] = 7
        made._written[name] = NOTE
    for name in (OURS, OPEN):
        made._runs[name] = Run(3, OWN)
        made._failed[name], made._vain[name], made._unable[name] = (SEED, "slow"), SEED, SEED
        made.notes.runs.keep(name, Run(3, OWN))
        rig.pledges.promise(name, SEED)

    def ending(self: Survey, chain: object, each: _Standing) -> Ending:
        assert each.audit.stage is Stage.OVER
        return Ending(each.name, NOTHING, 0, 3, Amount(7), Amount(0))

    monkeypatch.setattr(Survey, "_ending", ending)
    monkeypatch.setattr(Survey, "look", lambda *_: LOOK)
    monkeypatch.setattr(auditor, "ending_note", lambda *_: over())
    monkeypatch.setattr(auditor, "auditor_note", lambda *_: AuditorNote(1, "me", True, "4", "", "enrolled"))
    return made


async def look(desk: Auditing) -> None:
    await desk.look(NOTHING)


def kept(desk: Auditing) -> set[Name]:
    """The audits of which anything is remembered."""
    due = {name for name, _ in desk._due}
    named = (desk.doing, desk._runs, desk._failed, desk._vain, desk._unable, desk._written)
    found = due.union(*named, desk.rig.pledges._coming, desk.notes.runs.names())
    return {name for name in found if name is not None}


async def test_nothing_is_kept_of_audits_that_are_over_for_good(desk: Auditing) -> None:
    """Anybody orders audits, and each was remembered for ever."""
    assert kept(desk) == {OURS, STRANGERS, OPEN}
    await look(desk)
    assert kept(desk) == {OPEN}
    assert desk.rig.store.redated == {reason_of(OURS): 1_256}  # type: ignore[attr-defined]
    assert len(desk.notes.all()) == 1


async def test_what_is_under_way_about_an_audit_is_forgotten_after_it(desk: Auditing) -> None:
    desk._busy.add(STRANGERS)
    await look(desk)
    assert kept(desk) == {STRANGERS, OPEN}
    desk._busy.clear()
    await look(desk)
    assert kept(desk) == {OPEN}


async def test_what_has_ended_an_audit_is_told_of_before_its_end(desk: Auditing) -> None:
    """The abstention that ended it was in a block before its sender knew: `status` never said so."""
    desk._busy.add(OURS)
    told = desk._ended.labels("paid")._value
    await look(desk)
    assert (told.get(), OURS in kept(desk)) == (0, True)
    desk._busy.clear()
    await look(desk)
    assert (told.get(), OURS in kept(desk)) == (1, False)


async def test_a_run_that_goes_on_puts_off_no_end(desk: Auditing) -> None:
    desk._busy.add(OURS)
    desk._scopes[OURS] = (SEED, trio.CancelScope())
    await look(desk)
    assert desk._ended.labels("paid")._value.get() == 1


async def test_an_audit_that_ends_while_the_disk_is_full_is_let_go_later(desk: Auditing) -> None:
    """It was told of once: what was held for it stayed until no game could be, and its run for good."""
    told = desk._ended.labels("paid")._value
    assert isinstance(desk.notes, Disk)
    desk.notes.full = 2
    for _ in range(2):
        with pytest.raises(TransientError, match="the disk is full"):
            await look(desk)
        assert OURS in kept(desk)
        assert told.get() == 0
    await look(desk)
    await look(desk)
    assert (kept(desk), told.get()) == ({OPEN}, 1), "once"
    assert desk.rig.store.redated == {reason_of(OURS): 1_256}  # type: ignore[attr-defined]
    assert len(desk.notes.all()) == 1
    assert desk.notes.auditor() is not None


async def test_a_note_that_found_no_room_is_written_later(desk: Auditing) -> None:
    assert isinstance(desk.notes, Disk)
    desk._survey._endings.clear()
    desk.notes.full = 1
    with pytest.raises(TransientError):
        await look(desk)
    assert desk.notes.auditor() is None
    await look(desk)
    assert desk.notes.auditor() is not None
    desk.notes.full = 1
    await look(desk)
    assert desk.notes.full == 1, "and not once more"
