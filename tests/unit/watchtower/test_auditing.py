"""What a watchtower writes down as an auditor, and what its shared moves may cost."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.types import Address, Amount, DiskError, InputError, LeaseId, TransientError, Wei
from watchtower import spending as spending_module
from watchtower.auditing.notes import AuditNote, AuditorNote, Notes
from watchtower.auditing.survey import Ending
from watchtower.spending import Spending

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


def test_what_was_told_is_known_to_the_next_process(tmp_path: Path) -> None:
    notes, lease = Notes(tmp_path), LeaseId(bytes.fromhex("ab" * 32))
    notes.write(NOTE)
    assert Notes(tmp_path).told() == set()
    notes.write(over())
    notes.write(over(by="strangers"))
    (tmp_path / "0xdamaged.json").write_text("{")
    assert Notes(tmp_path).told() == {(lease, True), (lease, False)}


def test_an_ending_says_whether_it_was_given_up() -> None:
    ended = Ending((LeaseId(bytes(32)), True), Address(bytes(20)), 0, 3, Amount(0), Amount(0))
    assert ended.outcome == "unpaid"
    assert replace(ended, fee=Amount(1)).outcome == "paid"
    assert replace(ended, abstained=True).outcome == "abstained"
    assert replace(ended, copied=True).outcome == "unpaid"


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


def test_what_a_full_disk_does_not_take_counts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every move looks like the first of the day, for as long as the disk is full."""
    full, write = [True], spending_module.write_whole

    def write_whole(path: Path, data: bytes) -> None:
        if full[0]:
            raise DiskError("no room")
        write(path, data)

    monkeypatch.setattr(spending_module, "write_whole", write_whole)
    file = tmp_path / "spent.json"
    gas = Spending(file, Wei(100), "audit_gas_per_day", lambda: 0.0)
    gas.add(Wei(60))
    gas.add(Wei(30))
    assert (gas.left(), file.exists()) == (10, False)
    full[0] = False
    gas.add(Wei(5))
    assert gas.left() == Spending(file, Wei(100), "", lambda: 0.0).left() == 5, "all of it, and once"


def test_sums_that_cannot_be_read_now_begin_no_day_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spent.json"
    gas = Spending(file, Wei(100), "audit_gas_per_day", lambda: 0.0)
    gas.add(Wei(60))

    def lacking(_: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as short:
        short.setattr(Path, "read_text", lacking)
        with pytest.raises(TransientError, match="Too many open files"):
            gas.why_not()
        gas.add(Wei(30))
    assert gas.left() == 10
    gas.add(Wei(10))
    assert gas.left() == 0
