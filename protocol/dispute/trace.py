"""All values of one executed item as commitments: what a provider is held to and a challenger compares.

A trace is the tree over the tensor roots of all nodes that are no outputs, padded with zero words; the
outputs are bound by the item root. Both sides build it from their own run.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from protocol.dispute.landings import Landings, Sites
from protocol.dispute.names import Job, OperandProof, Program
from protocol.dispute.shown import TRACE
from protocol.dispute.steps import Chain, Place, Site, chain_of, fold, places
from protocol.tape import Contract, Reduce, Tape, TensorType
from protocol.tape.encoding import node_headers
from protocol.tape.encoding.fields import type_bytes
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.merkle import PLAIN, Bytes, Hasher, Tree, tree
from protocol.tape.reference.chains import Row, running_values
from protocol.tape.roots import (
    constants_tree_of,
    inputs_tree,
    item_root_of,
    items_tree,
    leaf_count,
    leaves_per_row,
    nodes_tree,
)
from protocol.tape.tensor_tree import NODE_BYTES, TensorTree, middle_count, middle_of, root_over, tree_bytes
from protocol.types import BrokenInvariant, Hash32

_KEPT_TREES = 16


def trees_bytes(types: Sequence[TensorType]) -> int:
    """Bytes of tensor trees that a trace keeps: the middle of each, of which others are soon made."""
    return sum(map(middle_bytes, types)) + _KEPT_TREES * max(map(tree_bytes, types))


def middle_bytes(kind: TensorType) -> int:
    """What the middle of a tensor's tree takes, where it is kept or written."""
    return NODE_BYTES * middle_count(kind)


@dataclass(frozen=True, slots=True)
class Plan:
    """A job as its disputes need it: the tape, its headers, and the trees behind its hash."""

    tape: Tape
    job: Job
    types: tuple[TensorType, ...]
    headers: tuple[bytes, ...]
    nodes: Tree
    constants: Tree
    items: Tree
    sites: Sites
    middles: tuple[bytes, ...]
    """Of the constants' trees."""

    @property
    def inner(self) -> int:
        """How many nodes are no outputs."""
        return len(self.tape.nodes) - self.tape.outputs


def plan(tape: Tape, item_roots: Sequence[Hash32], hasher: Hasher = PLAIN) -> Plan:
    """The plan of a job that runs a tape over inputs with these item roots."""
    nodes, items = nodes_tree(tape), items_tree(item_roots, hasher)
    middles = tuple(middle_of(each.type, each.data, hasher) for each in tape.constants)
    of = zip(tape.constants, middles, strict=True)
    constants = constants_tree_of(tape, [root_over(each.type, middle, hasher) for each, middle in of])
    counts = len(tape.inputs), len(tape.constants), len(tape.nodes), tape.outputs
    program = Program(*counts, inputs_tree(tape).root, constants.root, nodes.root)
    job = Job(program, items.root, len(item_roots))
    headers = tuple(node_headers(tape))
    sites = Sites(program, headers, hasher)
    return Plan(tape, job, tape.types, headers, nodes, constants, items, sites, middles)


