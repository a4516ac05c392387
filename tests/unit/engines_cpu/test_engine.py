"""The CPU engine: every instruction set, threads, limits, memory, hashing; that its bits are the
reference's.
"""

import ctypes
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.engines.cpu import FAST, Engine, TimeLimitError, estimate
from protocol.engines.cpu.fusion import find_windows
from protocol.engines.cpu.generate import PATH, text
from protocol.engines.cpu.handling import CALL
from protocol.engines.cpu.layout import Room, plan
from protocol.engines.cpu.library import ProductTask, check_build, library
from protocol.engines.cpu.programs import compile_program
from protocol.tape import F32, I8, I32, Affine, DType, Join, Tape, TapeBuilder, TensorType, functions, trace
from protocol.tape.merkle import PLAIN
from protocol.tape.products import dot, greatest, matmul, total
from protocol.tape.reference import evaluate, evaluate_all
from protocol.tape.roots import program_root, tensor_root
from protocol.tape.scalar import OPS, Op, Value, apply, const
from protocol.tape.views import im2col, reshape, strided_slice, transpose
from protocol.types.errors import InputError
from tests.strategies.tapes import SPECIAL_F32, SPECIAL_I32, random_tape, tensor

LEVELS = [level for level in range(3) if library().gv_level(level) == level]


@pytest.fixture(params=LEVELS, ids=[("plain", "avx2", "avx512")[level] for level in LEVELS])
def level(request: pytest.FixtureRequest) -> Iterator[int]:
    library().gv_level(request.param)
    yield request.param
    library().gv_level(-1)


def same(tape: Tape, item: list[np.ndarray], threads: int = 1) -> None:
    """Every value equal to the reference's, bit for bit; and outputs again on a second run in
    reused memory.
    """
    want = evaluate_all(tape, item)
    with Engine(tape, threads, keep=True) as engine:
        engine.run(item)
        for number, value in enumerate(want):
            assert engine.value(number).tobytes() == value.tobytes(), f"value {number}"
    with Engine(tape, threads) as engine:
        for _ in range(2):
            got = engine.run(item)
            assert [a.tobytes() for a in got] == [a.tobytes() for a in want[-tape.outputs :]]


def test_generated_kernels_are_the_table_s() -> None:
    assert PATH.read_text() == text()


@pytest.mark.parametrize("seed", range(12))
def test_random_tapes_on_every_instruction_set(level: int, seed: int) -> None:
    same(*random_tape(Random(seed), 12), threads=1 + seed % 3)


@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (1, 1, 1),
        (1, 33, 256),
        (13, 31, 257),
        (12, 32, 512),
        (25, 100, 700),
        (200, 40, 3),
        (3, 2100, 5),
        (7, 9, 0),
    ],
)
def test_products_of_awkward_sizes(level: int, m: int, n: int, k: int) -> None:
    b = TapeBuilder()
    x, y = b.input(F32, (m, k)), b.input(F32, (n, k))
    w = b.constant(tensor(Random(k), TensorType(F32, (n, k))))
    tape, _ = b.build([matmul(b, x, y), matmul(b, x, w), matmul(b, y, x), total(b, y), dot(b, y, y)])
    rng = Random(n)
    item = [tensor(rng, kind) for kind in tape.inputs]
    same(tape, item)
    same(tape, item, threads=3)


def test_batches_broadcasts_and_depthwise(level: int) -> None:
    b = TapeBuilder()
    x, heads = b.input(F32, (2, 3, 5, 40)), b.input(F32, (3, 7, 40))
    image = b.input(F32, (2, 6, 9, 8))
    weights = b.constant(np.linspace(-1, 1, 2 * 12 * 27, dtype=np.float32).reshape(2, 12, 27))
    windows = im2col(
        b, image, kernel=(3, 3), strides=(2, 1), pads=(1, 1), dilations=(1, 1), output=(5, 8), groups=2
    )
    depthwise = im2col(
        b,
        image,
        kernel=(3, 3),
        strides=(1, 1),
        pads=(1, 1),
        dilations=(1, 2),
        output=(9, 6),
        groups=6,
        fill=-1.0,
    )
    filters = b.constant(np.arange(6 * 9, dtype=np.float32).reshape(6, 1, 9))
    tape, _ = b.build(
        [
            matmul(b, x, heads),
            matmul(b, weights, windows),
            matmul(b, filters, depthwise),
            greatest(b, windows),
        ]
    )
    rng = Random(2)
    same(tape, [tensor(rng, kind) for kind in tape.inputs], threads=2)


