"""What `/healthz` says: where the daemon is while it starts, then how its parts are."""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.runtime.metrics import Health
from provider_node.parts import Parts


@dataclass
class Starting:
    """Health while the daemon starts, then that of its parts."""

    part: str = "starting"
    parts: Callable[[], Health] | None = None

    def __call__(self) -> Health:
        """Return the health of now."""
        return self.parts() if self.parts else Health(False, {"start": self.part})


def health_of(parts: Parts) -> Health:
    """Return how a running daemon is."""
    trouble = parts.watcher.trouble
    rooms = "; ".join(filter(None, (room.trouble() for room in parts.rooms)))
    return Health(
        ok=not (trouble or rooms or parts.loop.trouble),
        parts={
            "chain": trouble or f"at {parts.watcher.height}",
            "journal": parts.loop.trouble or "ok",
            "duties": rooms or "ok",
            "net": f"{len(parts.node.peers())} peers",
            "leases": str(parts.living),
            "draining": str(parts.market.draining).lower(),
        },
    )
