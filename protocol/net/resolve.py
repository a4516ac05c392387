"""Names and wildcards in multiaddrs, turned into addresses that can be dialled."""

from __future__ import annotations

import socket

import anyio
import anyio.to_thread
from multiaddr import Multiaddr

_NUMBERS = ("ip4", "ip6")
_FAMILIES = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}
_ANY = {"/ip4/0.0.0.0/": (socket.AF_INET, "192.0.2.1"), "/ip6/::/": (socket.AF_INET6, "2001:db8::1")}


async def resolve(addr: str, threads: anyio.CapacityLimiter) -> list[Multiaddr]:
    """Return the addresses that a /dns, /dns4 or /dns6 multiaddr stands for; numbers come back as they are.

    Uses the system's resolver, as stock libp2p does not, so that /etc/hosts counts. It keeps one of `threads`
    however soon the caller gives up: with a name server that says nothing for ten seconds and more.
    Raises OSError.
    """
    _, kind, *rest = addr.split("/")
    if kind in _NUMBERS:
        return [Multiaddr(addr)]
    if kind not in _FAMILIES or not rest:
        raise OSError(f"{addr} is neither an address nor a name")
    found = await anyio.to_thread.run_sync(
        socket.getaddrinfo,
        rest[0],
        None,
        _FAMILIES[kind],
        socket.SOCK_STREAM,
        limiter=threads,
        abandon_on_cancel=True,
    )
    hosts = dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found)
    tail = "/".join(rest[1:])
    return [Multiaddr(f"/{'ip6' if f == socket.AF_INET6 else 'ip4'}/{host}/{tail}") for f, host in hosts]


def needs_look_up(addr: str) -> bool:
    """Say whether a multiaddr starts with a name: anybody's name server says what it costs to dial it."""
    return not addr.startswith(tuple(f"/{kind}/" for kind in _NUMBERS))


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
