"""Identities, topics, addresses: text and bytes at the edge."""

import anyio
import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID

from protocol.net import protocol_id, topic
from protocol.net.identity import address_of, key_pair, parse_peer_id
from protocol.net.node import split_addr
from protocol.net.resolve import concrete, needs_look_up, resolve
from protocol.types import Address, InputError

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@given(st.integers(1, ORDER - 1))
def test_the_peer_id_of_a_key_names_its_ethereum_address(secret: int) -> None:
    private = secret.to_bytes(32, "big")
    peer = ID.from_pubkey(key_pair(private).public_key)
    assert "0x" + address_of(peer).hex() == Account.from_key(private).address.lower()
    assert parse_peer_id(peer.to_base58()) == peer


@pytest.mark.parametrize("private", [b"", bytes(32), bytes(31), b"\xff" * 32])
def test_keys_that_are_none(private: bytes) -> None:
    with pytest.raises(InputError):
        key_pair(private)


def test_peers_without_an_ethereum_key_have_no_address() -> None:
    other = ID.from_pubkey(create_new_key_pair().public_key)
    with pytest.raises(InputError, match="secp256k1"):
        address_of(other)
    with pytest.raises(InputError):
        address_of(ID(b"junk"))
    with pytest.raises(InputError):
        parse_peer_id("0OIl")


def test_names_keep_deployments_apart() -> None:
    escrow = Address(bytes.fromhex("00112233445566778899aabbccddeeff00112233"))
    assert topic(31337, escrow, "offers") == (
        "gavel/1/31337/0x00112233445566778899aabbccddeeff00112233/offers"
    )
    assert protocol_id(1, escrow, "bid") == "/gavel/1/1/0x00112233445566778899aabbccddeeff00112233/bid"
    with pytest.raises(InputError):
        topic(0, escrow, "offers")
    with pytest.raises(InputError):
        topic(1, Address(b"short"), "offers")


def test_addresses_must_name_a_peer() -> None:
    peer = ID.from_pubkey(key_pair(bytes(31) + b"\x01").public_key).to_base58()
    assert split_addr(f"/ip4/127.0.0.1/tcp/1/p2p/{peer}") == (peer, "/ip4/127.0.0.1/tcp/1")
    relayed = f"/ip4/1.2.3.4/tcp/1/p2p/{peer}/p2p-circuit/p2p/{peer}"
    assert split_addr(relayed) == (peer, f"/ip4/1.2.3.4/tcp/1/p2p/{peer}/p2p-circuit")
    for bad in ("", "/ip4/127.0.0.1/tcp/1", f"/p2p/{peer}", "/ip4/999.0.0.1/tcp/1", "junk"):
        with pytest.raises(InputError):
            split_addr(bad)


def test_wildcards_become_this_machines_address() -> None:
    found = concrete("/ip4/0.0.0.0/tcp/4001/p2p/x")
    assert found.endswith("/tcp/4001/p2p/x")
    assert "0.0.0.0" not in found
    assert "::/" not in concrete("/ip6/::/tcp/1").removeprefix("/ip6/::1/")
    assert concrete("/ip4/10.0.0.1/tcp/1") == "/ip4/10.0.0.1/tcp/1"


@pytest.mark.trio
async def test_names_are_looked_up_as_the_system_does() -> None:
    threads = anyio.CapacityLimiter(1)
    found = await resolve("/dns4/localhost/tcp/4001", threads)
    assert [str(each) for each in found] == ["/ip4/127.0.0.1/tcp/4001"]
    assert [str(each) for each in await resolve("/ip4/1.2.3.4/tcp/1", threads)] == ["/ip4/1.2.3.4/tcp/1"]
    for unknown in ("/dns4/no-such-host.invalid/tcp/1", "/dnsaddr/localhost", "/unix/x"):
        with pytest.raises(OSError, match=r"."):
            await resolve(unknown, threads)


def test_only_what_starts_with_a_number_is_dialled_without_a_look_up() -> None:
    numbers = "/ip4/1.2.3.4/tcp/1", "/ip6/::1/tcp/1"
    names = "/dns/a/tcp/1", "/dns4/a/tcp/1", "/dns6/a/tcp/1", "/dnsaddr/a"
    assert not any(map(needs_look_up, numbers))
    assert all(map(needs_look_up, names))
