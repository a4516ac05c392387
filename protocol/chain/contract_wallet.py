"""Acting through a contract wallet: its session key sends, the contract calls."""

from protocol.chain.calls import Call
from protocol.chain.codec import encode_values
from protocol.crypto import keccak256
from protocol.types import Address, InputError

_EXECUTE = keccak256(b"execute(address,uint256,bytes)")[:4]


def through(contract: Address, call: Call) -> Call:
    """Return what a session key of `contract` has to send so that the contract makes `call`.

    It goes through `execute(address,uint256,bytes)`, as ERC-4337's simple accounts have it.
    """
    if call.to is None:
        raise InputError("a contract wallet cannot deploy contracts through execute")
    body = encode_values(["address", "uint256", "bytes"], [call.to, call.value, call.data])
    return Call(contract, _EXECUTE + body, f"{call.what} through the wallet contract", spare=call.spare)
