"""What a provider must be able to do before it promises a result that can be challenged (RULES 13). Pure.

To answer at all it has to execute the challenged item again and hash every value, its trace, before a clock
ends. A result that cannot be defended is lost to whoever challenges it, right or wrong: such a job is
refused.
"""

from dataclasses import dataclass

from protocol.types import Blocks

SLOWEST = 240
"""How many times as long as estimated a processor takes for subnormal numbers (the hardware's doing)."""
TRACE_FACTOR = 6
"""Item times that a trace allowance covers (RULES 13)."""
TRACE_RATIO = 4
"""Item times that executing an item again and hashing its trace take (`make bench NAME=dispute`)."""
STARTUP_MS = 3_000
"""Before an item is executed again: a child is started, program and inputs are read."""
_READ_PER_MS = 400_000
"""Bytes that are read and hashed in a millisecond, where rows are not narrow."""
_ANSWERS = 2
"""To demands that may be due within a clock: one of strangers, and one of the client."""
AS_SLOW = 2
"""How many times as long as it was measured an item may take, where its trace may be made again often."""
RAN_FACTOR = 6
"""A trace clock is capped at this many times what the whole job took (RULES 13)."""


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to defend results with. `move_clock` and `increment` are the judge's."""

    move_clock: Blocks
    increment: Blocks
    block_ms: int
    memory_bytes: int
    disk_bytes: int
    device: str = ""
    """Where challenged items are executed; empty: where their job ran."""
    slow_inputs: bool = True
    """Whether to reckon with a client that puts the slowest numbers in."""
    at_once: int = 0
    """Runs that may be asked for at once, over all leases; 0: all that can be (`clocks.ALL`)."""
    jobs: int = 1
    """That may run beside audits."""
    audit_clock: Blocks | None = None
    """For a commitment in an audit, beside the allowance; None where there are no audits."""
    demand_clock: Blocks = Blocks(0)  # noqa: RUF009 - a number
    """For an answer to a demand; 0 where there are no demands."""
    answer_bytes: int = 0
    """Memory to answer games in, beside that to execute items; 0: any."""

    @property
    def clock_ms(self) -> int:
        """A move clock."""
        return self.move_clock * self.block_ms

    @property
    def increment_ms(self) -> int:
        """What each answer adds to a clock."""
        return self.increment * self.block_ms

    @property
    def shortest_ms(self) -> int:
        """The shortest time, allowances apart, in which a run may be due."""
        return min(self.move_clock, self.audit_clock or self.move_clock) * self.block_ms


@dataclass(frozen=True, slots=True)
class Burden:
    """What defending a job takes, by this machine's own measure of it."""

    items: int
    item_ms: int
    worst_item_ms: int
    """The slowest item that a client could have put in: subnormal numbers are slow."""
    trace_bytes: int
    """Memory that tracing an item takes."""
    value_bytes: int
    """All values of an item, and their roots: what its trace takes on disk."""
    hash_ms: int
    """To hash them and write them. Narrow rows take far longer than their bytes: each is a leaf."""
    output_hash_ms: int = 0
    """To hash the outputs alone."""
    answer_bytes: int = 0
    """Memory that answering games about an item takes, its trace on the disk."""


def trace_ms(item_ms: int, hash_ms: int = 0) -> int:
    """Return what the trace of an item is expected to take, the start of a child apart."""
    return max(TRACE_RATIO * item_ms, item_ms + hash_ms)


def reading_ms(count: int) -> int:
    """Return what reading so many bytes of program and inputs and making their roots takes."""
    return count // _READ_PER_MS


def worst_ms(item_ms: int, device: str, means: Means) -> int:
    """Return what an item on a device may take at worst. Only processors are slow with subnormal numbers."""
    return item_ms * SLOWEST if means.slow_inputs and device == "cpu" else item_ms


def offer_flaw(item_ms: int, worst_item_ms: int, memory_bytes: int, means: Means) -> str:
    """Return why a job could not be defended, by the client's figures; empty if it could."""
    if memory_bytes > means.memory_bytes:
        return f"defending an item takes {_mib(memory_bytes)} or more, there are {_mib(means.memory_bytes)}"
    needed = max(trace_ms(item_ms), worst_item_ms) + STARTUP_MS
    return _too_slow(needed, means.clock_ms + TRACE_FACTOR * item_ms)


def again_ms(run_ms: int, item_ms: int) -> int:
    """Return what making a trace again may take, `run_ms` if its item takes `item_ms` as measured.

    It may be made again for any answer, with no allowance: items may take `AS_SLOW` times as long.
    """
    return run_ms + (AS_SLOW - 1) * item_ms


def job_flaw(burden: Burden, allowance: Blocks, means: Means) -> str:
    """Return why a job could not be defended under a bid's allowance, as measured; empty if it could.

    Beside all others it has to be defended too (`protocol.auction.room`).
    """
    if burden.trace_bytes > means.memory_bytes:
        return (
            f"defending an item takes {_mib(burden.trace_bytes)}, there are {_mib(means.memory_bytes)} for it"
        )
    if means.answer_bytes and burden.answer_bytes > means.answer_bytes:
        return (
            f"answering for an item takes {_mib(burden.answer_bytes)},"
            f" there are {_mib(means.answer_bytes)} for it"
        )
    if burden.value_bytes > means.disk_bytes:
        return (
            f"an item's trace takes {_mib(burden.value_bytes)} on disk, it may take {_mib(means.disk_bytes)}"
        )
    once = trace_ms(burden.item_ms, burden.hash_ms)
    worst = burden.worst_item_ms + burden.hash_ms
    allowed = allowance * means.block_ms
    if once > allowed:
        return f"an item's trace takes about {once} ms, the bid allows {allowed} ms"
    # All items challenged at once: the clock of the last game is as long as this, and no longer.
    every = burden.items * once + STARTUP_MS
    longest = RAN_FACTOR * burden.items * burden.item_ms + means.clock_ms
    if every > longest:
        return f"the traces of all items take about {every} ms, the clock is {longest} ms"
    # An answer to a demand may have to hash all outputs of an item, and two may be due within a clock.
    answers, within = _ANSWERS * burden.output_hash_ms + STARTUP_MS, means.demand_clock * means.block_ms
    if within and answers > within:
        return (
            f"hashing the outputs of an item for two answers to demands takes about {answers} ms, "
            f"the clock is {within} ms"
        )
    return _too_slow(max(once, worst) + STARTUP_MS, means.clock_ms + allowed)


def easy_item_ms(allowance: Blocks, means: Means) -> int:
    """Return what an item may take so that any number of such ones can be defended under an allowance.

    Half of it is left for what a trace takes beyond the run.
    """
    return allowance * means.block_ms // 2


def run_flaw(over_ms: int, means: Means) -> str:
    """Return why the result of a run could not be defended; empty if it could.

    `over_ms` is by how much its items took longer than `easy_item_ms`, in all. A client that put slow numbers
    into many items would challenge just these: each game's clock has an allowance for its item, and all have
    one move clock for the rest.
    """
    if over_ms + STARTUP_MS <= means.clock_ms:
        return ""
    return (
        f"its items took {over_ms} ms longer than the bid's trace allowance expects, a move clock has only "
        f"{means.clock_ms} ms: were they all challenged, they could not be executed again in time"
    )


def _too_slow(needed: int, clock: int) -> str:
    if needed <= clock:
        return ""
    return f"an item cannot be executed again in time: that takes up to {needed} ms, the clock is {clock} ms"


def _mib(count: int) -> str:
    return f"{-(-count // (1 << 20))} MiB"
