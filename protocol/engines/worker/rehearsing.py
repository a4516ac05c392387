"""Making a job's engines ready before it is accepted, without memory for values.

INVARIANT: a provider starts no job of which one of its engines, that which runs or that which keeps every
value for a trace, cannot be made ready. What fails after the start costs the penalty, and what fails in a
dispute the bond.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from protocol.dispute.trace import plan
from protocol.engines.worker.devices import rehearse
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.interface import Rehearsed
from protocol.tape import Tape
from protocol.types import Hash32
from protocol.types.errors import GavelError, InputError

log = logging.getLogger(__name__)


def rehearsed(tape: Tape, engines: Sequence[Rehearsed]) -> float:
    """The processor time that a process which has read a tape needs until it can trace an item, or run one.

    InputError if some engine, or the plan of its disputes, cannot be made ready.
    """
    longest = 0.0
    for each in dict.fromkeys(engines):
        if each.device != "cpu":
            _seconds(each.device, partial(rehearse, tape, each))  # processes to come find compiled code
        longest = max(longest, _seconds(each.device, partial(rehearse, tape, each)))
    return longest + _seconds("disputes", partial(plan, tape, [Hash32(bytes(32))], HASHER))


def _seconds(where: str, make: Callable[[], object]) -> float:
    began = time.process_time()
    try:
        make()
    except (GavelError, MemoryError):
        raise
    except Exception as fault:
        # Our own mistake, but the job's end: it fails again whenever it is tried.
        log.exception("a program cannot be planned")
        raise InputError(
            f"the program cannot be planned for {where}: {type(fault).__name__}: {fault}"
        ) from fault
    return time.process_time() - began
