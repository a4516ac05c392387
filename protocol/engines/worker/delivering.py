"""Operations of delivery on demand: a provider's answers, and what a client's demands are made from."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from protocol.dispute.delivery import Kind, Spot, Wanted, answer
from protocol.engines.worker.delivery_records import (
    DeliverArgs,
    DeliverResult,
    DemandTermsArgs,
    DemandTermsResult,
)
from protocol.engines.worker.game_wire import JOBS
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.items import ItemFile, kept_roots, noted_roots
from protocol.engines.worker.traces import TRACES
from protocol.tape import TensorType
from protocol.tape.encoding import node_headers
from protocol.tape.roots import nodes_tree
from protocol.types import BrokenInvariant, Hash32, InputError


class KeptOutputs:
    """An item file as `protocol.dispute.delivery` reads outputs."""

    def __init__(self, path: Path, noted: Path | None = None) -> None:
        """`noted`: where the run left the items' roots."""
        self._file = ItemFile(path)
        self._noted = noted

    @property
    def types(self) -> Sequence[TensorType]:
        """The tensors of an item."""
        return self._file.items.types

    def item_roots(self) -> bytes:
        """The roots of all items, back to back."""
        noted = None if self._noted is None else noted_roots(self._noted, len(self._file))
        return noted or kept_roots(self._file.path)

    def tensor(self, item: int, output: int) -> memoryview:
        """The raw bytes of one tensor."""
        return self._file.tensor(item, output)

    def check(self, spot: Spot) -> None:
        """InputError if there is no such item or output."""
        if not (spot.item < len(self._file) and spot.output < len(self.types)):
            raise InputError(f"the outputs have no output {spot.output} of item {spot.item}")


def deliver(args: DeliverArgs) -> DeliverResult:
    """The answer to a demand."""
    wanted = Wanted(Kind(args.kind), Hash32(args.node), args.size)
    spot = Spot(args.item, args.output, args.index, args.levels)
    outputs = KeptOutputs(Path(args.output_path))
    outputs.check(spot)
    if args.noted_path and wanted.kind is Kind.ITEMS:
        with suppress(BrokenInvariant):
            noted = KeptOutputs(Path(args.output_path), Path(args.noted_path))
            return DeliverResult(answer(noted, wanted, spot, HASHER))
    try:
        return DeliverResult(answer(outputs, wanted, spot, HASHER))
    except BrokenInvariant as fault:
        # This request's fault, or the file's: the worker has others to serve.
        raise InputError(fault.message) from fault


def demand_terms(args: DemandTermsArgs) -> DemandTermsResult:
    """What demands are made from."""
    planned = TRACES.job(args.program_path, args.input_path)
    tape = planned.program.tape
    first, tree = len(tape.nodes) - tape.outputs, nodes_tree(tape)
    return DemandTermsResult(
        JOBS.encode(planned.plan.job),
        tuple((int(kind.dtype), tuple(kind.shape)) for kind in tape.output_types),
        tuple(
            (header, tuple(map(bytes, tree.proof(first + number))))
            for number, header in enumerate(node_headers(tape)[first:])
        ),
    )
