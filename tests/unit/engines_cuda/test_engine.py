"""The CUDA engine's bits are the reference's: the same sources on the host, and on a GPU if there is one."""

import gc
import json
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from protocol.engines.cpu import TimeLimitError
from protocol.engines.cuda.compiling import LARGE, SMALL
from protocol.engines.cuda.engine import COMPILED, Engine
from protocol.engines.cuda.machine import Machine
from protocol.engines.cuda.rehearsal import Rehearsal
from protocol.engines.worker.devices import rehearse
from protocol.engines.worker.interface import Rehearsed
from protocol.engines.worker.selftest import instructions, integers, specimen
from protocol.tape import F32, I8, I32, Affine, DType, Tape, TapeBuilder, TensorType, trace
from protocol.tape.products import matmul, total
from protocol.tape.reference import evaluate_all
from protocol.tape.scalar import BY_NAME, OPS, apply
from protocol.tape.validate import validate
from protocol.types.errors import InputError
from tests.cuda_host import HostMachine
from tests.strategies.tapes import SPECIAL_F32, SPECIAL_I32, odd_tape, random_tape, tensor
from tests.vectors.make_tape import PATH

pytestmark = pytest.mark.xdist_group("cuda")  # one process compiles the sources once


def same(tape: Tape, item: list[Any], machine: Machine, **options: Any) -> None:
    """Every value equal to the reference's, bit for bit; and outputs again on a second run in reused
    memory.
    """
    want = evaluate_all(tape, item)
    with Engine(tape, keep=True, machine=machine, **options) as engine:
        engine.run(item)
        for number, value in enumerate(want):
            assert engine.value(number).tobytes() == value.tobytes(), f"value {number}"
    with Engine(tape, machine=machine, **options) as engine:
        for _ in range(2):
            got = engine.run(item)
            assert [a.tobytes() for a in got] == [a.tobytes() for a in want[-tape.outputs :]]


@pytest.mark.parametrize("seed", range(60))
def test_random_tapes(machine: Machine, seed: int) -> None:
    """Most by interpreting programs, since the host's compiler takes long; with pieces of awkward sizes."""
    compiled = COMPILED if seed % 6 == 0 else 0
    tile = (None, SMALL, LARGE)[seed % 3] if seed % 2 else None
    same(*random_tape(Random(seed), 12), machine, compiled=compiled, piece=10 ** (2 + seed % 7), tile=tile)


@pytest.mark.parametrize("seed", range(20))
def test_windows_and_strides_that_are_never_taken(machine: Machine, seed: int) -> None:
    same(*odd_tape(Random(seed), 4), machine, compiled=0)


