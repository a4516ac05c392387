"""What one room of the daemon adds to the whole.

A room is a machine (or a few) with everything around it. The daemon knows no room by name: it wires them
all, loads the journal, lets them serve and run, and asks them what `status` and `drain` have to know. So a
new room is a file of its own and one line in `rooms.py`.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provider_node.control_server import Operations

if TYPE_CHECKING:
    from prometheus_client.core import Metric


def _nothing() -> None:
    """Do nothing."""


def _none() -> int:
    return 0


def _fine() -> str:
    return ""


@dataclass(frozen=True)
class Room:
    """Every hook is optional. They are called in the order in which they stand here."""

    wire: Callable[[], object] = _nothing
    """Registers machines and handlers, before the journal is loaded."""
    serve: Callable[[], object] = _nothing
    """Registers what peers may ask for; the states of all machines are known by now."""
    tasks: tuple[Callable[[], Awaitable[object]], ...] = ()
    """Run until cancelled; the daemon ends if one raises."""
    operations: Operations = field(default_factory=dict)
    """What commands may ask for over the control socket."""
    status: Callable[[], dict[str, Any]] = dict
    """Adds to the answer of `gavel provider status`; asks no chain."""
    metrics: "Callable[[], Iterable[Metric]]" = tuple
    """Adds to what Prometheus sees; asks no chain."""
    trouble: Callable[[], str] = _fine
    """Why it cannot do its duty now, for `/healthz`; empty if it can."""
    living: Callable[[], int] = _none
    """What is still to be brought to its end before a drained daemon may leave."""
