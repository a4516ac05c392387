"""What demands are named by. Each hash equals the contract's; records have the fields of `DeliveryTypes`."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.crypto import cut_keccak256, keccak256
from protocol.dispute.names import word
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.merkle import tree
from protocol.tape.roots import TAG_ITEM
from protocol.types import Hash32, InputError, LeaseId

HASH_BYTES = 32
STEP = 5
"""Levels that one answer spans: 32 hashes, or 32 leaves."""


NO_ANSWER = 0
"""Size of the answer for a node beyond the items: none shows that it is right."""


class Kind(IntEnum):
    """What an answer consists of."""

    NONE = 0
    ITEMS = 1
    """Hashes some levels below a node of the items' tree."""
    ROOTS = 2
    """Tensor roots of an item."""
    NODES = 3
    """Hashes some levels below a node of an output's tensor tree."""
    LEAVES = 4
    """All leaves below such a node."""


class Status(IntEnum):
    """How a demand stands."""

    NONE = 0
    ASKED = 1
    """By the client or a delegate, or hastened by one."""
    REQUESTED = 2
    """By a stranger."""
    ANSWERED = 3
    UNANSWERED = 4
    CLOSED = 5

    @property
    def open(self) -> bool:
        """Whether the provider owes the answer."""
        return self in (Status.ASKED, Status.REQUESTED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bytes that hash to a node: what kind of bytes, the node, how many bytes."""

    kind: Kind
    node: Hash32
    size: int

    def demand(self, lease_id: LeaseId) -> Hash32:
        """The demand's id on a lease: the same bytes are demanded once."""
        return keccak256(lease_id + word(self.kind) + self.node + word(self.size))


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a demanded node stands: `index` nodes are left of it on its level, `levels` levels below it.

    `item` is zero for ITEMS, `output` also for ROOTS.
    """

    item: int
    output: int
    index: int
    levels: int


def step(kind: Kind, levels: int) -> tuple[Kind, int]:
    """What answers a demand for a node with so many levels below it, and how many levels down it goes.

    `kind` ITEMS for the items' tree, else a tensor's: there, five levels or fewer are shown as leaves, and
    the answers above are so short that the last one is a full one.
    """
    if kind is Kind.ITEMS:
        return Kind.ITEMS, min(levels, STEP)
    if levels <= STEP:
        return Kind.LEAVES, levels
    return Kind.NODES, min(levels - STEP, STEP)


def size_of(kind: Kind, down: int) -> int:
    """Bytes of an answer that goes `down` levels down."""
    return (LEAF_BYTES if kind is Kind.LEAVES else HASH_BYTES) << down


def pieces(kind: Kind, data: bytes) -> list[bytes]:
    """An answer's hashes or leaves. InputError if it is not a whole number of them."""
    size = LEAF_BYTES if kind is Kind.LEAVES else HASH_BYTES
    if not data or len(data) % size:
        raise InputError(f"{len(data)} bytes are no answer of pieces of {size}")
    return [data[at : at + size] for at in range(0, len(data), size)]


def node_of(kind: Kind, data: bytes) -> Hash32:
    """The node that an answer hashes to, as the contract computes it. InputError if it is none."""
    parts = pieces(kind, data)
    if kind is Kind.ROOTS:
        return keccak256(TAG_ITEM + data)
    if len(parts) & len(parts) - 1:
        raise InputError(f"{len(parts)} pieces are no power of two")
    return tree(b"".join(map(cut_keccak256, parts)) if kind is Kind.LEAVES else data).root
