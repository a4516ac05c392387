"""A tree over hashes in a file, read node by node: a million leaves take no memory of a daemon.

The file: all layers, leaves first, each without its padding. Whoever knows how many leaves there are knows
where each node lies.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.tape.merkle import Tree, depth_of, root_of_zeros, siblings
from protocol.types import Hash32
from protocol.types.errors import InputError


def write_tree(path: Path, tree: Tree) -> None:
    """Write a tree, padded with zero words, to `path`. OSError if that fails."""
    with path.open("wb") as file:
        file.writelines(tree.layers)


@contextmanager
def open_tree(path: Path, leaves: int) -> Iterator["TreeFile"]:
    """Give the tree over so many leaves in the file at `path`, which may be removed meanwhile.

    InputError if it is none.
    """
    starts = [0]
    for level in range(depth_of(leaves) + 1):
        starts.append(starts[-1] + 32 * -(-leaves >> level))
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            if len(held) != starts[-1]:
                raise InputError(f"{path.name} is {len(held)} bytes, no tree over {leaves} leaves")
            yield TreeFile(held, starts)
    except (FileNotFoundError, ValueError) as fault:  # an empty file cannot be mapped
        raise InputError(f"there is no tree {path}") from fault


class TreeFile:
    """See `merkle.Nodes`. `starts`: where each layer begins in the file, and its end."""

    def __init__(self, held: mmap.mmap, starts: list[int]) -> None:
        self._held, self._starts = held, starts

    @property
    def root(self) -> Hash32:
        """The hash at the top."""
        return self.hash_at(self.depth, 0)

    @property
    def depth(self) -> int:
        """How many levels lie between a leaf and the root."""
        return len(self._starts) - 2

    def hash_at(self, level: int, index: int) -> Hash32:
        """The node `index` of layer `level` (0: leaves), the layer's padding beyond its end."""
        at = self._starts[level] + 32 * index
        if at >= self._starts[level + 1]:
            return root_of_zeros(level)
        return Hash32(self._held[at : at + 32])

    def proof(self, index: int) -> list[Hash32]:
        """The siblings from leaf `index` up. InputError outside the padded tree."""
        return siblings(self, index)
