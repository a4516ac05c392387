"""Hex and address text at the edge of the program; inside everything is bytes."""

from protocol.types.errors import InputError
from protocol.types.units import Address, Hash32


def to_hex(data: bytes) -> str:
    """Return `data` as lower-case hex with 0x."""
    return "0x" + data.hex()


def parse_bytes(text: str, length: int, what: str) -> bytes:
    """Return the `length` bytes that `text` spells in hex, with or without 0x; `InputError` names `what`."""
    digits = text.removeprefix("0x")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if len(data) != length or len(digits) != 2 * length:
        raise InputError(f"{what} is not {length} bytes of hex: {text[:80]!r}")
    return data


def parse_address(text: str, what: str = "address") -> Address:
    """Return the 20 bytes of an address in hex.

    `InputError` too where small and capital letters are mixed otherwise than `to_checksum` has them.
    """
    found = Address(parse_bytes(text, 20, what))
    digits = text.removeprefix("0x")
    plain = digits in (digits.lower(), digits.upper())
    if not plain and digits != to_checksum(found)[2:]:
        raise InputError(
            f"{what} has a wrong digit: its capital letters are not those of {text!r} (EIP-55)",
            "copy it again; in small letters alone nothing is checked",
        )
    return found


def to_checksum(address: bytes) -> str:
    """Return an address as people copy it: its capital letters tell a mistyped digit (EIP-55)."""
    from Crypto.Hash import keccak  # not before it is needed: most commands show no such address

    digits = address.hex()
    check = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    each = zip(digits, check, strict=False)
    return "0x" + "".join(digit.upper() if int(nibble, 16) > 7 else digit for digit, nibble in each)


def parse_hash(text: str, what: str = "hash") -> Hash32:
    """Return the 32 bytes of a digest in hex."""
    return Hash32(parse_bytes(text, 32, what))
