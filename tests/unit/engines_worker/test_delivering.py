"""Answers to demands, out of outputs that take long to hash."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from protocol.dispute.delivery import Kind, Spot, Wanted, answer
from protocol.dispute.delivery.names import node_of
from protocol.engines.worker import delivering, items
from protocol.engines.worker.delivering import KeptOutputs, deliver
from protocol.engines.worker.delivery_records import DeliverArgs, noted_path
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.interface import RunArgs
from protocol.engines.worker.jobs import run
from protocol.engines.worker.posted import read_posted
from protocol.engines.worker.programs import write_program
from protocol.tape import I8, TapeBuilder, TensorType
from protocol.tape.encoding import Items, join_item
from protocol.tape.roots import item_root, tensor_root
from protocol.types import Hash32, InputError

COUNT = 4
WIDE = (TensorType(I8, (1 << 10, 256)),) * 32


class NoHasher:
    """Hashes nothing of a tensor."""

    def leaves(self, data: object, rows: int, row_bytes: int) -> bytes:
        raise AssertionError("outputs are hashed")

    parents, whole = HASHER.parents, HASHER.whole


@pytest.fixture
def asked(tmp_path: Path, monkeypatch) -> DeliverArgs:
    """A demand for the roots of all items."""
    b = TapeBuilder()
    tape, labels = b.build([b.map(lambda v: v + v, b.input(I8, (64, 1)))])
    write_program(tmp_path / "program", tape, labels)
    body = b"".join(join_item(tape.inputs, [np.full((64, 1), each, np.int8)]) for each in range(COUNT))
    (tmp_path / "inputs").write_bytes(Items(tape.inputs, COUNT).head + body)
    out = tmp_path / "outputs"
    root = run(RunArgs(str(tmp_path / "program"), str(tmp_path / "inputs"), str(out), COUNT), lambda _: None)
    noted = str(noted_path(out))
    return DeliverArgs(str(out), Kind.ITEMS, root.output_root, 32 * COUNT, 0, 0, 0, 2, noted)


def test_items_are_answered_without_hashing_all_outputs_again(asked: DeliverArgs, monkeypatch) -> None:
    """A run of narrow outputs may take hours to hash them; a demand does not wait for that."""
    for module in (items, delivering):
        monkeypatch.setattr(module, "HASHER", NoHasher())
    roots = Path(asked.noted_path).read_bytes()[-32 * COUNT :]
    assert deliver(asked).data == roots


@pytest.mark.parametrize("notes", [b"", bytes(32 * COUNT + 9), None])
def test_notes_that_are_damaged_or_gone_are_made_again(asked: DeliverArgs, notes: bytes | None) -> None:
    path = Path(asked.noted_path)
    right = path.read_bytes()[-32 * COUNT :]
    if notes is None:
        path.unlink()
    else:
        path.write_bytes(notes)
    assert deliver(asked).data == right


def test_other_outputs_are_no_answer(asked: DeliverArgs) -> None:
    path = Path(asked.noted_path)
    path.write_bytes(bytes(len(path.read_bytes())))
    outputs = Path(asked.output_path)
    outputs.write_bytes(outputs.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="not those whose root was posted"):
        deliver(asked)


def test_the_roots_of_an_item_are_answered_in_one_pass_without_a_copy(tmp_path: Path) -> None:
    """It was copied whole for each output, so an answer took 26 times as long as was reckoned; and an audit's
    run, which holds engine and trace, copied it once more.
    """
    tensors = [np.full(kind.shape, number, np.int8) for number, kind in enumerate(WIDE)]
    (tmp_path / "outputs").write_bytes(Items(WIDE, 2).head + 2 * join_item(WIDE, tensors))
    roots = [tensor_root(kind, each.data, HASHER) for kind, each in zip(WIDE, tensors, strict=True)]
    wanted = Wanted(Kind.ROOTS, Hash32(node_of(Kind.ROOTS, b"".join(roots))), 32 * len(WIDE))
    outputs, posted = KeptOutputs(tmp_path / "outputs"), read_posted(tmp_path / "outputs", WIDE, 2)
    tracemalloc.start()
    try:
        assert answer(outputs, wanted, Spot(1, 0, 0, 0), HASHER) == b"".join(roots)
        assert posted.tensor_roots(1) == tuple(roots)
        assert posted.item_root(0) == posted.item_root(1) == item_root(WIDE, tensors, HASHER)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < WIDE[0].nbytes
