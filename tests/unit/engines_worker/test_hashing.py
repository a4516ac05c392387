"""The fast hasher is held to the plain one."""

import pytest

from protocol.engines.worker import hashing
from protocol.tape.merkle import PLAIN
from protocol.types.errors import BrokenInvariant


class Wrong:
    def __init__(self, spoil: str) -> None:
        self.spoil = spoil

    def leaves(self, data, rows, row_bytes):
        made = PLAIN.leaves(data, rows, row_bytes)
        return made[:-1] + b"x" if self.spoil == "leaves" else made

    def parents(self, layer, pad):
        made = PLAIN.parents(layer, pad)
        return b"x" + made[1:] if self.spoil == "parents" else made

    def whole(self, data):
        made = PLAIN.whole(data)
        return made[:-1] + b"x" if self.spoil == "whole" else made


@pytest.mark.parametrize("spoil", ["leaves", "parents", "whole"])
def test_a_wrong_hasher_is_refused(monkeypatch, spoil):
    monkeypatch.setattr(hashing, "HASHER", Wrong(spoil))
    with pytest.raises(BrokenInvariant, match="keccak"):
        hashing.prove_hasher.__wrapped__()


def test_a_library_without_the_symbol_is_out_of_date(monkeypatch):
    monkeypatch.setattr(hashing, "HASHER", object())
    with pytest.raises(BrokenInvariant, match="out of date"):
        hashing.prove_hasher.__wrapped__()


def test_the_fast_hasher_passes():
    hashing.prove_hasher.__wrapped__()
