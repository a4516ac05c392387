"""The hasher that the worker uses for roots, held to the plain one before it is trusted."""

import time
from functools import cache

from protocol.engines.cpu import FAST
from protocol.tape import I8, Tape, TensorType
from protocol.tape.merkle import PLAIN, Hasher
from protocol.tape.roots import leaf_count, tensor_root
from protocol.types.errors import BrokenInvariant

HASHER: Hasher = FAST
_LEAF_S = 320e-9
"""What a leaf is taken to cost at least, its share of the tree and its bytes on a disk included."""
_NODE_S = 25e-6
"""What a node's value costs beside its leaves: a root, a view and a place in the trace's file."""
_CONSTANT_S = 6e-6
_SLACK = 1.25
_TRIED = TensorType(I8, (1 << 13, 1))
_TRIES = 5


@cache
def prove_hasher() -> None:
    """BrokenInvariant unless the fast hasher hashes as the plain one does. Once per process."""
    data = bytes(range(256)) * 11
    try:
        layers = [(each.leaves(data, 11, 256), each.leaves(data, 8, 352)) for each in (HASHER, PLAIN)]
        parents = [each.parents(layers[1][1], bytes(32)) for each in (HASHER, PLAIN)]
        whole = [each.whole(data) for each in (HASHER, PLAIN)]
    except AttributeError as fault:
        # ctypes says so where the library lacks a symbol.
        raise BrokenInvariant("the CPU engine's kernels are out of date", "run `make setup`") from fault
    if layers[0] != layers[1] or parents[0] != parents[1] or whole[0] != whole[1]:
        raise BrokenInvariant("the fast keccak is wrong on this machine", "run `make setup`")


def tracing_seconds(tape: Tape) -> float:
    """What hashing and storing a trace costs this processor: inputs and values, be they small or empty."""
    leaves = sum(map(leaf_count, (*tape.inputs, *tape.types[tape.first_node :])))
    return leaf_seconds() * leaves + _NODE_S * len(tape.nodes) + _CONSTANT_S * len(tape.constants)


def leaf_seconds() -> float:
    """What a leaf costs this processor, which without wide vectors takes two to four times as long."""
    return max(_LEAF_S, _SLACK * _measured())


@cache
def _measured() -> float:
    """The best of some tries, since a busy machine only adds."""
    data, moments = bytes(_TRIED.nbytes), []
    for _ in range(_TRIES):
        began = time.process_time()
        tensor_root(_TRIED, data, HASHER)
        moments.append(time.process_time() - began)
    return min(moments) / _TRIED.rows
