"""The hasher that the worker uses for roots, held to the plain one before it is trusted."""

from functools import cache

from protocol.engines.cpu import FAST
from protocol.tape.merkle import PLAIN, Hasher
from protocol.types.errors import BrokenInvariant

HASHER: Hasher = FAST


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
