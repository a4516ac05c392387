"""An own run beside the posted one, where hashing all outputs again may take as long as the job."""

from pathlib import Path

import numpy as np
import pytest

from protocol.engines.worker import items
from protocol.engines.worker.delivery_records import noted_path
from protocol.engines.worker.dispute_records import AccuseArgs, Item
from protocol.engines.worker.disputing import accuse
from protocol.engines.worker.interface import RunArgs, VerifyArgs
from protocol.engines.worker.jobs import run, verify
from protocol.engines.worker.programs import write_program
from protocol.tape import I8, TapeBuilder
from protocol.tape.encoding import Items, join_item
from protocol.tape.roots import item_root_of
from protocol.types import Hash32, InputError
from tests.unit.engines_worker.test_traces import CountingHasher

COUNT, ROWS, DRAWN = 5, 64, 3
OUTPUT_BYTES = COUNT * ROWS * 4
"""Sums of bytes are words."""


@pytest.fixture
def asked(tmp_path: Path) -> AccuseArgs:
    """A provider's question about its own result."""
    b = TapeBuilder()
    first = b.map(lambda v: v + v, b.input(I8, (ROWS, 1)))
    tape, labels = b.build([b.map(lambda v: v + v, first)])
    program, inputs, out = (tmp_path / name for name in ("program", "inputs", "outputs"))
    write_program(program, tape, labels)
    body = b"".join(join_item(tape.inputs, [np.full((ROWS, 1), each, np.int8)]) for each in range(COUNT))
    inputs.write_bytes(Items(tape.inputs, COUNT).head + body)
    done = run(RunArgs(str(program), str(inputs), str(out), COUNT), lambda _: None)
    item = Item(str(program), str(inputs), DRAWN)
    return AccuseArgs(item, str(out), str(noted_path(out)), done.output_root)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    """What is hashed of item files."""
    hasher = CountingHasher()
    monkeypatch.setattr(items, "HASHER", hasher)
    return hasher


def test_an_audit_is_answered_without_hashing_outputs_again(
    asked: AccuseArgs, hashed: CountingHasher
) -> None:
    """A clock for one item's trace runs, and it would take as long as a job of many wide items."""
    found = accuse(asked)
    assert hashed.leaf_bytes == COUNT * ROWS, "the inputs, to plan the job"
    assert found == accuse(AccuseArgs(asked.item, asked.output_path)), "as from the bytes"
    assert hashed.leaf_bytes == COUNT * ROWS + OUTPUT_BYTES


@pytest.mark.parametrize("notes", [b"", bytes(32 * COUNT + 9), None], ids=["empty", "bent", "gone"])
def test_notes_that_do_not_lead_to_the_posted_root_are_passed_over(
    asked: AccuseArgs, hashed: CountingHasher, notes: bytes | None
) -> None:
    right, path = accuse(asked), Path(asked.noted_path)
    if notes is None:
        path.unlink()
    else:
        path.write_bytes(notes)
    before = hashed.leaf_bytes
    assert accuse(asked) == right
    assert hashed.leaf_bytes == before + OUTPUT_BYTES


def test_outputs_that_a_challenger_has_checked_are_not_hashed_again(
    asked: AccuseArgs, hashed: CountingHasher
) -> None:
    """It opens no game that it could not play after a restart, within the clock of a move."""
    check = VerifyArgs(asked.item.program_path, asked.output_path, COUNT, asked.output_root)
    assert verify(check).matches
    assert hashed.leaf_bytes == OUTPUT_BYTES
    assert accuse(AccuseArgs(asked.item, asked.output_path)) == accuse(asked)
    assert hashed.leaf_bytes == OUTPUT_BYTES + COUNT * ROWS
    path = Path(asked.output_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not verify(check).matches


def test_outputs_that_were_not_posted_open_nothing(asked: AccuseArgs) -> None:
    """A proof to another root would be refused on chain, until silence convicts."""
    path = Path(asked.output_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not accuse(asked).differs, "the notes say what was posted"
    Path(asked.noted_path).unlink()
    with pytest.raises(InputError, match="not those whose root was posted"):
        accuse(asked)


def test_a_run_that_differs_is_told_beside_the_tensors_that_were_posted(asked: AccuseArgs) -> None:
    inputs = Path(asked.item.input_path)
    inputs.write_bytes(inputs.read_bytes()[: -2 * ROWS] + bytes(2 * ROWS))  # the drawn item's, and the last
    found = accuse(asked)
    assert found.differs
    assert item_root_of([Hash32(each) for each in found.roots]) == found.posted_root
