"""How the Escrow comes to pull tokens: by the allowance it has, else by a permit, else by a new allowance."""

from collections.abc import Callable

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.permits import Permit
from protocol.types import Address, Amount


def pulling_calls(
    chain: Chain,
    key: bytes | None,
    owner: Address,
    *,
    token: int,
    amount: Amount,
    pull: Call,
    with_permit: Callable[[Permit], Call],
) -> list[Call]:
    """Return what the owner sends, in order, so that `pull` takes `amount` from it; the last call pulls.

    `key` is the owner's own, None for a contract wallet: its signatures ERC-2612 does not know.
    """
    escrow = chain.escrow.address
    if chain.allowance(token, owner, escrow) >= amount:
        return [pull]
    if key is not None:
        try:
            permit = chain.permit(key, token, amount, escrow)
        except Revert:
            pass  # a token without ERC-2612
        else:
            return [with_permit(permit)]
    return [chain.token(token).approve(escrow, amount), pull]
