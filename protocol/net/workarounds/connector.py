"""Whom to dial is `Dialer`'s decision alone.

Stock, a swarm dials every peer it ever heard of until it has a hundred connections (its watermarks
cannot be set to none), from addresses that anybody could have made up.
"""

from __future__ import annotations

import trio
from libp2p.network.auto_connector import AutoConnector


class IdleConnector(AutoConnector):
    """An automatic connector that never dials."""

    async def maybe_connect(self) -> None:
        """Do nothing."""

    async def run_background_task(self, nursery: trio.Nursery) -> None:
        """Start nothing."""
