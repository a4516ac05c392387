"""Settings of one form: what is no address, multiaddr or device is said with file and field, at the start."""

import re

from protocol.types import InputError, parse_address


def address(text: str) -> str:
    """Return the text of an address; `ValueError` otherwise, as of all here."""
    try:
        parse_address(text)
    except InputError:
        raise ValueError("an address (0x and 40 hex digits; capital letters are a checksum)") from None
    return text


def address_or_wallet(text: str) -> str:
    """The same, or the name of a wallet; empty: neither."""
    return address(text) if text.startswith("0x") else text


def multiaddr(text: str) -> str:
    """Return the text of a multiaddr."""
    from multiaddr import Multiaddr  # not before one is set

    try:
        Multiaddr(text)
    except Exception:  # it raises what its parts do
        raise ValueError("a multiaddr, such as /ip4/0.0.0.0/tcp/4001") from None
    return text


def device(text: str) -> str:
    """Return the name of a device, there or not; empty where the default is no device either."""
    if text and not re.fullmatch(r"cpu|cuda:[0-9]{1,4}", text):
        raise ValueError("cpu, or cuda:0 and so on")
    return text
