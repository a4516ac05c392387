"""Trees of tensors that keep their upper levels alone."""

from random import Random

import pytest

from protocol.tape import F32, I8, TensorType, tensor_tree
from protocol.tape.roots import leaf_count
from protocol.tape.roots import tensor_tree as whole_tree
from protocol.tape.tensor_tree import ChangedError, TensorTree, middle_count, middle_of, root_over
from protocol.types.errors import InputError
from tests.strategies.tapes import tensor

KINDS = [
    *(TensorType(F32, shape) for shape in ((), (3, 31), (5, 64), (7, 0), (33, 1), (2, 200), (3, 2100))),
    TensorType(I8, (70, 1)),
]


def over(kind: TensorType, data: bytes | bytearray) -> TensorTree:
    return TensorTree(kind, data, middle_of(kind, data))


@pytest.mark.parametrize(("below", "above"), [(0, 13), (1, 13), (10, 0), (1, 2), (3, 3), (10, 13)])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_is_the_tree(kind: TensorType, below: int, above: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_tree, "BLOCK_LEVELS", below)
    monkeypatch.setattr(tensor_tree, "TOP_LEVELS", above)
    data = tensor(Random(1), kind).tobytes()
    whole, found = whole_tree(kind, data), over(kind, data)
    assert (found.root, found.depth) == (whole.root, whole.depth)
    assert root_over(kind, middle_of(kind, data)) == whole.root
    assert len(middle_of(kind, data)) == 32 * middle_count(kind) <= 32 << above
    found.hold(0, leaf_count(kind))
    for index in range(1 << whole.depth):
        assert found.proof(index) == whole.proof(index)
    for level in range(whole.depth + 1):
        for index in range(1 << whole.depth - level):
            assert found.hash_at(level, index) == whole.hash_at(level, index)
    with pytest.raises(InputError):
        found.proof(1 << whole.depth)


def test_what_was_bent_meanwhile_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may rot under a tree whose lower levels are read again."""
    monkeypatch.setattr(tensor_tree, "BLOCK_LEVELS", 3)
    data = bytearray(70)
    found = over(TensorType(I8, (70, 1)), data)
    assert leaf_count(TensorType(I8, (70, 1))) == 70
    found.proof(0)
    data[69] ^= 1
    found.proof(1)
    with pytest.raises(ChangedError):
        found.proof(69)
    found.hold(0, 64)
    for first, count in ((64, 1), (63, 2), (0, 70)):
        with pytest.raises(ChangedError):
            found.hold(first, count)


def test_a_bent_middle_gives_another_root() -> None:
    kind = TensorType(I8, (1 << 12, 1))
    data = bytes(1 << 12)
    middle = bytearray(middle_of(kind, data))
    root = root_over(kind, bytes(middle))
    for at in range(0, len(middle), 7):
        bent = bytes([*middle[:at], middle[at] ^ 1, *middle[at + 1 :]])
        assert root_over(kind, bent) != root
