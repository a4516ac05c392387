"""Which host is at the other end of a connection. Stock, an IPv6 address reads as none."""

from __future__ import annotations

import ipaddress

from libp2p.abc import IMuxedConn
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.trio import TrioTCPStream


def remote_address(stream: ReadWriteCloser) -> tuple[str, int] | None:
    """Return the other end's IP address and port; None if it is gone."""
    if not isinstance(stream, TrioTCPStream):
        return stream.get_remote_address()
    try:
        ip, port = stream.stream.socket.getpeername()[:2]
    except OSError:
        return None
    return str(ip), int(port)


def host_of(ip: str) -> str:
    """Return what counts as one host: an IPv4 address, or an IPv6 /64, of which a host has every address."""
    try:
        parsed = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def site_of(ip: str) -> str:
    """Return what shares places as one: an IPv4 address, or an IPv6 /48, which anybody gets for nothing."""
    host = host_of(ip)
    return str(ipaddress.ip_network(host).supernet(new_prefix=48)) if host.endswith("/64") else host


def ip_of_stream(stream: ReadWriteCloser) -> str:
    """Return the IP address at the other end of a byte stream, "" if it is gone."""
    found = remote_address(stream)
    return found[0] if found is not None else ""


def site_of_conn(conn: IMuxedConn) -> str:
    """Return the site at the other end of a connection: the relay's, for one that goes through a relay."""
    found = conn.get_remote_address()  # type: ignore[attr-defined]  # every kind of connection has it
    return site_of(found[0]) if found is not None else ""
