"""What counts as one host at a node's door."""

from typing import Any

import pytest

from protocol.net.workarounds.hosts import host_of, site_of
from protocol.net.workarounds.inbound import InboundDoor

NOTHING: Any = None


@pytest.mark.parametrize(
    ("ip", "host"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_host_has_one_ipv4_address_or_a_64_of_ipv6_addresses(ip: str, host: str) -> None:
    assert host_of(ip) == host


@pytest.mark.parametrize(
    ("ip", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1:3::1", "2001:db8:1::/48"),
        ("2001:db8:2:3::1", "2001:db8:2::/48"),
        ("", ""),
    ],
)
def test_what_anybody_gets_for_nothing_is_one_site(ip: str, site: str) -> None:
    assert site_of(ip) == site


def test_which_handshake_of_the_busiest_sites_goes_is_chance() -> None:
    """The oldest would always be those that are far away."""
    gone = set[str]()
    for _ in range(100):
        door = InboundDoor(NOTHING, 9, 9, 9, NOTHING)
        door._shaking = {"a": "1", "b": "1", "far": "2", "c": "3", "d": "3"}  # type: ignore[dict-item]
        gone.add(str(door._one_too_many()))
    assert gone == {"a", "b", "c", "d"}
