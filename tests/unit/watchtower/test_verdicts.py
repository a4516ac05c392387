"""Verdicts on disk, as a watchtower finds them at its start."""

import errno
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from protocol.types import InputError, LeaseId
from watchtower.verdicts import Finding, Verdict, Verdicts


def verdict(number: int) -> Verdict:
    return Verdict("0x" + f"{number:02x}" * 32, "0x" + "77" * 20, Finding.MATCH, "0x" + "66" * 32)


def lease(number: int) -> LeaseId:
    return LeaseId(bytes([number]) * 32)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\xff", b"[]", b"{}", json.dumps({**asdict(verdict(2)), "lease": "?"}).encode()],
)
def test_a_damaged_file_keeps_no_watchtower_from_its_games(tmp_path: Path, damage: bytes) -> None:
    """It ended the process at every start, and nobody played its games or answered its audits."""
    verdicts = Verdicts(tmp_path)
    verdicts.add(verdict(1))
    file = verdicts.add(verdict(2))
    file.write_bytes(damage)
    with pytest.raises(InputError, match="damaged"):
        verdicts.all()
    assert verdicts.sound() == {lease(1): verdict(1)}
    assert (tmp_path / f"{file.name}.damaged").read_bytes() == damage, "a person may look at it"
    assert verdicts.all() == (verdict(1),)
    verdicts.add(verdict(2))
    assert set(verdicts.sound()) == {lease(1), lease(2)}


def test_what_cannot_be_opened_now_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = Verdicts(tmp_path)
    verdicts.add(verdict(1))

    def lacking(_: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as short:
        short.setattr(Path, "read_text", lacking)
        assert verdicts.sound() == {}
    assert verdicts.sound() == {lease(1): verdict(1)}
