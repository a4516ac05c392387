"""The execution worker as its parent meets it: a real child process behind real pipes."""

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import trio
from onnx import TensorProto, helper, numpy_helper

from protocol.engines.worker.delivery_records import noted_path
from protocol.engines.worker.interface import (
    RESULTS,
    CalibrateArgs,
    CheckArgs,
    CompareArgs,
    DevicesArgs,
    InspectArgs,
    LowerArgs,
    PackArgs,
    RunArgs,
    RunProgress,
    Speed,
    UnpackArgs,
    VerifyArgs,
    from_wire,
    to_wire,
)
from protocol.engines.worker.items import noted_roots
from protocol.runtime.child import ChildDiedError, ChildOptions, ChildOutOfMemoryError, open_child
from protocol.types.errors import InputError, TransientError

ITEMS = 6


class Worker:
    """Typed calls to one child."""

    def __init__(self, child: Any) -> None:
        self.child = child
        self.progress: list[RunProgress] = []

    async def call(self, args: Any) -> Any:
        def note(plain: dict[str, Any]) -> None:
            self.progress.append(from_wire(plain, RunProgress))

        return from_wire(await self.child.call(args.OP, to_wire(args), note), RESULTS[args.OP])


@asynccontextmanager
async def worker(memory: int | None = 4 << 30):
    async with open_child("protocol.engines.worker", options=ChildOptions(memory=memory)) as child:
        yield Worker(child)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """x (n, 32) times constant weights, gelu: small, with an open axis."""
    weights = np.random.default_rng(0).standard_normal((32, 40)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Gelu", ["h"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 32])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weights, "w")])
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    return path


class Job:
    """Paths of one small job and what its making said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program, self.inputs = str(folder / "program"), str(folder / "inputs")
        self.outputs = str(folder / "outputs")
        self.info: Any = None
        self.packed: Any = None

    def run(self, **changes: Any) -> RunArgs:
        return RunArgs(self.program, self.inputs, self.outputs, **{"count": ITEMS, **changes})

    def check(self, **changes: Any) -> CheckArgs:
        given = {
            "program_root": self.info.program_root,
            "input_root": self.packed.input_root,
            "item_count": ITEMS,
        }
        return CheckArgs(self.program, self.inputs, **{**given, **changes})


async def make_job(w: Worker, model: Path, folder: Path) -> Job:
    job = Job(folder)
    job.info = await w.call(LowerArgs(str(model), job.program, {"x": (2, 32)}))
    x = np.random.default_rng(1).standard_normal((ITEMS, 2, 32)).astype(np.float32)
    np.savez(folder / "x.npz", x=x)
    job.packed = await w.call(PackArgs(job.program, str(folder / "x.npz"), job.inputs))
    return job


@pytest.mark.trio
async def test_a_job_from_model_to_arrays(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        assert (job.info.fmas, job.info.inputs[0].name, job.info.outputs[0].shape) == (
            2 * 40 * 32,
            "x",
            (2, 40),
        )
        assert job.packed.item_count == ITEMS
        checked = await w.call(job.check())
        assert checked.peak_bytes > job.info.peak_bytes, "of all items"
        assert checked.trace_bytes > job.info.trace_bytes
        assert checked.answer_bytes > job.info.answer_bytes
        names = ("read_seconds", "peak_bytes", "trace_bytes", "answer_bytes")
        measured = {name: getattr(job.info, name) for name in names}
        assert msgspec.structs.replace(checked, **measured) == job.info
        assert checked.read_seconds > job.info.read_seconds > 0, "the inputs are hashed as well"
        speed = Speed("cpu", 1, fmas=1e3, steps=1e9, moved=1e9)
        slow = await w.call(InspectArgs(job.program, speed))
        assert slow.item_seconds == pytest.approx(2.56, rel=0.01)
        result = await w.call(job.run())
        assert [p.done for p in w.progress] == list(range(1, ITEMS + 1))
        assert result.items == ITEMS
        verified = await w.call(VerifyArgs(job.program, job.outputs, ITEMS, result.output_root))
        assert verified.matches
        compared = await w.call(CompareArgs(job.program, job.inputs, job.outputs, ITEMS))
        assert compared.matches
        assert compared.own_root == compared.claimed_root == result.output_root
        await w.call(UnpackArgs(job.program, job.outputs, str(tmp_path / "y.npz")))
        await w.call(UnpackArgs(job.program, job.inputs, str(tmp_path / "back.npz"), "inputs"))
        x = np.load(tmp_path / "x.npz")["x"]
        assert (np.load(tmp_path / "back.npz")["x"] == x).all()
        weights = numpy_helper.to_array(onnx.load(model).graph.initializer[0])
        h = x @ weights
        gelu = 0.5 * h * (1 + np.tanh(0.7978845608 * (h + 0.044715 * h**3)))
        assert np.abs(np.load(tmp_path / "y.npz")["y"] - gelu).max() < 5e-3


@pytest.mark.trio
async def test_fast_and_reference_engine_give_the_same_roots(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        fast = await w.call(job.run())
        args = CompareArgs(job.program, job.inputs, job.outputs, ITEMS, device="reference")
        assert (await w.call(args)).own_root == fast.output_root


@pytest.mark.trio
async def test_a_wrong_bit_is_found_and_placed(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        result = await w.call(job.run())
        data = bytearray(Path(job.outputs).read_bytes())
        data[-2 * 320 - 1] ^= 1
        Path(job.outputs).write_bytes(data)
        verified = await w.call(VerifyArgs(job.program, job.outputs, ITEMS, result.output_root))
        assert not verified.matches
        compared = await w.call(CompareArgs(job.program, job.inputs, job.outputs, ITEMS))
        assert compared.first_different == ITEMS - 3
        assert compared.own_root == result.output_root != compared.claimed_root
        assert compared.own_item_root == noted_path(Path(job.outputs)).read_bytes()[-3 * 32 : -2 * 32]
        spared = CompareArgs(job.program, job.inputs, job.outputs, ITEMS, items=(0, 1))
        assert (await w.call(spared)).matches


@pytest.mark.trio
async def test_check_names_what_differs(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        for changes, text in [
            ({"program_root": bytes(32)}, "program's root"),
            ({"input_root": bytes(32)}, "inputs' root"),
            ({"item_count": ITEMS + 1}, "the job says 7"),
        ]:
            with pytest.raises(InputError, match=text):
                await w.call(job.check(**changes))


@pytest.mark.trio
async def test_a_killed_run_goes_on_where_it_was(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        whole = await w.call(job.run())
        with_outputs = Path(job.outputs).read_bytes()
        Path(job.outputs).unlink()
        # What a kill in the middle of item 4 leaves: three items and a half, and four roots.
        head = len(with_outputs) - ITEMS * 320
        key = tmp_path / "outputs.key"
        binding = len(key.read_bytes()) - 32 * ITEMS
        (tmp_path / "outputs.part").write_bytes(with_outputs[: head + 3 * 320 + 100])
        key.write_bytes(key.read_bytes()[: binding + 32 * 4])
        again = await w.call(job.run())
        assert again.resumed == 3
        assert again.output_root == whole.output_root
        assert Path(job.outputs).read_bytes() == with_outputs
        # Finished work is found finished.
        assert (await w.call(job.run())).resumed == ITEMS
        # A damaged item is done again, and what follows it.
        damaged = bytearray(with_outputs)
        damaged[head + 2 * 320 + 5] ^= 1
        Path(job.outputs).write_bytes(damaged)
        Path(job.outputs).rename(tmp_path / "outputs.part")
        healed = await w.call(job.run())
        assert (healed.resumed, healed.output_root) == (2, whole.output_root)


@pytest.mark.trio
async def test_left_over_work_of_another_job_is_not_taken(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        first = await w.call(job.run())
        np.savez(tmp_path / "x.npz", x=np.ones((ITEMS, 2, 32), np.float32))
        await w.call(PackArgs(job.program, str(tmp_path / "x.npz"), job.inputs))
        second = await w.call(job.run())
        assert second.resumed == 0
        assert second.output_root != first.output_root
        part = await w.call(job.run(first=2, count=3))
        assert (part.resumed, part.items) == (0, 3)


@pytest.mark.trio
async def test_the_child_killed_in_a_run_dies_typed_and_the_next_call_works(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)

        async def killer() -> None:
            while not w.progress:
                await trio.sleep(0.001)
            os.kill(w.child.pid, signal.SIGKILL)

        x = np.ones((2000, 2, 32), np.float32)
        np.savez(tmp_path / "x.npz", x=x)
        await w.call(PackArgs(job.program, str(tmp_path / "x.npz"), job.inputs))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(killer)
            with pytest.raises(ChildDiedError):
                await w.call(job.run(count=2000))
        result = await w.call(job.run(count=2000))
        assert result.resumed >= 1
        noted = noted_roots(noted_path(Path(job.outputs)), 2000)
        assert noted == (noted or b"")[:32] * 2000


@pytest.mark.trio
async def test_a_time_limit_keeps_what_is_finished(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        np.savez(tmp_path / "x.npz", x=np.ones((5000, 2, 32), np.float32))
        await w.call(PackArgs(job.program, str(tmp_path / "x.npz"), job.inputs))
        with pytest.raises(TransientError, match="time limit"):
            await w.call(job.run(count=5000, time_limit=0.05, device="reference"))
        assert w.progress
        done = w.progress[-1].done
        with pytest.raises(TransientError):
            await w.call(job.run(count=5000, time_limit=0.05, device="reference"))
        assert w.progress[-1].resumed >= done


@pytest.mark.trio
async def test_bad_requests_and_files_are_input_errors(tmp_path, model):
    async with worker() as w:
        job = await make_job(w, model, tmp_path)
        (tmp_path / "junk").write_bytes(os.urandom(500))
        junk = str(tmp_path / "junk")
        np.savez(tmp_path / "wrong.npz", z=np.ones(3))
        np.savez(tmp_path / "shape.npz", x=np.ones((2, 3, 32), np.float32))
        np.savez(tmp_path / "object.npz", x=np.array([{}], dtype=object))
        for args, text in [
            (InspectArgs(junk), "no tape"),
            (InspectArgs(str(tmp_path / "none")), "no program file"),
            (LowerArgs(str(model), job.program), "'x' leaves axis 0"),
            (LowerArgs(junk, job.program), "ONNX"),
            (RunArgs(job.program, junk, job.outputs, ITEMS), "item file"),
            (job.run(first=3), "items 3 to 9"),
            (job.run(device="cuda:7"), "no device"),
            (VerifyArgs(job.program, job.inputs, ITEMS, bytes(32)), "the outputs hold f32"),
            (CompareArgs(job.program, job.inputs, job.inputs, ITEMS), "the outputs hold f32"),
            (PackArgs(job.program, junk, job.outputs), "no .npz"),
            (PackArgs(job.program, str(tmp_path / "wrong.npz"), job.outputs), "no array for input 'x'"),
            (PackArgs(job.program, str(tmp_path / "shape.npz"), job.outputs), "must be"),
            (PackArgs(job.program, str(tmp_path / "object.npz"), job.outputs), "no .npz"),
        ]:
            with pytest.raises(InputError, match=text):
                await w.call(args)
        with pytest.raises(InputError, match="no operation 'steal'"):
            await w.child.call("steal", {})
        with pytest.raises(InputError, match="run:"):
            await w.child.call("run", {"program_path": 3})
        assert (await w.call(DevicesArgs())).devices[0] == "cpu"


@pytest.mark.trio
async def test_memory_that_runs_out_ends_the_child_with_a_typed_error(tmp_path):
    """A model of a few hundred bytes that wants 4 GB while running."""
    nodes = [
        helper.make_node("Expand", ["x", "s"], ["wide"]),
        helper.make_node("Exp", ["wide"], ["e"]),
        helper.make_node("CumSum", ["e", "a"], ["y"]),
    ]
    held = [numpy_helper.from_array(np.array([2**15, 2**14], np.int64), "s")]
    held += [numpy_helper.from_array(np.array(0, np.int64), "a")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])
    graph = helper.make_graph(nodes, "g", [x], [helper.make_tensor_value_info("y", 1, None)], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "m.onnx")
    async with worker(memory=3 << 29) as w:
        info = await w.call(LowerArgs(str(tmp_path / "m.onnx"), str(tmp_path / "p")))
        assert info.peak_bytes > 4 << 30
        np.savez(tmp_path / "x.npz", x=np.ones((1, 1, 1), np.float32))
        await w.call(PackArgs(str(tmp_path / "p"), str(tmp_path / "x.npz"), str(tmp_path / "in")))
        run = RunArgs(str(tmp_path / "p"), str(tmp_path / "in"), str(tmp_path / "out"), 1)
        with pytest.raises(InputError, match="bytes of memory"):
            await w.call(run)
        with pytest.raises(ChildOutOfMemoryError):
            await w.call(msgspec.structs.replace(run, device="reference"))
        assert (await w.call(InspectArgs(str(tmp_path / "p")))).fmas == 0


def test_the_interface_is_light_enough_for_a_daemon():
    """It is imported by processes that never load a numerical library."""
    code = "import sys, protocol.engines.worker.interface; sys.exit('numpy' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0


@pytest.mark.trio
async def test_calibration_gives_positive_speeds():
    async with worker() as w:
        speed = await w.call(CalibrateArgs(seconds=0.1))
    assert speed.device == "cpu"
    assert min(speed.fmas, speed.steps, speed.moved) > 1e5
