"""How a lease is paid for: credits first, else tokens pulled with a permit or an allowance."""

from client_sdk.wallet import Wallet
from protocol.auction.money import Unit
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.pulling import pulling_calls
from protocol.messages import Bid
from protocol.types import InputError


def opening_calls(chain: Chain, wallet: Wallet, unit: Unit, bid: Bid, signature: bytes) -> list[Call]:
    """Return what to send to open `bid`, in order; the last call opens it.

    `InputError` if credits and balance together do not reach, with what is missing.
    """
    deposit, token = bid.deposit(), bid.token
    credits_ = chain.credits(token, wallet.client)
    if credits_ >= deposit:
        return [chain.escrow.open_lease(bid, signature)]
    balance = chain.token_balance(token, wallet.client)
    if balance < deposit:
        raise InputError(
            f"too little money: the lease takes {unit.show(deposit)}, this wallet has {unit.show(balance)} "
            f"and {unit.show(credits_)} credits",
            f"it needs {unit.show(deposit - balance)} more",
        )
    return pulling_calls(
        chain,
        None if wallet.contract else wallet.key,
        wallet.client,
        token=token,
        amount=deposit,
        pull=chain.escrow.open_lease_from_wallet(bid, signature),
        with_permit=lambda permit: chain.escrow.open_lease_with_permit(bid, signature, permit),
    )
