"""From known leaves back to the raw bytes of outputs."""

from collections.abc import Callable, Iterator, Mapping

from protocol.dispute.delivery.knowledge import Known, learn
from protocol.dispute.delivery.names import Wanted
from protocol.dispute.delivery.planning import Demand, Shape, demands
from protocol.tape import TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.roots import leaf_count, leaves_per_row
from protocol.types import Hash32, InputError


def missing(shape: Shape, known: Known) -> list[Demand]:
    """The demands that can be made now on the way to all outputs of a job; none if all are known."""
    found = (
        each
        for item in range(shape.items if shape.filled else 0)
        for output in shape.filled
        for each in demands(shape, known, item, output, range(leaf_count(shape.types[output])))
    )
    return list(dict.fromkeys(found))


def gather(
    shape: Shape,
    output_root: Hash32,
    answers: Mapping[Wanted, bytes],
    next_of: Callable[[Known], list[Demand]] | None = None,
) -> Known:
    """What follows from a posted root and answers to whatever was demanded, in any order.

    `next_of`: which demands lead on from what is known; all that are missing if it is not given. The same
    bytes may stand at several places, and are demanded once: an answer counts wherever it is wanted.
    """
    known = Known.of_result(output_root, shape.depth)
    while fresh := [
        each for each in (next_of(known) if next_of else missing(shape, known)) if each.wanted in answers
    ]:
        for each in fresh:
            known = learn(known, each.wanted, each.spot, shape.depths, answers[each.wanted])
    return known


def tensors(shape: Shape, known: Known) -> Iterator[bytes]:
    """The raw bytes of all tensors that have any, item by item. InputError if a leaf is not known."""
    for item in range(shape.items if shape.filled else 0):
        for output in shape.filled:
            yield b"".join(_rows(shape.types[output], known, item, output))


def _rows(kind: TensorType, known: Known, item: int, output: int) -> Iterator[bytes]:
    per_row, width = leaves_per_row(kind), kind.columns * kind.dtype.width
    for row in range(kind.rows):
        parts = [known.leaves.get((item, output, row * per_row + at)) for at in range(per_row)]
        held = [part for part in parts if part is not None]
        if len(held) < per_row:
            raise InputError(f"not all leaves of output {output} of item {item} are known")
        # Behind the row's end a leaf is zero, or the result is wrong: a challenge's matter, not ours.
        yield b"".join(held)[:width].ljust(min(width, per_row * LEAF_BYTES), b"\0")
