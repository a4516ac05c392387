"""Python and Solidity agree on every digest of a bid.

The vectors in tests/vectors/bids.json are checked here against Python and by the Solidity tests against the
Escrow; random bids are put to the compiled Escrow itself.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi import decode, encode
from hypothesis import given, settings
from pyrevm import EVM, BlockEnv

from protocol.chain.abi import artifact
from protocol.crypto import address_of, keccak256, recover, sign_digest
from protocol.messages import Bid
from protocol.messages.bid import delegates_hash, job_hash
from protocol.messages.message import Domain, field_kinds
from tests.strategies.messages import bids

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "bids.json").read_text())


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _domain() -> Domain:
    return Domain(VECTORS["domain"]["chainId"], _bytes(VECTORS["domain"]["escrow"]))


def test_domain_separator() -> None:
    assert _domain().separator() == _bytes(VECTORS["domain"]["separator"])


@pytest.mark.parametrize("vector", VECTORS["bids"], ids=range(len(VECTORS["bids"])))
def test_bid(vector: dict[str, Any]) -> None:
    fields = {
        name: _bytes(text) if text.startswith("0x") else int(text) for name, text in vector["fields"].items()
    }
    bid = Bid(**fields)
    key = _bytes(VECTORS["operatorKey"])
    assert bid.packed() == _bytes(vector["packed"])
    assert Bid.from_packed(_bytes(vector["packed"])) == bid
    assert bid.struct_hash() == _bytes(vector["bidHash"])
    assert bid.lease_id() == _bytes(vector["leaseId"])
    assert bid.digest(_domain()) == _bytes(vector["digest"])
    assert bid.deposit() == int(vector["deposit"])
    assert sign_digest(key, bid.digest(_domain())) == _bytes(vector["signature"])
    assert recover(bid.digest(_domain()), _bytes(vector["signature"])) == address_of(key)
    assert address_of(key) == _bytes(VECTORS["operator"])


def test_jobs_and_delegates() -> None:
    for job in VECTORS["jobs"]:
        roots = _bytes(job["programRoot"]), _bytes(job["inputRoot"])
        assert job_hash(*roots, job["itemCount"]) == _bytes(job["jobHash"])
    for each in VECTORS["delegates"]:
        packed = _bytes(each["packed"])
        members = frozenset(packed[i : i + 20] for i in range(0, len(packed), 20))
        assert delegates_hash(members) == _bytes(each["hash"])


class Deployed:
    """The shipped Escrow inside an EVM in this process; only its views are asked."""

    def __init__(self) -> None:
        self.sender = "0x" + "11" * 20
        self.evm = EVM()
        self.evm.set_block_env(BlockEnv(number=100))
        name = encode(["string", "string", "uint8"], ["T", "T", 18])
        token = self.evm.deploy(self.sender, artifact("LocalToken").bytecode + name)
        terms = ([(token, 1, 0, 0)], [], 1, "0x" + "00" * 20, 2, 100, 10, 1_000)
        kinds = "((address,uint96,uint96,uint16)[],address[],uint8,address,uint16,uint32,uint32,uint32)"
        self.address = self.evm.deploy(self.sender, artifact("Escrow").bytecode + encode([kinds], [terms]))
        separator = bytes(self._view("DOMAIN_SEPARATOR()", b""))
        self.domain = next(d for d in (self._domain(1), self._domain(31337)) if d.separator() == separator)

    def _domain(self, chain_id: int) -> Domain:
        return Domain(chain_id, _bytes(self.address))

    def _view(self, signature: str, args: bytes) -> bytes:
        call = keccak256(signature.encode())[:4] + args
        return bytes(self.evm.message_call(self.sender, self.address, calldata=call))

    def word(self, name: str, bid: Bid) -> bytes:
        """Return what a view of one packed bid says, its first word."""
        return self._view(f"{name}(bytes32[6])", bid.packed())[:32]

    def decoded(self, bid: Bid) -> tuple[Any, ...]:
        """Return the fields as the contract reads them."""
        kinds = [kind.name for _, kind in field_kinds(Bid)]
        return decode(kinds, self._view("decodeBid(bytes32[6])", bid.packed()))


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed()


@settings(max_examples=300, deadline=None)
@given(bid=bids())
def test_random_bids_on_the_compiled_escrow(deployed: Deployed, bid: Bid) -> None:
    assert deployed.word("bidHash", bid) == bid.struct_hash()
    assert deployed.word("bidDigest", bid) == bid.digest(deployed.domain)
    assert int.from_bytes(deployed.word("depositOf", bid), "big") == bid.deposit()
    read = deployed.decoded(bid)
    for (name, kind), value in zip(field_kinds(Bid), read, strict=True):
        mine = getattr(bid, name)
        assert (_bytes(value) if kind.name == "address" else value) == mine, name
