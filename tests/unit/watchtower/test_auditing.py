"""What a watchtower writes down as an auditor, and what its shared moves may cost."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.dispute.audits import Roots
from protocol.types import Address, Amount, Hash32, InputError, LeaseId, Wei
from watchtower.auditing.notes import AuditNote, AuditorNote, Notes
from watchtower.auditing.survey import Ending
from watchtower.spending import Spending

ROOTS = Roots(Hash32(b"\1" * 32), Hash32(b"\2" * 32))
NOTE = AuditNote(
    lease="0x" + "ab" * 32,
    owner="0x" + "cd" * 20,
    by="its client",
    stage="drawn",
    item=3,
    part="committed",
    doing="waits for the others to commit, until 99",
    over=False,
    fee=10**18,
    reward=0,
    symbol="LOC",
    decimals=18,
)


def over(**changes: object) -> AuditNote:
    fields = {name: getattr(NOTE, name) for name in NOTE.__dataclass_fields__}
    return AuditNote(**{**fields, "over": True, "part": "done", "stage": "over", "doing": "", **changes})  # type: ignore[arg-type]


def test_notes_come_back_as_they_were_and_say_what_they_mean(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    assert (notes.all(), notes.auditor()) == ((), None)
    notes.write(NOTE)
    auditor = AuditorNote(7, "0x" + "11" * 20, True, "4 LOC", "", "enrolled since 5")
    notes.write_auditor(auditor)
    assert (notes.all(), notes.auditor()) == ((NOTE,), auditor)
    assert NOTE.sentence().splitlines() == [
        f"audit of lease {NOTE.lease} by its client: item 3, drawn, own part committed",
        "  waits for the others to commit, until 99",
    ]
    assert over(reward=10**17).sentence().endswith("over, item 3, fee 1 LOC, reward 0.1 LOC")
    assert over(fee=0, doing="no run").sentence().endswith("over, item 3, nothing earned; no run")
    (tmp_path / "auditor.json").write_text('{"at": 1}')
    with pytest.raises(InputError, match=r"auditor\.json is damaged"):
        notes.auditor()


def test_an_ending_says_whether_it_was_given_up() -> None:
    ended = Ending((LeaseId(bytes(32)), True), Address(bytes(20)), 0, 3, Amount(0), Amount(0))
    assert ended.outcome == "unpaid"
    assert replace(ended, fee=Amount(1)).outcome == "paid"
    assert replace(ended, abstained=True).outcome == "abstained"


def test_a_run_is_taken_from_disk_for_its_item_alone(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.keep_run("0x00-client", 3, ROOTS)
    assert Notes(tmp_path).run("0x00-client", 3) == ROOTS
    assert notes.run("0x00-client", 4) is None, "a re-org drew another one"
    assert notes.run("0x00-strangers", 3) is None
    (tmp_path / "run-0x00-client.json").write_text("{")
    assert notes.run("0x00-client", 3) is None, "it is run again"
    notes.forget_run("0x00-client")
    assert notes.all() == ()


def test_shared_moves_cost_no_more_than_a_day_allows_through_restarts(tmp_path: Path) -> None:
    now = [0.0]

    def spending() -> Spending:
        return Spending(tmp_path / "spent.json", Wei(100), "audit_gas_per_day", lambda: now[0])

    assert spending().why_not() == ""
    spending().add(Wei(60))
    assert spending().why_not() == ""
    now[0] = 50_000.0
    spending().add(Wei(60))
    assert "audit_gas_per_day allows" in spending().why_not()
    now[0] = 86_401.0
    assert spending().why_not() == "", "the first is a day old"
    (tmp_path / "spent.json").write_text("?")
    assert spending().why_not() == ""
