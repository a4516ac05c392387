"""What gossip drops before any validator sees it, and what is told of it."""

import time

import pytest
import trio
import trio.testing
from libp2p.pubsub.pb import rpc_pb2

from protocol.net.gossip.admission import Admission, Refusal
from protocol.net.settings import GossipSettings

pytestmark = pytest.mark.trio


def aged(seconds: float) -> rpc_pb2.Message:
    """A message whose author says that it was sent so long ago."""
    sent = time.time_ns() - int(seconds * 1e9)
    return rpc_pb2.Message(from_id=b"somebody", seqno=sent.to_bytes(8, "big"), topicIDs=["offers"], data=b"x")


@pytest.mark.parametrize(("age", "said"), [(900, "900 s old"), (-900, "900 s ahead")])
async def test_what_is_dropped_for_its_time_is_told_now_and_then(
    age: int, said: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine whose clock is off hears nobody: it must not stay silent, nor fill its log."""
    admission = Admission(GossipSettings())
    for _ in range(3):
        assert admission.judge(aged(age)) is Refusal.STALE
    [told] = caplog.messages
    assert said in told
    await trio.sleep(601)
    assert admission.judge(aged(age)) is Refusal.STALE
    assert len(caplog.messages) == 2


async def test_a_message_of_now_is_told_nobody(caplog: pytest.LogCaptureFixture) -> None:
    assert Admission(GossipSettings()).judge(aged(0)) is not Refusal.STALE
    assert not caplog.messages
