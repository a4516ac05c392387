"""Identify: answered, never asked, and no push of it taken.

Stock, each peer is asked who it is, and may say so again as often as it likes. Of that, 1 MiB at a time and
a thousand times, whatever stands where addresses do is kept for as long as the process lives, also when no
one can parse it: one free key pinned a gigabyte. Four strangers that say where this node is are believed.

Nothing here needs an answer: Noise proves who a peer is, registrations and offers say where it is, and what
it serves is asked when a stream opens.
"""

from __future__ import annotations

from typing import cast

from libp2p.abc import IHost
from libp2p.host.basic_host import BasicHost
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.peer.id import ID


def ask_nobody(host: IHost) -> None:
    """Have a host hear nothing of what peers say about themselves or about it."""
    basic = cast(BasicHost, host)
    basic.remove_stream_handler(ID_PUSH)
    basic._schedule_identify = _ask_nothing  # type: ignore[method-assign]


def _ask_nothing(peer_id: ID, *, reason: str) -> None:
    """Stand in for the library's question."""
