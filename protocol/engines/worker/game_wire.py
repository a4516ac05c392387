"""Cases, games, moves and what was shown, as bytes for the pipe between a daemon and its worker.

This module imports no numerical library: daemons use it.
"""

import msgspec

from protocol.dispute.moves import ChallengerMove, Claim, ProviderMove
from protocol.dispute.names import Case, Job
from protocol.dispute.records import Game, Place
from protocol.dispute.replay import View
from protocol.dispute.shown import Shown
from protocol.runtime.codec import Codec
from protocol.types import Hash32, InputError

MOVES: Codec[ChallengerMove | ProviderMove | Claim] = Codec(ChallengerMove | ProviderMove | Claim)
VIEWS: Codec[View] = Codec(View)
CASES: Codec[Case] = Codec(Case)
JOBS: Codec[Job] = Codec(Job)
WORDS: Codec[Game] = Codec(Game)
PLACES: Codec[Place] = Codec(Place)

_Flat = tuple[list[tuple[int, int, int, bytes]], list[tuple[int, int, bytes]]]


def write_shown(shown: Shown) -> bytes:
    """Return the bytes of what was shown."""
    hashes = [(*spot, node) for spot, node in shown.hashes.items()]
    leaves = [(*at, leaf) for at, leaf in shown.leaves.items()]
    return msgspec.msgpack.encode((hashes, leaves))


def read_shown(data: bytes) -> Shown:
    """Return what was shown; `InputError` for bytes that are none."""
    try:
        hashes, leaves = msgspec.msgpack.decode(data, type=_Flat)
    except msgspec.MsgspecError as error:
        raise InputError(f"what was shown cannot be read: {error}") from None
    found = {(tree, height, index): Hash32(node) for tree, height, index, node in hashes}
    return Shown(found, {(tree, index): leaf for tree, index, leaf in leaves})
