"""What a sender remembers of its transactions."""

from dataclasses import replace

from protocol.chain.calls import Call
from protocol.chain.sent import Sent, trimmed
from protocol.types import BlockNo

KEPT = 256


def sent(nonce: int, *, mined: bool) -> Sent:
    return Sent(nonce, Call(None, b"", "pay"), 21_000, "", (), BlockNo(0), mined)


def test_what_nobody_asks_about_any_more_is_forgotten_like_all_that_is_in_a_block() -> None:
    """A move that others made first is waited for by nobody: it stayed in the journal for ever."""
    some = {nonce: sent(nonce, mined=nonce % 2 == 0) for nonce in range(2 * KEPT + 1)}
    assert list(trimmed(some)) == list(range(KEPT + 1, 2 * KEPT + 1))
    assert trimmed(trimmed(some)) == trimmed(some)


def test_nothing_is_forgotten_that_may_not_be_in_a_block() -> None:
    """Whatever waits behind a lost nonce waits for ever."""
    waiting = {nonce: sent(nonce, mined=False) for nonce in range(2 * KEPT)}
    assert trimmed(waiting) == waiting
    first = waiting | {0: replace(waiting[0], mined=True)}
    assert trimmed(first) == first