def test_integers_wrap_in_any_order(level: int) -> None:
    b = TapeBuilder()
    x, y = b.input(I8, (9, 300)), b.input(I32, (4, 300))
    tape, _ = b.build(
        [matmul(b, x, x), matmul(b, x, y), matmul(b, y, y), total(b, x), total(b, y), greatest(b, x)]
    )
    rng = Random(11)
    same(tape, [tensor(rng, kind) for kind in tape.inputs], threads=2)


def test_every_function_on_specials_and_chunk_borders(level: int) -> None:
    b = TapeBuilder()
    x = b.input(F32, (2, 1030))
    names = [name for name in functions.__all__ if name not in ("copysign", "pow", "power")]
    outputs = [b.map(getattr(functions, name), x) for name in names]
    outputs.append(b.map(functions.power, x, transpose(b, reshape(b, x, (1030, 2)), (1, 0))))
    tape, _ = b.build(outputs)
    source = np.random.default_rng(4).integers(0, 2**32, (2, 1030), dtype=np.uint32).view(np.float32)
    same(tape, [np.where(np.isnan(source), np.float32(-0.0), source)], threads=2)


def test_a_nan_input_with_a_payload_is_refused() -> None:
    b = TapeBuilder()
    x = b.input(F32, (2,))
    with Engine(b.build([b.map(abs, x)])[0]) as engine:
        bad = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
        with pytest.raises(InputError, match="NaN other than"):
            engine.run([bad])
        with pytest.raises(InputError, match="float64"):
            engine.run([np.zeros(2)])
        with pytest.raises(InputError, match="1 inputs"):
            engine.run([])


def test_the_time_limit_ends_an_item_of_joins_alone() -> None:
    """They are copied outside the kernels, which look at the clock."""
    node = Join(I8, (1 << 16, 4), 1, (0,) * 4)
    tape = Tape((TensorType(I8, (1 << 16, 1)),), (), (node,) * 50, 1)
    with Engine(tape) as engine, pytest.raises(TimeLimitError):
        engine.run([np.zeros((1 << 16, 1), np.int8)], time_limit=0.001)


def test_the_time_limit_interrupts_one_long_node() -> None:
    b = TapeBuilder()
    x = b.input(F32, (3000, 3000))
    with Engine(b.build([matmul(b, x, x)])[0], threads=2) as engine:
        item = [np.ones((3000, 3000), np.float32)]
        start = time.monotonic()
        with pytest.raises(TimeLimitError):
            engine.run(item, time_limit=0.01)
        assert time.monotonic() - start < 20  # whole, it takes 27e9 multiply-adds at the least
        short = Engine(b.build([b.map(abs, x)])[0])
        assert short.run(item, time_limit=600.0)[0].sum() == 9e6


def test_memory_is_used_again_but_never_under_a_reader() -> None:
    b = TapeBuilder()
    x = b.input(F32, (100_000,))
    y = x
    for _ in range(20):
        y = b.map(lambda v: v + 1.0, y)
    tape, _ = b.build([b.map(lambda u, v: u + v, reshape(b, y, (100, 1000)), reshape(b, x, (100, 1000)))])
    assert plan(tape, keep=False).arena <= 4 * 400_064
    assert plan(tape, keep=True).arena >= 22 * 400_000
    item = [np.arange(100_000, dtype=np.float32)]
    same(tape, item)
    assert estimate(tape).peak_bytes < 8 * 2**20


def test_estimate_counts_work_before_it_is_done() -> None:
    b = TapeBuilder()
    x, w = b.input(F32, (8, 64)), b.constant(np.ones((32, 64), np.float32))
    y = transpose(b, b.map(functions.exp, matmul(b, x, w)), (1, 0))
    work = estimate(b.build([y, greatest(b, x)])[0])
    assert work.fmas == 8 * 32 * 64
    assert work.steps == 8 * 32 * (len(trace(functions.exp, F32).code) + 1) + 8 * 64
    assert 4 * CALL <= work.moved - 8 * 32 * 4 < 5 * CALL, "each of four nodes is called"


def test_compiled_programs_fold_constants_and_share_slots() -> None:
    chained = trace(lambda v: functions.gelu(functions.tanh(functions.erf(v))), F32)
    assert compile_program(chained).slots <= 10
    constant = trace(lambda v: v * 0.0 + 1.0, F32)
    assert compile_program(constant).result >= 0
    folded = compile_program(trace(lambda v: functions.exp(const(3.0, F32)) + v, F32))
    assert len(folded.steps) == 1


