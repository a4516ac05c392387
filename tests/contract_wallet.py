"""A real contract wallet on a local chain: `SessionWallet.sol` of the contract tests, built on demand."""

import json
import subprocess
from pathlib import Path

from protocol.chain.calls import Call
from protocol.chain.codec import decode_values, encode_values
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.types import Address, Amount

ROOT = Path(__file__).parents[1]
VALID = bytes.fromhex("1626ba7e")
"""What ERC-1271 answers for a valid signature."""


def deploy_wallet(net: Localnet, session: Address, tokens: int, account: int = 0) -> Address:
    """Deploy a wallet of `account` with one session key, and give it tokens of the first kind."""
    build = [ROOT / "scripts/contracts", "forge", "build", "-q", "test/base/SessionWallet.sol"]
    subprocess.run(build, check=True, cwd=ROOT)
    built = json.loads((ROOT / "contracts/out/SessionWallet.sol/SessionWallet.json").read_text())
    code = bytes.fromhex(built["bytecode"]["object"].removeprefix("0x"))
    chain = net.chain(account)
    arguments = encode_values(["address", "address"], [chain.address, session])
    made = chain.send(Call(None, code + arguments, "deploy SessionWallet")).created
    assert made is not None
    net.chain(0).send(chain.token(0).mint(made, Amount(tokens)))
    return made


def set_session(wallet: Address, key: Address, allowed: bool) -> Call:
    """What the wallet's owner sends to name a session key, or to take its leave away."""
    data = keccak256(b"setSession(address,bool)")[:4] + encode_values(["address", "bool"], [key, allowed])
    return Call(wallet, data, "setSession")


def signs_for(net: Localnet, wallet: Address, digest: bytes, signature: bytes) -> bool:
    """Whether the wallet says that this signature is its own (ERC-1271)."""
    data = keccak256(b"isValidSignature(bytes32,bytes)")[:4]
    data += encode_values(["bytes32", "bytes"], [digest, signature])
    answer = net.chain().node.call(Call(wallet, data, "isValidSignature"))
    return bytes(decode_values(["bytes4"], answer, "isValidSignature")[0]) == VALID
