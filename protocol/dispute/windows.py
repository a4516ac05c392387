"""How long a challenge window must be for everything that can happen in it (RULES 14)."""

from dataclasses import dataclass

from protocol.dispute.audits.names import AuditClocks, span_of
from protocol.dispute.delivery.names import STEP
from protocol.dispute.delivery.prices import BIG_OUTPUT
from protocol.dispute.facts import depth_of
from protocol.types import Blocks

_ROOTS_ROUND = 1
_LEAVES_AT_ONCE = 1 << STEP
_NONE = Blocks(0)


@dataclass(frozen=True, slots=True)
class Judging:
    """Clocks of the judges of tapes behind one deployment; what is not there takes no time."""

    demand_clock: Blocks = _NONE
    audits: AuditClocks | None = None

    def least_window(self, lease: Blocks, allowance: Blocks, items: int, *, private: bool = False) -> Blocks:
        """Return the shortest window for a lease of this length.

        Lease length + (demand rounds + 1) x (demand clock + allowance) + one redrawn audit. The audit is the
        strangers', the longer one; a private lease cannot be audited.
        """
        window = lease
        if self.demand_clock:
            window = Blocks(window + (demand_rounds(items) + 1) * (self.demand_clock + allowance))
        if self.audits is not None and not private:
            window = Blocks(window + span_of(self.audits, allowance, by_client=False, redrawn=True))
        return window


def demand_rounds(items: int) -> int:
    """Return how many demands, one after the other, lead from the posted root to any leaf of the outputs.

    Of outputs that can be demanded at all: not more than `BIG_OUTPUT` leaves over all items.
    """
    to_items = -(-depth_of(items) // STEP)
    to_leaves = 1 if items * _LEAVES_AT_ONCE >= BIG_OUTPUT else 2
    return to_items + _ROOTS_ROUND + to_leaves
