"""What control messages cost, and what of them reaches the router."""

from libp2p.pubsub.pb import rpc_pb2

from protocol.net.gossip.control import MAX_BACK_OFF_S, MAX_IDS, cost, tame

HERE, THERE = "joined", "made up"
JOINED = {HERE, "other"}


def test_nothing_about_topics_that_are_not_joined_reaches_the_router() -> None:
    control = rpc_pb2.ControlMessage()
    for topic in (HERE, THERE, "x" * 100_000):
        control.graft.add(topicID=topic)
        control.prune.add(topicID=topic, backoff=5)
        control.ihave.add(topicID=topic, messageIDs=[b"id"])
    found = tame(control, JOINED)
    for kind in (found.graft, found.prune, found.ihave):
        assert [each.topicID for each in kind] == [HERE]
    assert not tame(control, ()).ByteSize()


def test_one_entry_for_each_topic_and_no_introductions() -> None:
    control = rpc_pb2.ControlMessage()
    introduced = [rpc_pb2.PeerInfo(peerID=b"somebody")]
    for number in range(300):
        control.graft.add(topicID=HERE)
        control.prune.add(topicID=HERE, backoff=2**63 + number, peers=introduced)
        control.idontwant.add(messageIDs=[b"%d" % number])
    found = tame(control, JOINED)
    assert (len(found.graft), len(found.prune), len(found.idontwant)) == (1, 1, 0)
    assert (found.prune[0].backoff, len(found.prune[0].peers)) == (MAX_BACK_OFF_S, 0)
    control = rpc_pb2.ControlMessage()
    control.prune.add(topicID=HERE, backoff=7)
    assert tame(control, JOINED).prune[0].backoff == 7


def test_ids_are_looked_at_once_and_not_without_end() -> None:
    control = rpc_pb2.ControlMessage()
    for number in range(4):
        control.iwant.add(messageIDs=[b"same"] * 5_000 + [b"%d %d" % (number, each) for each in range(50)])
        control.ihave.add(topicID=HERE, messageIDs=[b"%d %d" % (number, each) for each in range(50)])
    found = tame(control, JOINED)
    assert list(found.iwant[0].messageIDs)[:3] == [b"same", b"0 0", b"0 1"]
    for entry in (*found.iwant, *found.ihave):
        assert len(entry.messageIDs) == MAX_IDS == len(set(entry.messageIDs))


def test_entries_count_as_frames_and_ids_as_parts_of_one() -> None:
    control = rpc_pb2.ControlMessage()
    assert cost(control) == 0
    control.graft.add(topicID=HERE)
    control.prune.add(topicID=HERE)
    assert cost(control) == 2
    control.ihave.add(topicID=HERE, messageIDs=[b"id"] * 160)
    assert cost(control) == 3 + 10
    for _ in range(9_000):
        control.graft.add(topicID=THERE)
    assert cost(control) > 9_000
