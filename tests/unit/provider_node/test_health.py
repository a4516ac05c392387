"""What `/healthz` says of a provider that cannot do its duty."""

from types import SimpleNamespace
from typing import Any

from provider_node.health import health_of
from provider_node.room import Room


def test_a_room_that_cannot_do_its_duty_makes_the_daemon_unhealthy_and_says_why() -> None:
    parts: Any = SimpleNamespace(
        watcher=SimpleNamespace(trouble="", height=7),
        loop=SimpleNamespace(trouble=""),
        node=SimpleNamespace(peers=lambda: ()),
        market=SimpleNamespace(draining=False),
        living=lambda: 0,
        rooms=(Room(), Room(trouble=lambda: "")),
    )
    assert health_of(parts).ok
    parts.rooms = (Room(), Room(trouble=lambda: "its operator key is a contract"))
    found = health_of(parts)
    assert not found.ok
    assert found.parts["duties"] == "its operator key is a contract"
    assert found.parts["journal"] == "ok"
    parts.rooms, parts.loop.trouble = (), "the journal cannot be written"
    found = health_of(parts)
    assert not found.ok
    assert found.parts["journal"] == "the journal cannot be written"
