"""Whom to dial is `Dialer`'s decision alone.

Stock, a swarm dials every peer it ever heard of until it has a hundred connections (its watermarks
cannot be set to none), from addresses that anybody could have made up.
"""

from __future__ import annotations

import trio
from libp2p.network.auto_connector import AutoConnector
from libp2p.peer.id import ID


class IdleConnector(AutoConnector):
    """An automatic connector that never dials."""

    async def maybe_connect(self) -> None:
        """Do nothing."""

    async def run_background_task(self, nursery: trio.Nursery) -> None:
        """Start nothing."""

    def record_disconnect(self, peer_id: ID) -> None:
        """Remember nothing: stock, every peer that ever left stays in a table."""
