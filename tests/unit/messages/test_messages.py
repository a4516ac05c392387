"""Every message has one encoding, one EIP-712 hash, and one signer."""

import dataclasses

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from protocol.crypto import address_of, keccak256
from protocol.messages import MESSAGES, Bid, Decline, Domain, Message, open_signed, sign, type_string
from protocol.messages.message import field_kinds
from protocol.types import Address, Hash32, InputError
from tests.strategies.messages import bids, raw_messages

KEY = bytes(31) + b"\7"
DOMAIN = Domain(31337, Address(b"\x11" * 20))
ANY = st.sampled_from(sorted(MESSAGES.values(), key=lambda c: c.TAG)).flatmap(raw_messages)


def typed_data(message: Message, domain: Domain) -> dict[str, object]:
    """The message as any EIP-712 wallet would be given it."""
    names = type_string(type(message)).partition("(")[2].rstrip(")").split(",")
    fields = [dict(zip(("type", "name"), pair.split(" "), strict=True)) for pair in names]
    values = [getattr(message, name) for name, _ in field_kinds(type(message))]
    kinds = [kind.name for _, kind in field_kinds(type(message))]
    shown = [
        "0x" + v.hex() if k == "address" else list(v) if k == "string[]" else v
        for v, k in zip(values, kinds, strict=True)
    ]
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            type(message).__name__: fields,
        },
        "primaryType": type(message).__name__,
        "domain": {
            "name": "Gavel",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.escrow.hex(),
        },
        "message": {f["name"]: v for f, v in zip(fields, shown, strict=True)},
    }


@given(ANY)
def test_digest_is_what_any_eip712_wallet_computes(message: Message) -> None:
    theirs = encode_typed_data(full_message=typed_data(message, DOMAIN))
    assert message.digest(DOMAIN) == keccak256(b"\x19" + theirs.version + theirs.header + theirs.body)


@given(bids())
def test_bid_survives_six_words(bid: Bid) -> None:
    assert len(bid.packed()) == 192
    assert Bid.from_packed(bid.packed()) == bid


@given(bids(), st.integers(0, 183), st.integers(1, 255))
def test_a_changed_byte_changes_the_bid_or_is_refused(bid: Bid, at: int, flip: int) -> None:
    words = bytearray(bid.packed())
    words[at] ^= flip
    try:
        other = Bid.from_packed(bytes(words))
    except InputError:
        return
    assert other != bid
    assert other.struct_hash() != bid.struct_hash()


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=300))
def test_junk_is_refused_or_has_this_one_encoding(tag: int, junk: bytes) -> None:
    try:
        message = MESSAGES[tag].decode(junk)
    except InputError:
        return
    assert message.encode() == junk


@given(bids())
def test_signature_names_its_signer_message_and_domain(bid: Bid) -> None:
    signed = sign(bid, DOMAIN, KEY)
    opened = open_signed(signed.encode(), Bid, DOMAIN)
    assert opened == signed
    assert opened.signer == address_of(KEY)
    elsewhere = open_signed(signed.encode(), Bid, dataclasses.replace(DOMAIN, chain_id=1))
    assert elsewhere.signer != address_of(KEY)


def test_envelope_refuses_other_types_versions_and_tails() -> None:
    decline = Decline(Hash32(bytes(32)), Address(bytes(20)), "no room")
    data = sign(decline, DOMAIN, KEY).encode()
    for bad in (data[:-1], b"\2" + data[1:], data[:1] + b"\x63" + data[2:], data + b"\0"):
        with pytest.raises(InputError):
            open_signed(bad, Decline, DOMAIN)
    with pytest.raises(InputError, match="expected a Bid"):
        open_signed(data, Bid, DOMAIN)


def test_too_long_a_message_is_refused_on_both_ways() -> None:
    with pytest.raises(InputError, match="at most"):
        Decline(Hash32(bytes(32)), Address(bytes(20)), "x" * 5000).encode()
    with pytest.raises(InputError, match="at most"):
        Decline.decode(bytes(5000))
