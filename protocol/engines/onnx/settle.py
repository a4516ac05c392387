"""Computes what a lowering made of constants alone, by the tape that it is: the number that a run would give.

So a node means the same whether its inputs are known while lowering or not. What would take long is left in
the tape instead, like any node.
"""

from collections.abc import Sequence

import numpy as np

from protocol.engines.cpu import Engine
from protocol.engines.cpu.estimate import estimate
from protocol.engines.onnx.budget import SETTLED
from protocol.engines.onnx.emit import emit
from protocol.engines.onnx.graph import Graph
from protocol.engines.onnx.tensors import DTYPE_OF_KIND, Tensor

MOST_STEPS = 2**27
"""Multiply-adds, scalar instructions and moved bytes of one node: some tenths of a second."""
MOST_BYTES = 2**28


def settled(graph: Graph, made: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
    """The values of a graph that reads no input as constants, or None if that takes more than is worth it.

    InputError if it leaves the tape's limits.
    """
    shown = [(str(i), tensor) for i, tensor in enumerate(made) if tensor.view is not None]
    if not shown:
        return tuple(made)
    graph.budget.pay(SETTLED)
    tape, _ = emit(graph, shown)
    work = estimate(tape)
    steps = work.fmas + work.steps + work.moved
    if steps > MOST_STEPS or work.peak_bytes > MOST_BYTES:
        return None
    graph.budget.pay(steps // 8)
    for _, tensor in shown:
        graph.budget.make(tensor.shape)
    found = dict(zip((name for name, _ in shown), Engine(tape).run([]), strict=True))
    return tuple(
        tensor
        if tensor.view is None
        else graph.constant(np.asarray(found[str(i)]).astype(DTYPE_OF_KIND[tensor.kind]))
        for i, tensor in enumerate(made)
    )
