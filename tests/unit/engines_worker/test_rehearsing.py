"""Before a job is accepted, every engine that it will need is made ready once."""

from pathlib import Path

import numpy as np
import pytest

from protocol.engines.cpu import fusion
from protocol.engines.worker import jobs
from protocol.engines.worker.interface import CheckArgs, ProgramInfo, Rehearsed
from protocol.tape import F32, Tape, TapeBuilder
from protocol.tape.encoding import encode, encode_items
from protocol.tape.products import total
from protocol.tape.roots import item_root, items_root, program_root
from protocol.types import InputError

RUNS, TRACES = Rehearsed("cpu", 1, False), Rehearsed("cpu", 2, True)


def check(folder: Path, *engines: Rehearsed) -> ProgramInfo:
    b = TapeBuilder()
    tape, _ = b.build([total(b, b.input(F32, (2, 3)))])
    item = [np.ones((2, 3), np.float32)]
    (folder / "p").write_bytes(encode(tape))
    (folder / "i").write_bytes(encode_items(tape.inputs, [item]))
    roots = bytes(program_root(tape)), bytes(items_root([item_root(tape.inputs, item)]))
    return jobs.check(CheckArgs(str(folder / "p"), str(folder / "i"), *roots, 1, engines=engines))


def test_what_planning_takes_is_measured_where_engines_are_named(tmp_path: Path) -> None:
    assert check(tmp_path, RUNS, TRACES).plan_seconds > 0
    assert check(tmp_path).plan_seconds == 0, "a client's own check"


def test_a_program_that_runs_and_cannot_be_traced_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fusion.find_windows

    def find_windows(tape: Tape, keep: bool = False) -> fusion.Windows:
        if keep:
            raise OverflowError("out of bounds for int32")
        return plain(tape, keep)

    monkeypatch.setattr("protocol.engines.cpu.engine.find_windows", find_windows)
    check(tmp_path, RUNS)
    with pytest.raises(InputError, match="cannot be planned for cpu: OverflowError: out of bounds"):
        check(tmp_path, RUNS, TRACES)


def test_a_device_that_is_not_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'abacus'"):
        check(tmp_path, Rehearsed("abacus", 1, True))