def test_results_that_are_constants_or_operands(level: int) -> None:
    b = TapeBuilder()
    x, z = b.input(F32, (5, 7)), b.input(I8, (5, 7))
    outputs = [
        b.map(lambda _: const(2.5, F32), x),
        b.map(lambda v: v, x),
        b.map(lambda v: v, z),
        b.map(lambda v: v, z, dtype=I8),
        b.map(lambda _: const(300, I32), z, dtype=I8),
    ]
    rng = Random(1)
    tape, _ = b.build(outputs)
    same(tape, [tensor(rng, kind) for kind in tape.inputs])


def test_outputs_are_copies_and_items_do_not_leak_into_each_other() -> None:
    tape, item = random_tape(Random(31), 10)
    other = [tensor(Random(5), kind) for kind in tape.inputs]
    with Engine(tape) as engine:
        first = engine.run(item)
        held = [a.tobytes() for a in first]
        engine.run(other)
        assert [a.tobytes() for a in first] == held
        assert [a.tobytes() for a in engine.run(item)] == [a.tobytes() for a in evaluate(tape, item)]


TENSORS = [
    *(TensorType(F32, shape) for shape in ((), (3, 31), (5, 32), (2, 3, 33), (3, 0), (1100, 5))),
    *(TensorType(I8, shape) for shape in ((700, 1), (9, 129))),
    TensorType(I32, (0, 4)),
]


@pytest.mark.parametrize("kind", TENSORS, ids=str)
def test_fast_hashes_are_the_plain_ones(level: int, kind: TensorType) -> None:
    data = np.random.default_rng(1).integers(0, 256, kind.nbytes, dtype=np.uint8).tobytes()
    assert tensor_root(kind, data, FAST) == tensor_root(kind, data, PLAIN)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1100])
def test_fast_whole_hashes_are_the_plain_ones(level: int, count: int) -> None:
    data = np.random.default_rng(count).bytes(128 * count)
    assert FAST.whole(data) == PLAIN.whole(data)


def test_program_roots_agree() -> None:
    tape, _ = random_tape(Random(3), 9)
    assert program_root(tape, FAST) == program_root(tape)


def test_threads_below_one_are_refused() -> None:
    tape, _ = random_tape(Random(3), 2)
    with pytest.raises(InputError, match="0 threads"):
        Engine(tape, 0)


def test_room_is_reused_fused_and_searched_a_bounded_way() -> None:
    room = Room()
    starts = [room.take(64) for _ in range(10)]
    assert starts == [64 * i for i in range(10)]
    room.give_back(128, 64)
    room.give_back(256, 64)
    room.give_back(192, 64)  # touches both: one gap of 192
    assert room.take(192) == 128
    room.give_back(576, 64)
    assert room.take(128) == 576  # the last gap grows
    assert room.size == 704
    many = Room()
    for i in range(2 * many.LOOK):
        assert many.take(64) == 64 * i
    for i in range(0, 2 * many.LOOK, 2):
        many.give_back(64 * i, 64)
    many.give_back(64, 64)  # a gap of 192 in front, then many small ones
    assert many.take(128) == 0
    assert many.take(128) == many.size - 128  # too many small gaps to look through


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=200))
def test_room_never_gives_a_place_twice(moves: list[tuple[bool, int]]) -> None:
    room, held = Room(), []
    for take, size in moves:
        if take or not held:
            start = room.take(64 * size)
            assert all(start + 64 * size <= other or other + length <= start for other, length in held)
            assert start + 64 * size <= room.size
            held.append((start, 64 * size))
        else:
            room.give_back(*held.pop(size % len(held)))


@pytest.mark.parametrize(
    ("image", "kernel", "strides", "pads", "dilations", "output", "groups"),
    [
        ((1, 4, 12, 40), (3, 3), (1, 1), (1, 1), (1, 1), (12, 40), 1),
        ((2, 6, 9, 9), (3, 3), (2, 1), (1, 0), (1, 1), (5, 7), 3),
        ((1, 3, 20, 20), (5, 4), (1, 1), (4, 4), (2, 1), (20, 25), 1),
        ((1, 70, 11, 11), (2, 2), (1, 1), (0, 0), (3, 3), (8, 8), 2),
        ((3, 2, 50), (7,), (1,), (3,), (1,), (50,), 1),
    ],
)
def test_windows_are_read_without_being_written(
    level: int,
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
    output: tuple[int, ...],
    groups: int,
) -> None:
    b = TapeBuilder()
    x = b.input(F32, image)
    cols = im2col(
        b,
        x,
        kernel=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        output=output,
        groups=groups,
        fill=-0.5,
    )
    k = cols.shape[-1]
    weights = b.constant(tensor(Random(k), TensorType(F32, (groups, 19, k))))
    one = b.constant(tensor(Random(k), TensorType(F32, (groups, 1, k))))
    single, _ = b.build([matmul(b, weights, cols)])
    tape, _ = b.build([matmul(b, weights, cols), matmul(b, one, cols), total(b, cols)])
    assert list(find_windows(single).read) == [single.first_node]
    assert list(find_windows(tape).read) == [tape.first_node]
    item = [tensor(Random(3), kind) for kind in tape.inputs]
    same(single, item)
    same(tape, item, threads=3)


