"""What crosses the pipe does not grow with a job's items, and what does is left in files."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from protocol.dispute.delivery import PostedRoots
from protocol.engines.worker import jobs
from protocol.engines.worker.interface import CompareArgs, CompareResult, RunArgs, RunResult, to_wire
from protocol.engines.worker.items import ItemFile
from protocol.engines.worker.programs import write_program
from protocol.tape import I8, TapeBuilder
from protocol.tape.encoding import Items, join_item
from protocol.tape.roots import items_tree
from protocol.tape.tree_file import open_tree
from protocol.types import Hash32, InputError

FEW, MANY = 3, 300


@dataclass(frozen=True)
class Job:
    """A job on disk."""

    folder: Path
    count: int

    @property
    def files(self) -> tuple[str, str, str]:
        """Program, inputs, outputs."""
        return str(self.folder / "program"), str(self.folder / "inputs"), str(self.folder / "outputs")

    def run(self) -> RunResult:
        """Run all of it."""
        return jobs.run(RunArgs(*self.files, self.count), lambda _: None)

    def compare(self, outputs: Path, **changes: object) -> CompareResult:
        """Run it again, beside these outputs."""
        args = CompareArgs(*self.files[:2], str(outputs), self.count)
        return jobs.compare(msgspec.structs.replace(args, **changes), lambda _: None)


def make(folder: Path, count: int) -> Job:
    """A job of one addition for each item."""
    folder.mkdir()
    b = TapeBuilder()
    tape, labels = b.build([b.map(lambda v: v + v, b.input(I8, (1,)))])
    write_program(folder / "program", tape, labels)
    body = b"".join(join_item(tape.inputs, [np.array([each % 100], np.int8)]) for each in range(count))
    (folder / "inputs").write_bytes(Items(tape.inputs, count).head + body)
    return Job(folder, count)


def withheld(folder: Path, root: bytes = b"\7" * 24 + bytes(8)) -> Path:
    """A file of what everybody knows of outputs that are withheld: their root."""
    path = folder / "posted"
    path.write_bytes(PostedRoots(Hash32(root), {}).to_bytes())
    return path


def size(record: msgspec.Struct) -> int:
    """Bytes of a record in a frame."""
    return len(msgspec.msgpack.encode(to_wire(record)))


def test_no_reply_about_a_job_grows_with_its_items(tmp_path: Path) -> None:
    """A frame is 16 MiB at most, the roots of 2^20 items are 32."""
    few, many = make(tmp_path / "few", FEW), make(tmp_path / "many", MANY)
    numbers = 16
    assert size(many.run()) <= size(few.run()) + numbers
    of_many, of_few = (each.compare(withheld(each.folder)) for each in (many, few))
    assert size(of_many) <= size(of_few) + numbers


@pytest.mark.parametrize("count", [1, FEW, MANY])
def test_ones_own_items_are_left_in_a_file_where_the_root_differs(tmp_path: Path, count: int) -> None:
    job = make(tmp_path / "job", count)
    root, tree_path = job.run().output_root, tmp_path / "tree"
    right = job.compare(withheld(tmp_path, root), tree_path=str(tree_path))
    assert right.matches
    assert not tree_path.exists()
    wrong = job.compare(withheld(tmp_path), tree_path=str(tree_path))
    assert (wrong.matches, wrong.first_different, wrong.own_root) == (False, None, root)
    held = items_tree(ItemFile(job.folder / "outputs").roots())
    with open_tree(tree_path, count) as own:
        assert (own.root, own.depth) == (held.root, held.depth)
        places = [(level, index) for level in range(own.depth + 1) for index in range(1 << own.depth - level)]
        assert [own.hash_at(*each) for each in places] == [held.hash_at(*each) for each in places]
        assert own.proof(count - 1) == held.proof(count - 1)


@pytest.mark.parametrize("held", [None, b"", bytes(32 * 5), bytes(32 * 7)])
def test_what_is_no_tree_of_so_many_leaves_is_refused(tmp_path: Path, held: bytes | None) -> None:
    """Of three leaves there are six nodes."""
    if held is not None:
        (tmp_path / "tree").write_bytes(held)
    with pytest.raises(InputError, match="no tree"), open_tree(tmp_path / "tree", FEW):
        pass


def test_what_is_not_run_must_be_known(tmp_path: Path) -> None:
    job = make(tmp_path / "job", FEW)
    with pytest.raises(InputError, match="item 1 is not known, and is not to be run"):
        job.compare(withheld(tmp_path), items=(0, 2))
    for items in ((), (-1,), (FEW,)):
        with pytest.raises(InputError, match="must lie within 0 to 2"):
            job.compare(withheld(tmp_path), items=items)
