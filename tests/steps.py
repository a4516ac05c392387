"""Steps of evaluated tapes with their leaves, for tests of whoever re-executes one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from numpy.typing import NDArray

from protocol.dispute.steps import Chain, Place, Site, Step, chain_of, places, step
from protocol.tape import Tape, TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.roots import leaves_per_row

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One step with all that a judge is given, and what it says."""

    header: bytes
    site: Site
    accumulator: int
    leaves: tuple[bytes, ...]
    result: Step


def leaf_at(kind: TensorType, array: Array, at: Place) -> bytes:
    """The leaf's 128 bytes."""
    row, leaf = divmod(at.leaf, leaves_per_row(kind))
    width = kind.columns * kind.dtype.width
    start = row * width + leaf * LEAF_BYTES
    end = min(start + LEAF_BYTES, (row + 1) * width)
    return bytes(memoryview(array.reshape(-1).view("u1"))[start:end]).ljust(LEAF_BYTES, b"\0")


def leaves_of(site: Site, values: Sequence[Array]) -> tuple[bytes, ...]:
    """The leaves that the step reads."""
    found: tuple[bytes, ...] = ()
    while len(read := places(site, found)) != len(found):
        found = tuple(leaf_at(site.types[at.value], values[at.value], at) for at in read)
    return found


def running(header: bytes, site: Site, values: Sequence[Array], chain: Chain) -> list[Case]:
    """Every segment of one element's chain."""
    cases: list[Case] = []
    for segment in range(chain.segments):
        here = Site(site.node, site.types, site.element, segment)
        before = chain.before(segment, [case.result.value for case in cases])
        leaves = leaves_of(here, values)
        cases.append(Case(header, here, before, leaves, step(here, leaves, before)))
    return cases


def element_cases(header: bytes, site: Site, values: Sequence[Array]) -> list[Case]:
    """All steps of one element."""
    chain = chain_of(site.node, site.types)
    if chain is not None:
        return running(header, site, values, chain)
    leaves = leaves_of(site, values)
    return [Case(header, site, 0, leaves, step(site, leaves))]


def sampled(
    tape: Tape, headers: Sequence[bytes], values: Sequence[Array], rng: Random, most: int
) -> Iterator[list[Case]]:
    """The steps of up to `most` random elements of every node."""
    types = tape.types
    for node, header in zip(tape.nodes, headers, strict=True):
        size = math.prod(node.shape)
        for element in rng.sample(range(size), min(size, most)):
            yield element_cases(header, Site(node, types, element), values)


def stored(site: Site, tape: Tape, values: Sequence[Array]) -> int:
    """The word that the reference has stored as the site's element."""
    array = values[tape.first_node + tape.nodes.index(site.node)]
    return int.from_bytes(array.reshape(-1)[site.element : site.element + 1].tobytes(), "little")
