"""A client's journal of the version before is read, and what it could not know yet has its old meaning."""

from typing import Any

import msgspec

from client_sdk.machines import AUCTION_MACHINE
from protocol.auction.auction import Proposed
from protocol.auction.scoring import rank
from protocol.runtime.kinds import Kind
from tests.unit.auction.answers import WISH, entry, market, standing


def test_a_ranking_of_the_version_before_is_read() -> None:
    state = Proposed(WISH, rank((entry(1),), WISH, market(standing(1))), (), ())
    codec = Kind.of(AUCTION_MACHINE).states
    _, plain = msgspec.msgpack.decode(codec.encode(state), type=tuple[int, Any])
    assert codec.decode(msgspec.msgpack.encode([1, without_unread(plain)])) == state


def without_unread(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {name: without_unread(each) for name, each in plain.items() if name != "unread"}
    return [without_unread(each) for each in plain] if isinstance(plain, list) else plain
