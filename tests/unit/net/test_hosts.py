"""What counts as one host at a node's door."""

import pytest

from protocol.net.workarounds.hosts import host_of


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