class Trace:
    """One item's values and their trees. `values` are raw little-endian bytes: inputs, constants, nodes.

    Trees are built when they are needed; values are read where the caller holds them, never copied.
    """

    def __init__(self, plan: Plan, item: int, values: Sequence[Bytes], hasher: Hasher = PLAIN) -> None:
        if len(values) != len(plan.types):
            raise BrokenInvariant(f"{len(values)} values of a tape with {len(plan.types)}")
        self.plan, self.item = plan, item
        self._hasher = hasher
        self._middles = dict(enumerate(plan.middles, len(plan.tape.inputs)))
        self._roots: dict[int, Hash32] = {}
        self._trees: OrderedDict[int, TensorTree] = OrderedDict()
        self.move(values)

    def move(self, values: Sequence[Bytes]) -> None:
        """The same values are read here from now on."""
        self._values = [_raw(value) for value in values]
        self._trees.clear()  # they read the values where these lay

    def raw(self, value: int) -> memoryview:
        """The bytes of a value."""
        return self._values[value]

    # ------------------------------------------------------------------------------------------------ trees

    @cached_property
    def tree(self) -> Tree:
        """The tree over the tensor roots of all inner nodes."""
        first = self.plan.tape.first_node
        roots = [self.tensor_root(first + number) for number in range(self.plan.inner)]
        return tree(b"".join(roots), hasher=self._hasher)

    @property
    def root(self) -> Hash32:
        """The trace's root; zero if every node is an output."""
        return self.tree.root

    def end(self) -> tuple[Hash32, ...]:
        """The last inner node's root, and its siblings upwards: nothing stands behind it."""
        last = self.plan.inner - 1
        return () if last < 0 else (self.tree.hash_at(0, last), *self.tree.proof(last))

    @cached_property
    def output_roots(self) -> tuple[Hash32, ...]:
        """The tensor roots of the item's outputs."""
        count = len(self.plan.types)
        return tuple(self.tensor_root(value) for value in range(count - self.plan.tape.outputs, count))

    @cached_property
    def landings(self) -> Landings:
        """Where games can have landed in it."""
        return Landings(self.plan.sites, self.tree, self.output_roots, self._hasher)

    @property
    def item_root(self) -> Hash32:
        """The item's root under the posted result."""
        return item_root_of(self.output_roots)

    def tensor_root(self, value: int) -> Hash32:
        """The root of a value's tensor."""
        if value not in self._roots:
            self._roots[value] = root_over(self.plan.types[value], self.middle(value), self._hasher)
        return self._roots[value]

    def middle(self, value: int) -> bytes:
        """The middle of a value's tree: all that is kept of most."""
        if value not in self._middles:
            self._middles[value] = middle_of(self.plan.types[value], self._values[value], self._hasher)
        return self._middles[value]

    def tensor(self, value: int) -> TensorTree:
        """The tree over a value's leaves."""
        found = self._trees.pop(value, None)
        if found is None:
            while len(self._trees) >= _KEPT_TREES:
                self._trees.popitem(last=False)
            found = TensorTree(self.plan.types[value], self._values[value], self.middle(value), self._hasher)
        self._trees[value] = found
        return found

    def hash_at(self, which: int, height: int, index: int) -> Hash32:
        """A node of one of the trees that a game goes down, which is `TRACE` or a node's tensor."""
        if which == TRACE:
            return self.tree.hash_at(height, index)
        return self.tensor(self.plan.tape.first_node + which).hash_at(height, index)

    # ----------------------------------------------------------------------------------------------- leaves

    def leaf(self, value: int, index: int) -> bytes:
        """The 128 bytes of a leaf; zeros beyond the shape."""
        kind = self.plan.types[value]
        if index >= leaf_count(kind):
            return bytes(LEAF_BYTES)
        row, part = divmod(index, leaves_per_row(kind))
        width = kind.columns * kind.dtype.width
        start = row * width + part * LEAF_BYTES
        return bytes(self._values[value][start : min(start + LEAF_BYTES, (row + 1) * width)]).ljust(
            LEAF_BYTES, b"\0"
        )

    def node_leaf(self, node: int, index: int) -> bytes:
        """A leaf of a node's tensor."""
        return self.leaf(self.plan.tape.first_node + node, index)

    def leaves_of(self, site: Site) -> tuple[tuple[Place, ...], tuple[bytes, ...]]:
        """What a step reads: the places, and the leaves there."""
        held: tuple[bytes, ...] = ()
        while len(read := places(site, held)) != len(held):
            held = tuple(self.leaf(at.value, at.leaf) for at in read)
        return read, held

    # ----------------------------------------------------------------------------------------------- chains

    def site(self, node: int, element: int, segment: int = 0) -> Site:
        """A step of a node."""
        return Site(self.plan.tape.nodes[node], self.plan.types, element, segment)

    def running(self, node: int, element: int) -> list[int]:
        """The running values behind all segments of an element's chain. BrokenInvariant if it has none."""
        kind, chain = self._chain(node)
        rows = []
        for at in places(self.site(node, element)):
            held = self.plan.types[at.value]
            width = held.columns * held.dtype.width
            row = at.leaf // leaves_per_row(held)
            rows.append(Row(held.dtype, self._values[at.value][row * width : (row + 1) * width]))
        if not rows:
            return [chain.start]
        return running_values(kind, chain.terms, *rows)

    def totals(self, node: int, running: Sequence[int], per_span: int) -> list[int]:
        """The totals behind every `per_span` segments, and behind the last one."""
        kind, chain = self._chain(node)
        found: list[int] = []
        for start in range(0, len(running), per_span):
            ends = chain.blocks(running[start : start + per_span])
            found.append(fold(kind, [*found[-1:], *ends]))
        return found

    def _chain(self, node: int) -> tuple[Contract | Reduce, Chain]:
        kind = self.plan.tape.nodes[node]
        chain = chain_of(kind, self.plan.types)
        if chain is None or not isinstance(kind, Contract | Reduce):
            raise BrokenInvariant(f"node {node} has no chains")
        return kind, chain

    # ----------------------------------------------------------------------------------------------- proofs

    def given_proof(self, at: Place) -> OperandProof:
        """How a leaf of an input or a constant hangs on the job."""
        tape = self.plan.tape
        tensor = tuple(self.tensor(at.value).proof(at.leaf))
        if at.value < len(tape.inputs):
            roots = tuple(self.tensor_root(value) for value in range(len(tape.inputs)))
            return OperandProof(tensor, tuple(self.plan.items.proof(self.item)), roots)
        number = at.value - len(tape.inputs)
        dtype = type_bytes(self.plan.types[at.value])
        return OperandProof(tensor, tuple(self.plan.constants.proof(number)), dtype=dtype)


def _raw(value: Bytes) -> memoryview:
    view = memoryview(value)
    return view.cast("B") if view.nbytes else memoryview(b"")  # an empty array cannot be cast
