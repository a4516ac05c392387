"""Acting through a contract wallet: its session key sends, the contract calls; and who may sign for it."""

from protocol.chain.calls import Call
from protocol.chain.codec import encode_values
from protocol.chain.errors import Revert
from protocol.chain.node import Node
from protocol.chain.rpc import BUSY_CODES, RpcRefused
from protocol.crypto import keccak256
from protocol.types import Address, Hash32, InputError

_EXECUTE = keccak256(b"execute(address,uint256,bytes)")[:4]
_MOST_GAS = 1_000_000
_VALID = keccak256(b"isValidSignature(bytes32,bytes)")[:4]
"""Selector, and at once what ERC-1271 answers for a valid signature."""


def through(contract: Address, call: Call) -> Call:
    """Return what a session key of `contract` has to send so that the contract makes `call`.

    It goes through `execute(address,uint256,bytes)`, as ERC-4337's simple accounts have it.
    """
    if call.to is None:
        raise InputError("a contract wallet cannot deploy contracts through execute")
    body = encode_values(["address", "uint256", "bytes"], [call.to, call.value, call.data])
    return Call(contract, _EXECUTE + body, f"{call.what} through the wallet contract", spare=call.spare)


def signs_for(node: Node, contract: Address, digest: Hash32, signature: bytes) -> bool:
    """Ask a contract wallet whether a signature is its own (ERC-1271). False for what is no such contract.

    A stranger's contract runs on our node: it gets no more gas than wallets take, and may answer anything.
    """
    body = encode_values(["bytes32", "bytes"], [digest, signature])
    try:
        answer = node.call(Call(contract, _VALID + body, "isValidSignature"), gas=_MOST_GAS)
    except Revert:
        return False
    except RpcRefused as error:
        if error.code in BUSY_CODES:
            raise
        return False  # it ran out of gas, say
    return len(answer) == 32 and answer[:4] == _VALID
