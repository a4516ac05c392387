"""What a dispute names things by: cases, games, positions, seals. Each hash equals the contract's.

Every record here is one of `IDisputes`, its fields in the same order. Names that stand in calldata are cut as
hashes in a tree are.
"""

from dataclasses import dataclass

from protocol.crypto import cut_keccak256, keccak256
from protocol.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash32, LeaseId

TAG_PROGRAM = keccak256(b"gavel.tape.program.v1")
TAG_BITS = 48


def hash2(left: bytes, right: bytes) -> Hash32:
    """The hash of two words, cut as in a tree."""
    return cut_keccak256(left + right)


def word(number: int) -> bytes:
    """An unsigned number as 32 bytes."""
    return number.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Program:
    """A program's root, taken apart."""

    inputs: int
    constants: int
    nodes: int
    outputs: int
    inputs_root: Hash32
    constants_root: Hash32
    nodes_root: Hash32

    @property
    def root(self) -> Hash32:
        """The program root, as `protocol.tape.roots.program_root` makes it."""
        counts = b"".join(map(word, (self.inputs, self.constants, self.nodes, self.outputs)))
        return keccak256(TAG_PROGRAM + counts + self.inputs_root + self.constants_root + self.nodes_root)

    @property
    def first(self) -> int:
        """The value index of the first node."""
        return self.inputs + self.constants

    @property
    def inner(self) -> int:
        """How many nodes are no outputs: the leaves of a trace."""
        return self.nodes - self.outputs


@dataclass(frozen=True, slots=True)
class Job:
    """A bid's `job_hash`, taken apart."""

    program: Program
    input_root: Hash32
    items: int

    @property
    def hash(self) -> Hash32:
        """What the bid names the job by."""
        return keccak256(self.program.root + self.input_root + word(self.items))


@dataclass(frozen=True, slots=True)
class Case:
    """What is argued about: one item of one posted result."""

    lease_id: LeaseId
    job_hash: Hash32
    item: int
    item_root: Hash32

    @property
    def id(self) -> Hash32:
        """The case's name."""
        return cut_keccak256(self.lease_id + self.job_hash + word(self.item) + self.item_root)


@dataclass(frozen=True, slots=True)
class Position:
    """What a game has come to, as far as the contract keeps only its hash.

    `anchor`: the tree node that the provider's own commitments have led to; `site`: `site_hash` of the node
    landed on, zero before; `left`: the left siblings on the way down, chained; `operator`: the key that
    answers for the provider, zero while nobody has.
    """

    anchor: Hash32 = ZERO_HASH
    site: Hash32 = ZERO_HASH
    left: Hash32 = ZERO_HASH
    operator: Address = ZERO_ADDRESS

    @property
    def hash(self) -> Hash32:
        """What the contract stores of it."""
        return keccak256(self.anchor + self.site + self.left + self.operator.rjust(32, b"\0"))

    @property
    def tag(self) -> int:
        """The hash's lowest 48 bits, which a pick repeats."""
        return int.from_bytes(self.hash, "big") & ((1 << TAG_BITS) - 1)


@dataclass(frozen=True, slots=True)
class OperandProof:
    """How an operand's leaf hangs on a root that is known.

    `tensor`: siblings from the leaf up to its tensor's root; `tree`: from the tensor's entry up (trace,
    constants' tree or inputs' items); `roots`: all tensor roots of the item that holds it (an input or an
    output node); `dtype`: the constant's type as the program root binds it.
    """

    tensor: tuple[Hash32, ...]
    tree: tuple[Hash32, ...] = ()
    roots: tuple[Hash32, ...] = ()
    dtype: bytes = b""


def game_id(case_id: Hash32, challenger: Address, seal: Hash32) -> Hash32:
    """What a game is named by."""
    return cut_keccak256(case_id + challenger.rjust(32, b"\0") + seal)


def seal_of(trace_root: Hash32, item_root: Hash32, challenger: Address, case: Case, salt: Hash32) -> Hash32:
    """The seal over a challenger's own run of the case's item: the roots of its trace and of its outputs."""
    who = challenger.rjust(32, b"\0")
    return cut_keccak256(trace_root + item_root + who + case.lease_id + word(case.item) + salt)


def site_hash(header: bytes, facts: int) -> Hash32:
    """What a position says of the node landed on."""
    return hash2(keccak256(header), word(facts))
