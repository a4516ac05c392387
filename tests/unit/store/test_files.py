"""What keeps a file from being written ends no daemon."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from protocol.store.files import disk_errors, write_whole
from protocol.types import DiskError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_file_that_cannot_be_written_now_can_be_later(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_whole(file, b"old")

    def lacking(*_: object, **__: object) -> tuple[int, str]:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as short:
        short.setattr(tempfile, "mkstemp", lacking)
        with pytest.raises(DiskError, match=os.strerror(number)):
            write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"


def test_what_no_waiting_mends_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), disk_errors(tmp_path):
        (tmp_path / "missing" / "file").write_bytes(b"")