def test_planning_takes_as_many_steps_for_each_node_of_many(
    host: HostMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The types of all values are made anew whenever they are asked for."""
    asked, types = list[int](), Tape.types.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Tape, "types", property(lambda tape: asked.append(len(tape.nodes)) or types(tape)))
    for count in (3, 30):
        b = TapeBuilder()
        x = b.input(F32, (2, 3))
        tape, _ = b.build([*(total(b, x) for _ in range(count))])
        with Engine(tape, machine=host):
            pass
    assert asked.count(3) == asked.count(30)


@pytest.mark.parametrize("tile", [SMALL, LARGE])
@pytest.mark.parametrize("made", [specimen, integers])
def test_the_self_test_s_specimens(machine: Machine, made: Any, tile: int) -> None:
    tape, inputs, _ = made()
    same(tape, list(inputs), machine, tile=tile, compiled=0 if tile == LARGE else COMPILED)


@pytest.mark.parametrize("compiled", [0, COMPILED])
def test_every_instruction_on_awkward_operands(machine: Machine, compiled: int) -> None:
    tape, inputs, _ = instructions()
    same(tape, list(inputs), machine, compiled=compiled)


@pytest.mark.parametrize("compiled", [0, COMPILED])
def test_every_instruction_on_many_operands(machine: Machine, compiled: int) -> None:
    """All specials against all specials, and words of any kind."""
    rng = np.random.default_rng(3)
    for half in (OPS[:18], OPS[18:]):  # a tape has at most 64 inputs
        b, item, outputs = TapeBuilder(), [], []
        for op in half:
            pools = [np.array(SPECIAL_F32 if kind is F32 else SPECIAL_I32, np.int64) for kind in op.takes]
            crossed = [grid.reshape(-1).astype(np.uint32) for grid in np.meshgrid(*pools)]
            refs = []
            for kind, special in zip(op.takes, crossed, strict=True):
                words = np.concatenate([special, rng.integers(0, 2**32, 1500, dtype=np.uint32)])
                if kind is F32:
                    words[(words & 0x7FFFFFFF) > 0x7F800000] = 0x7FC00000
                item.append(words.view(np.float32 if kind is F32 else np.int32))
                refs.append(b.input(kind, words.shape))
            outputs.append(b.map(lambda *values, name=op.name: apply(name, *values), *refs))
        tape, _ = b.build(outputs)
        same(tape, item, machine, compiled=compiled)


def test_the_frozen_words_are_the_device_s_too(machine: Machine) -> None:
    """Against the file itself, not against the reference that made it."""
    for case in json.loads(PATH.read_text())["scalar"]:
        op = BY_NAME[case["op"]]
        rows = np.array(case["cases"], np.uint32)
        b = TapeBuilder()
        refs = [b.input(kind, (len(rows),)) for kind in op.takes]
        tape, _ = b.build([b.map(lambda *values, name=op.name: apply(name, *values), *refs)])
        item = [
            np.ascontiguousarray(rows[:, i]).view(np.float32 if kind is F32 else np.int32)
            for i, kind in enumerate(op.takes)
        ]
        with Engine(tape, machine=machine, compiled=0) as engine:
            assert engine.run(item)[0].view(np.uint32).tolist() == rows[:, -1].tolist(), op.name


EDGES = (0, 1, 7, 8, 9, 31, 32, 33, 255, 256, 257, 512, 513)


@pytest.mark.parametrize("tile", [SMALL, LARGE])
@pytest.mark.parametrize("k", EDGES)
def test_products_over_the_edges_of_blocks(machine: Machine, k: int, tile: int) -> None:
    rng = Random(k)
    b = TapeBuilder()
    kinds = [TensorType(F32, (2, 37, k)), TensorType(F32, (2, 33, k))]
    left, right = (b.input(kind.dtype, kind.shape) for kind in kinds)
    tape, _ = b.build([matmul(b, left, right), total(b, left)])
    item = [tensor(rng, kind) for kind in kinds]
    if k > 2:  # cancellation: any other order of the sum shows
        item[0][..., 0], item[0][..., k - 1] = 2.0**40, 2.0**-40
    same(tape, item, machine, tile=tile)


@pytest.mark.parametrize("tile", [SMALL, LARGE])
@pytest.mark.parametrize("k", [0, 1, 3, 4, 5, 31, 32, 33, 128, 129, 1024, 1030])
def test_products_of_bytes(machine: Machine, k: int, tile: int) -> None:
    rng = np.random.default_rng(k)
    b = TapeBuilder()
    left, right = b.input(I8, (40, k)), b.input(I8, (3, 9, k))
    tape, _ = b.build([matmul(b, left, right)])
    item = [rng.integers(-128, 128, kind.shape).astype(np.int8) for kind in tape.inputs]
    item[0][:1], item[1][:, :1] = -128, -128
    same(tape, item, machine, tile=tile)


@pytest.mark.parametrize(("one", "other"), [(I8, I32), (I32, I8), (I32, I32)])
def test_products_of_words(machine: Machine, one: DType, other: DType) -> None:
    rng = Random(5)
    b = TapeBuilder()
    kinds = [TensorType(one, (13, 300)), TensorType(other, (11, 300))]
    tape, _ = b.build([matmul(b, *(b.input(kind.dtype, kind.shape) for kind in kinds))])
    same(tape, [tensor(rng, kind) for kind in kinds], machine)


def test_an_underflow_s_minus_zero_survives_the_edge_of_a_tile(machine: Machine) -> None:
    """Padding that was multiplied, or a sum that began with +0, would make it +0 (RULES 19)."""
    b = TapeBuilder()
    left, right = b.input(F32, (5, 9)), b.input(F32, (6, 9))
    tape, _ = b.build([matmul(b, left, right)])
    tiny, small = np.full((5, 9), -0.0, np.float32), np.full((6, 9), 1.0, np.float32)
    tiny[:, 8], small[:, 8] = 2.0**-100, -(2.0**-100)
    tiny[:, :8] = 0
    with Engine(tape, machine=machine) as engine:
        assert (engine.run([tiny, small])[0].view(np.uint32) == 0x80000000).all()


def test_a_part_of_a_long_row_and_a_fill_far_outside(machine: Machine) -> None:
    """Offsets and coefficients at their limits leave 32 bits."""
    b = TapeBuilder()
    source = b.input(I32, (4, 5))
    far = (1 << 31) - 1
    axes = [Affine(0, (far,)), Affine(-far, (1,))]
    near = [Affine(0, (0,)), Affine(4, (-1,))]
    tape, _ = b.build(
        [b.move(source, (7,), (4, 5), axes, fill=-9), b.move(source, (7,), (4, 5), near, fill=3)]
    )
    same(tape, [np.arange(20, dtype=np.int32).reshape(4, 5)], machine)


def test_the_time_limit_passes_between_pieces_of_one_node(machine: Machine) -> None:
    b = TapeBuilder()
    x = b.input(F32, (700, 64))
    tape, _ = b.build([matmul(b, x, x)])
    item = [np.ones((700, 64), np.float32)]
    with Engine(tape, machine=machine, piece=1 << 16) as engine:
        with pytest.raises(TimeLimitError):
            engine.run(item, time_limit=1e-6)
        before = machine.launches if isinstance(machine, HostMachine) else 0
        assert (engine.run(item, time_limit=60)[0] == 64).all()
        if isinstance(machine, HostMachine):
            assert machine.launches - before > 4


def test_a_late_item_is_ended_early(host: HostMachine) -> None:
    b = TapeBuilder()
    x = b.input(F32, (700, 64))
    tape, _ = b.build([matmul(b, x, x)])
    with Engine(tape, machine=host, piece=1 << 16) as engine:
        before = host.launches
        with pytest.raises(TimeLimitError):
            engine.run([np.ones((700, 64), np.float32)], time_limit=1e-6)
        assert host.launches - before == 1


def test_memory_that_is_not_there_and_memory_given_back(folder: Any) -> None:
    small = HostMachine(folder, memory=1 << 16)
    b = TapeBuilder()
    x = b.input(F32, (200, 100))
    tape, _ = b.build([b.map(lambda v: v + 1, x)])
    with pytest.raises(InputError, match=r"needs \d+ bytes of host, which has 65536 free"):
        Engine(tape, machine=small)
    fitting, _ = _increment(100)
    for _ in range(3):
        with Engine(fitting, machine=small) as engine:
            engine.run([np.zeros(100, np.float32)])
    forgotten = Engine(fitting, machine=small)
    assert small.free_bytes() < 1 << 16
    del forgotten
    gc.collect()
    assert small.free_bytes() == 1 << 16


def _increment(size: int) -> Any:
    b = TapeBuilder()
    return b.build([b.map(lambda v: v + 1, b.input(F32, (size,)))])


def test_inputs_that_do_not_fit_are_refused(host: HostMachine) -> None:
    tape, _ = _increment(4)
    with Engine(tape, machine=host) as engine:
        with pytest.raises(InputError, match="input 0"):
            engine.run([np.zeros(5, np.float32)])
        with pytest.raises(InputError, match="NaN"):
            engine.run([np.full(4, 0x7FC00001, np.uint32).view(np.float32)])
    with pytest.raises(InputError):
        Engine(replace(tape, outputs=3), machine=host)


def test_programs_beyond_the_budget_are_interpreted(host: HostMachine) -> None:
    b = TapeBuilder()
    x = b.input(F32, (50,))
    outputs = [b.map(trace(lambda v, n=n: v * n + n, F32), x) for n in range(1, 9)]
    tape, _ = b.build(outputs)
    validate(tape)
    for budget in (0, 7, 1000):
        same(tape, [np.linspace(-3, 3, 50, dtype=np.float32)], host, compiled=budget)


def test_rehearsing_takes_none_of_the_memory_that_is_reckoned_with(host: HostMachine) -> None:
    b = TapeBuilder()
    x = b.input(F32, (1000, 1000))
    y = b.map(lambda v: v + 1.0, x)
    for _ in range(9):
        y = b.map(lambda v: v + 1.0, y)
    tape, _ = b.build([y])
    Engine(tape, keep=True, machine=Rehearsal(host, 50_000_000)).close()
    Engine(tape, machine=Rehearsal(host, 13_000_000)).close()
    with pytest.raises(InputError, match=r"needs 44.* bytes of .* 13000000 free"):
        Engine(tape, keep=True, machine=Rehearsal(host, 13_000_000))


def test_a_job_whose_values_do_not_fit_a_gpu_is_refused_though_it_runs(
    host: HostMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocol.engines.cuda.gpu", lambda _: host)
    b = TapeBuilder()
    x = b.input(F32, (1000,))
    tape, _ = b.build([b.map(lambda v: v + 1.0, b.map(lambda v: v + 1.0, b.map(lambda v: v + 1.0, x)))])
    memory = 14_000
    rehearse(tape, Rehearsed("cuda:0", 1, False, memory))
    rehearse(tape, Rehearsed("cuda:0", 1, True))
    with pytest.raises(InputError, match=f"has {memory} free"):
        rehearse(tape, Rehearsed("cuda:0", 1, True, memory))
