"""What the worker can be asked about one item in dispute: records as in `interface`.

Each of these operations but `job_terms` first executes the item and keeps every value, unless it has kept
them from an earlier call. Those that take a `trace_path` read the trace that `build_trace` left there
instead, and never execute: TransientError if it is not there, or not what was written. Cases, views, moves
and what was shown cross the pipe as `game_wire` writes them.

This module imports no numerical library: daemons use it.
"""

from typing import ClassVar

import msgspec


class Item(msgspec.Struct, frozen=True):
    """Which item, and how it is executed. `time_limit` is in seconds of execution (0: none)."""

    program_path: str
    input_path: str
    item: int
    device: str = "cpu"
    threads: int = 1
    time_limit: float = 0.0


class JobTermsArgs(msgspec.Struct, frozen=True):
    """The job of a program over its inputs, taken apart as games name it. Executes nothing."""

    OP: ClassVar[str] = "job_terms"
    program_path: str
    input_path: str


class JobTermsResult(msgspec.Struct, frozen=True):
    """A `protocol.dispute.names.Job`, as `game_wire` writes it."""

    job: bytes


class BuildTraceArgs(msgspec.Struct, frozen=True):
    """Execute the item, hash every value, and write all of it to `trace_path`; nothing is kept in memory.

    InputError if the item's values do not fit in the worker's memory, TransientError past the time limit or
    without room on the disk.
    """

    OP: ClassVar[str] = "build_trace"
    item: Item
    trace_path: str


class OpenTraceArgs(msgspec.Struct, frozen=True):
    """Execute the item and hash every value. With `fresh`, what was kept of the item is dropped first.

    InputError if the item's values do not fit in the worker's memory, TransientError past the time limit.
    """

    OP: ClassVar[str] = "open_trace"
    item: Item
    fresh: bool = False
    trace_path: str = ""


class OpenTraceResult(msgspec.Struct, frozen=True):
    """The roots of one's own run."""

    trace_root: bytes
    item_root: bytes
    seconds: float
    """What this call took: next to nothing if the trace was kept."""
    memory: int
    """Bytes that a worker needs to make this trace and keep it."""


class AnswerArgs(msgspec.Struct, frozen=True):
    """The provider's forced answer to the game `view` of a case.

    InputError if the own run of the item does not have `trace_root` (empty: not posted yet) or the case's
    item root: then one of the two runs went wrong.
    """

    OP: ClassVar[str] = "answer"
    item: Item
    case: bytes
    view: bytes
    trace_root: bytes
    owner: bytes
    bid_hash: bytes
    operator: bytes
    trace_path: str = ""


class FindMoveArgs(msgspec.Struct, frozen=True):
    """Where a wallet contract's move, which no transaction shows, led the game from `view` to `word`.

    The result's move is None if it led nowhere in this item's trace.
    """

    OP: ClassVar[str] = "find_move"
    item: Item
    case: bytes
    view: bytes
    word: bytes
    trace_path: str = ""


class ChallengeMoveArgs(msgspec.Struct, frozen=True):
    """The challenger's next move in the game `view`, knowing what is handed over of all that was shown.

    `bid` is the lease's, packed; `output_path` the outputs that the provider posted, or their roots as in
    `VerifyArgs`.
    """

    OP: ClassVar[str] = "challenge_move"
    item: Item
    output_path: str
    bid: bytes
    case: bytes
    view: bytes
    shown: bytes


class SealOpeningArgs(msgspec.Struct, frozen=True):
    """The claim that opens one's seal at the convicted `place`; the result's move is it."""

    OP: ClassVar[str] = "seal_opening"
    item: Item
    case: bytes
    place: bytes
    salt: bytes


class AccuseArgs(msgspec.Struct, frozen=True):
    """What a challenge of the item needs, beside its seal: from one's own run, and the posted outputs.

    `output_path` as in `ChallengeMoveArgs`. Whoever made the outputs gives with `noted_path` the items' roots
    that the run noted (as in `DeliverArgs`), and the posted `output_root` that they are to lead to: hashing
    all outputs again may take as long as the run, and an audit does not wait for it. Other notes are passed
    over.

    InputError if then the outputs there are not those whose root was posted.
    """

    OP: ClassVar[str] = "accuse"
    item: Item
    output_path: str
    noted_path: str = ""
    output_root: bytes = b""


class AccuseResult(msgspec.Struct, frozen=True):
    """One's own run of an item beside the posted one. There is a game to win where they differ."""

    trace_root: bytes
    item_root: bytes
    posted_root: bytes
    """The item's root under the posted result."""
    proof: tuple[bytes, ...]
    """From there up to the posted result."""
    roots: tuple[bytes, ...]
    """Of the posted item's tensors."""
    end: tuple[bytes, ...]
    """Of one's own trace: the last inner node's root, and its siblings upwards; empty without inner nodes."""
    job: bytes
    """The job, taken apart."""
    memory: int
    """Bytes that a worker needs to make one's own trace and keep it."""

    @property
    def differs(self) -> bool:
        """Whether the posted item is wrong."""
        return self.item_root != self.posted_root


class MoveResult(msgspec.Struct, frozen=True):
    """A move; None if the game waits for none of this side."""

    move: bytes | None
    missed: tuple[tuple[int, int, int], ...] = ()
    """Spots looked at that were not handed over: if one was shown, the move is to be made again with it."""


DISPUTE_RESULTS: dict[str, type[msgspec.Struct]] = {
    "job_terms": JobTermsResult,
    "build_trace": OpenTraceResult,
    "open_trace": OpenTraceResult,
    "answer": MoveResult,
    "find_move": MoveResult,
    "challenge_move": MoveResult,
    "seal_opening": MoveResult,
    "accuse": AccuseResult,
}
"""Operation -> the record its reply holds; part of `interface.RESULTS`."""
