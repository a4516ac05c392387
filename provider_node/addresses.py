"""The addresses that others are told."""

import socket

_ANYWHERE = ("/ip4/0.0.0.0/", "/ip6/::/")
_FAR = "192.0.2.1"
"""An address of documentation (RFC 5737): no packet is sent to it."""


def told(addrs: tuple[str, ...]) -> tuple[str, ...]:
    """Return multiaddrs that somebody can dial: "every interface" becomes this machine's main address."""
    here = _main_address() if any(each.startswith(_ANYWHERE) for each in addrs) else ""
    found = []
    for each in addrs:
        if each.startswith(_ANYWHERE[0]) and here:
            found.append(f"/ip4/{here}/{each.removeprefix(_ANYWHERE[0])}")
        elif not each.startswith(_ANYWHERE):
            found.append(each)
    return tuple(found)


def _main_address() -> str:
    """Return the address that packets to the outside leave from, or "" without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_FAR, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
