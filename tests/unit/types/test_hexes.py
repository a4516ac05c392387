"""Addresses as people copy them."""

import random

import pytest
from eth_utils.address import to_checksum_address

from protocol.types import Address, InputError, parse_address, to_checksum

# The examples of EIP-55.
MIXED = (
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


@pytest.mark.parametrize("text", MIXED)
def test_an_address_is_read_with_its_checksum_or_without_any(text: str) -> None:
    address = Address(bytes.fromhex(text[2:]))
    for each in (text, text[2:], text.lower(), text[2:].upper()):
        assert parse_address(each) == address
    assert to_checksum(address) == text


@pytest.mark.parametrize("text", MIXED)
def test_a_mistyped_digit_is_seen(text: str) -> None:
    """What is paid to it would be gone."""
    for at in range(2, 42):
        other = format((int(text[at], 16) + 1) % 16, "x")
        wrong = text[:at] + other + text[at + 1 :]
        with pytest.raises(InputError, match=r"--to has a wrong digit.*EIP-55") as caught:
            parse_address(wrong, "--to")
        assert "copy it again" in caught.value.advice


def test_checksums_are_the_librarys() -> None:
    draw = random.Random(7)
    for _ in range(200):
        address = draw.randbytes(20)
        assert to_checksum(address) == to_checksum_address(address)
