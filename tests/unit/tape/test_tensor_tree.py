"""Trees of tensors that keep their upper levels alone."""

from random import Random

import pytest

from protocol.tape import F32, I8, TensorType, tensor_tree
from protocol.tape.roots import leaf_count
from protocol.tape.roots import tensor_tree as whole_tree
from protocol.tape.tensor_tree import ChangedError, TensorTree
from protocol.types.errors import InputError
from tests.strategies.tapes import tensor

KINDS = [
    *(TensorType(F32, shape) for shape in ((), (3, 31), (5, 64), (7, 0), (33, 1), (2, 200), (3, 2100))),
    TensorType(I8, (70, 1)),
]


@pytest.mark.parametrize("kept", [0, 1, 2, 13])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_is_the_tree(kind: TensorType, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_tree, "KEPT_LEVELS", kept)
    data = tensor(Random(1), kind).tobytes()
    whole, found = whole_tree(kind, data), TensorTree(kind, data)
    assert (found.root, found.depth) == (whole.root, whole.depth)
    for index in range(1 << whole.depth):
        assert found.proof(index) == whole.proof(index)
    for level in range(whole.depth + 1):
        for index in range(1 << whole.depth - level):
            assert found.hash_at(level, index) == whole.hash_at(level, index)
    with pytest.raises(InputError):
        found.proof(1 << whole.depth)


def test_what_was_bent_meanwhile_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may rot under a tree whose lower levels are read again."""
    monkeypatch.setattr(tensor_tree, "KEPT_LEVELS", 2)
    data = bytearray(70)
    found = TensorTree(TensorType(I8, (70, 1)), data)
    assert leaf_count(TensorType(I8, (70, 1))) == 70
    found.proof(0)
    data[69] ^= 1
    found.proof(1)
    with pytest.raises(ChangedError):
        found.proof(69)
