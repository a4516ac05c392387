"""Lowering a stranger's model: within limits of memory and time, and once per model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from onnx import TensorProto, helper

from client_sdk.lowering import lowered
from client_sdk.worker import WorkerLimits, open_worker
from protocol.runtime.child import ChildOptions, ChildOutOfMemoryError, open_child
from protocol.runtime.client_config import client_config
from protocol.runtime.hardware import memory_limit
from protocol.runtime.settings import Settings
from protocol.types import InputError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    path = tmp_path / "given" / "m.onnx"
    path.parent.mkdir()
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()
    )
    return path


def limit_of(pid: int) -> int:
    """Bytes of private writable memory that a process may have."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return int(next(line for line in lines if "data size" in line).split()[3])


@pytest.mark.trio
async def test_the_child_never_runs_without_a_limit_of_memory(model: Path, tmp_path: Path) -> None:
    for limits, least in (None, memory_limit() * 3 // 4), (WorkerLimits(memory=2 << 30), 2 << 30):
        async with open_worker(limits) as child:
            tape = await lowered(model, {}, child, tmp_path, limits or WorkerLimits())
            assert child.pid is not None
            assert limit_of(child.pid) == least
        assert tape.exists()
        tape.unlink()


class Stuck:
    """A child that is still at it, or that has no memory left."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        if self.fault is not None:
            raise self.fault
        await trio.sleep_forever()


@pytest.mark.trio
async def test_what_takes_too_long_or_too_much_is_one_line(
    model: Path, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    limits = WorkerLimits(memory=3 << 30, lowering_s=90)
    with pytest.raises(InputError, match=r"m\.onnx takes more than 90 seconds to be lowered"):
        await lowered(model, {}, Stuck(), tmp_path, limits)  # type: ignore[arg-type]
    no_memory = Stuck(ChildOutOfMemoryError("worker needs more memory"))
    with pytest.raises(InputError, match=r"m\.onnx needs more than 3072 MiB of memory to be lowered"):
        await lowered(model, {}, no_memory, tmp_path, limits)  # type: ignore[arg-type]


@pytest.mark.trio
async def test_the_c_runtime_s_word_for_no_memory_is_known(tmp_path: Path) -> None:
    (tmp_path / "starved.py").write_text(
        "import sys\nsys.stdin.buffer.read(4)\n"
        "sys.exit('libgcc_s: cannot allocate memory for thread-local data: ABORT')\n"
    )
    options = ChildOptions(env={"PYTHONPATH": str(tmp_path)})
    async with open_child("starved", options=options) as child:
        with pytest.raises(ChildOutOfMemoryError):
            await child.call("lower", {})


def test_the_limits_stand_in_the_client_s_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    assert WorkerLimits.of(client_config(Settings())) == WorkerLimits(0, 600)
    (tmp_path / "client.yaml").write_text("worker_memory: 4 GiB\nlowering_time: 2 min")
    assert WorkerLimits.of(client_config(Settings())) == WorkerLimits(4 << 30, 120)


@pytest.mark.trio
async def test_weights_that_change_beside_the_model_find_no_old_tape(tmp_path: Path) -> None:
    """In whichever folder below the model's, and whatever they are called."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights/w.npz")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    folder, kept = tmp_path / "given", tmp_path / "kept"
    (folder / "weights").mkdir(parents=True)
    kept.mkdir()
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    async with open_worker() as child:

        async def tape_of(*numbers: float) -> tuple[bytes, int]:
            data = np.array(numbers, "<f4").tobytes()
            if data != (folder / "weights/w.npz").read_bytes():
                (folder / "weights/w.npz").write_bytes(data)
            tape = await lowered(folder / "m.onnx", {}, child, kept, WorkerLimits())
            return tape.read_bytes(), tape.stat().st_mtime_ns

        (folder / "weights/w.npz").touch()
        first, second = await tape_of(1, 2), await tape_of(30, 40)
        assert first[0] != second[0]
        (folder / "another.txt").write_text("of no matter")
        assert await tape_of(30, 40) == second, "it is lowered once"


@pytest.mark.trio
async def test_what_is_wrong_with_a_model_names_its_file_once(model: Path, tmp_path: Path) -> None:
    for said, shown in (
        ("input 'x' leaves axis 0 open", "m.onnx: input 'x' leaves axis 0 open"),
        ("m.onnx has no outputs", "m.onnx has no outputs"),
    ):
        with pytest.raises(InputError) as caught:
            await lowered(model, {}, Stuck(InputError(said)), tmp_path, WorkerLimits())  # type: ignore[arg-type]
        assert str(caught.value) == shown
