"""What happens after a library switched on flushing of subnormals, as any built with -Ofast does
when loaded.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from protocol.engines.cpu import Engine
from protocol.tape import F32, Tape, TapeBuilder
from protocol.tape.products import matmul
from protocol.tape.reference import evaluate
from protocol.tape.scalar import const, fma
from protocol.types.errors import BrokenInvariant

SOURCE = """
#include <xmmintrin.h>
void flush_subnormals(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
"""


@pytest.fixture(scope="module")
def flusher(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc")
    assert compiler, "make setup installs a C compiler"
    folder = tmp_path_factory.mktemp("flusher")
    (folder / "flusher.c").write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", "-o", "flusher.so", "flusher.c"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(Path(folder) / "flusher.so"))


def tape() -> Tape:
    b = TapeBuilder()
    x = b.input(F32, (1, 4))
    folded = b.map(lambda v: fma(const(1e-40, F32), 0.5, const(1e-42, F32)) + v * 0.0, x)
    return b.build([b.map(lambda v: v * 0.5, x), matmul(b, x, x), folded])[0]


def in_thread(work: object) -> list[object]:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())  # type: ignore[operator]
        except BrokenInvariant as error:
            found.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return found


def test_the_engine_keeps_subnormals_and_the_reference_refuses(flusher: ctypes.CDLL) -> None:
    item = np.array([[2e-38, 1e-40, 1e-20, 1e-22]], np.float32)
    program = tape()
    want = evaluate(program, [item])

    def work() -> object:
        flusher.flush_subnormals()
        # Building the engine here too: packing and folding must not flush either.
        with Engine(program) as engine:
            return engine.run([item])

    got = in_thread(work)[0]
    assert isinstance(got, list)
    assert [a.tobytes() for a in got] == [a.tobytes() for a in want]

    def reference() -> object:
        flusher.flush_subnormals()
        return evaluate(program, [item])

    assert isinstance(in_thread(reference)[0], BrokenInvariant)
