"""Names and wildcards in multiaddrs, turned into addresses that can be dialled."""

from __future__ import annotations

import socket

import trio
from multiaddr import Multiaddr

_FAMILIES = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}
_ANY = {"/ip4/0.0.0.0/": (socket.AF_INET, "192.0.2.1"), "/ip6/::/": (socket.AF_INET6, "2001:db8::1")}


async def resolve(addr: str) -> list[Multiaddr]:
    """Return the addresses that a /dns, /dns4 or /dns6 multiaddr stands for; others come back as they are.

    Uses the system's resolver, as stock libp2p does not, so that /etc/hosts counts. Raises OSError.
    """
    _, kind, *rest = addr.split("/")
    if kind not in _FAMILIES or not rest:
        return [Multiaddr(addr)]
    found = await trio.socket.getaddrinfo(rest[0], None, _FAMILIES[kind], socket.SOCK_STREAM)
    hosts = dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found)
    tail = "/".join(rest[1:])
    return [Multiaddr(f"/{'ip6' if f == socket.AF_INET6 else 'ip4'}/{host}/{tail}") for f, host in hosts]


def concrete(addr: str) -> str:
    """Return a listen address with its wildcard replaced by this machine's own address on its default route.

    No packet is sent. Without a route the loopback address is taken.
    """
    for prefix, (family, anywhere) in _ANY.items():
        if addr.startswith(prefix):
            kind = prefix.split("/")[1]
            return f"/{kind}/{_own_address(family, anywhere)}/{addr.removeprefix(prefix)}"
    return addr


def _own_address(family: socket.AddressFamily, anywhere: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((anywhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1" if family == socket.AF_INET else "::1"