def test_windows_with_negative_steps_and_unions_of_rows() -> None:
    """A view read backwards, and rows that a CONTRACT takes from the middle of a MOVE."""
    b = TapeBuilder()
    x = b.input(F32, (40, 3))
    axes = (Affine(45, (-1, -2, 0)), Affine(-1, (0, 0, 1)))
    cols = b.move(x, (40, 20), (40, 3), axes, fill=2.0, grid=(40, 4, 5))
    w = b.constant(tensor(Random(1), TensorType(F32, (6, 20))))
    part = b.contract((6, 13), w, Affine(0, (1, 0)), cols, Affine(5, (0, 2)))
    back = b.contract((13, 6), cols, Affine(38, (-3, 0)), w, Affine(0, (0, 1)))
    tape, _ = b.build([part, back, matmul(b, w, cols)])
    same(tape, [tensor(Random(9), kind) for kind in tape.inputs])


def test_other_readers_have_the_windows_written_out() -> None:
    b = TapeBuilder()
    x = b.input(F32, (1, 2, 30))
    cols = im2col(b, x, kernel=(5,), strides=(1,), pads=(0,), dilations=(1,), output=(26,))
    w = b.constant(np.ones((4, 10), np.float32))
    read, _ = b.build([matmul(b, w, cols), greatest(b, cols)])
    squared, _ = b.build([dot(b, cols, cols)])
    turned = b.contract((26, 26), cols, Affine(0, (0, 1)), cols, Affine(0, (1, 0)))
    both, _ = b.build([matmul(b, cols, cols)])
    crossed, _ = b.build([turned])
    alone, _ = b.build([matmul(b, w, cols)])
    shown = replace(alone, outputs=2)
    for tape in (read, squared, both, crossed, shown):
        assert not find_windows(tape).read
        same(tape, [np.arange(60, dtype=np.float32).reshape(1, 2, 30)])


@pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])
def test_every_instruction_on_special_words_and_constants(level: int, op: Op) -> None:
    """All pairs of specials in registers; then each operand in turn, and each pair, as a constant."""
    pools = [SPECIAL_F32 if kind is F32 else [n & 0xFFFFFFFF for n in SPECIAL_I32] for kind in op.takes]
    rows = list(itertools.product(*pools[:2]))
    columns = [list(column) for column in zip(*rows, strict=True)]
    if len(pools) == 3:
        columns.append([pools[2][(i * 7) % len(pools[2])] for i in range(len(rows))])
    item = [
        np.array(column, np.uint32).view(np.float32 if kind is F32 else np.int32)
        for column, kind in zip(columns, op.takes, strict=True)
    ]
    b = TapeBuilder()
    xs = [b.input(kind, (len(rows),)) for kind in op.takes]
    outputs = [b.map(lambda *values: apply(op.name, *values), *xs)]
    fixed = [c for n in range(1, len(xs)) for c in itertools.combinations(range(len(xs)), n)]
    for places, number in itertools.product(fixed, range(0, 14, 3)):

        def mixed(*values: Value, places: tuple[int, ...] = places, number: int = number) -> Value:
            held = [
                Value(kind, "const", word=pool[(number + i) % len(pool)]) if i in places else value
                for i, (kind, pool, value) in enumerate(zip(op.takes, pools, values, strict=True))
            ]
            return apply(op.name, *held)

        outputs.append(b.map(mixed, *xs))
    same(b.build(outputs)[0], item)


@pytest.mark.parametrize("k", [1, 256, 512])
def test_sums_that_underflow_to_minus_zero_stay_so(level: int, k: int) -> None:
    b = TapeBuilder()
    x, y = b.input(F32, (18, k)), b.input(F32, (18, k))
    tape, _ = b.build([matmul(b, x, y), dot(b, x, y), total(b, x)])
    tiny = np.full((18, k), 2.0**-100, np.float32)
    same(tape, [tiny, -tiny])
    with Engine(tape) as engine:
        outputs = engine.run([tiny, -tiny])
    assert all(np.signbit(output).all() for output in outputs[:2])


def test_a_constant_read_in_many_ways_does_not_multiply_memory() -> None:
    """Packed copies end with the room that the estimate counted; what is left over is packed for
    each item.
    """
    b = TapeBuilder()
    x, w = b.input(F32, (3, 50)), b.constant(tensor(Random(1), TensorType(F32, (64, 50))))
    outputs = [b.contract((3, 64 - i), x, Affine(0, (1, 0)), w, Affine(i, (0, 1))) for i in range(0, 40)]
    tape, _ = b.build(outputs)
    with Engine(tape) as engine:
        packed = {call.tasks[0].packed for call in engine._calls}
        assert None in packed
        assert len(packed) >= 2
    same(tape, [tensor(Random(2), kind) for kind in tape.inputs])


def test_windows_stop_at_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    b = TapeBuilder()
    x = b.input(F32, (1, 1, 500))
    ends = []
    for width in range(20, 30):
        out = 500 - width
        cols = im2col(b, x, kernel=(width,), strides=(1,), pads=(0,), dilations=(1,), output=(out,))
        ends.append(total(b, cols))
    tape, _ = b.build(ends)
    assert len(find_windows(tape).read) == 10
    monkeypatch.setattr("protocol.engines.cpu.fusion.MOST_TABLES", 4 * 505 * 3)
    assert len(find_windows(tape).read) == 3
    same(tape, [tensor(Random(3), kind) for kind in tape.inputs])


@pytest.mark.parametrize("dtype", [F32, I32, I8])
def test_pooling_windows_are_written_by_tables(level: int, dtype: DType) -> None:
    b = TapeBuilder()
    x = b.input(dtype, (6, 1, 13, 30))
    cols = im2col(
        b, x, kernel=(3, 2), strides=(2, 2), pads=(1, 1), dilations=(1, 2), output=(7, 15), fill=-100
    )
    tape, _ = b.build([greatest(b, cols), transpose(b, cols, (3, 2, 1, 0))])
    assert len(find_windows(tape).written) == (dtype is not I8)
    assert find_windows(tape).margin >= (dtype is not I8) * x.type.nbytes
    same(tape, [tensor(Random(3), kind) for kind in tape.inputs], threads=3)


@pytest.mark.parametrize("dtype", [F32, I8])
@pytest.mark.parametrize("shape", [(33, 70), (3, 17, 40), (2, 5, 6, 19), (16, 16), (300, 1)])
def test_transpositions_of_all_axes(dtype: DType, shape: tuple[int, ...]) -> None:
    b = TapeBuilder()
    x = b.input(dtype, shape)
    low = [size // 3 for size in shape]
    rest = tuple(size - 2 * start for size, start in zip(shape, low, strict=True))
    part = strided_slice(b, x, low, rest)
    back = strided_slice(b, x, [size - 1 for size in shape], shape, steps=[-1] * len(shape))
    orders = list(itertools.permutations(range(len(shape))))
    tape, _ = b.build([transpose(b, y, axes) for y in (x, part, back) for axes in orders][:64])
    same(tape, [tensor(Random(3), kind) for kind in tape.inputs], threads=2)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (13, 31, 257), (25, 100, 1025), (3, 2100, 6), (7, 9, 0)]
)
def test_byte_products_of_awkward_sizes(level: int, m: int, n: int, k: int) -> None:
    b = TapeBuilder()
    x, y, w = b.input(I8, (2, m, k)), b.input(I8, (1, n, k)), b.constant(np.full((n, k), -128, np.int8))
    tape, _ = b.build([matmul(b, x, y), matmul(b, y, x), matmul(b, x, w), total(b, x), dot(b, y, y)])
    rng = Random(n)
    same(tape, [tensor(rng, kind) for kind in tape.inputs], threads=3)


def test_byte_sums_wrap(level: int) -> None:
    b = TapeBuilder()
    x = b.input(I8, (2, (1 << 18) + 3))
    tape, _ = b.build([matmul(b, x, x), dot(b, x, x)])
    least = np.full(tape.inputs[0].shape, -128, np.int8)
    same(tape, [least])
    with Engine(tape) as engine:
        assert engine.run([least])[1].tolist() == [3 * 2**14] * 2


def test_kernels_of_another_build_are_refused() -> None:
    """A library without our records' sizes: here the interpreter itself, in place of an older build."""
    with pytest.raises(InputError, match="another version"):
        check_build(ctypes.PyDLL(None))
    kernels = library()
    assert kernels.gv_size(b"gv_products") == ctypes.sizeof(ProductTask)
    assert kernels.gv_size(b"gv_other") == -1
