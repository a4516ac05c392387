"""Calls of the Escrow, as values. Who may call what, and when, is the matter of IEscrow.sol."""

from collections.abc import Sequence
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.codec import Abi
from protocol.chain.permits import Permit
from protocol.messages import Bid, Registration, Signed
from protocol.types import Address, Amount, Blocks, Hash32


class EscrowCalls:
    """Builds calldata for one Escrow. `token` is an index of the deployment's list."""

    def __init__(self, address: Address) -> None:
        self.address, self.abi = address, Abi.shipped("Escrow")

    def _call(self, function: str, *args: Any) -> Call:
        return Call(self.address, self.abi.call_data(function, *args), f"Escrow.{function}")

    def deposit(self, token: int, account: Address, amount: Amount) -> Call:
        """Buy credits for `account` with the sender's tokens; needs an allowance."""
        return self._call("deposit", token, account, amount)

    def deposit_with_permit(self, token: int, account: Address, amount: Amount, permit: Permit) -> Call:
        """Buy credits with a permit by the sender."""
        return self._call("depositWithPermit", token, account, amount, permit.fields())

    def withdraw_credits(self, token: int, to: Address, amount: Amount) -> Call:
        """Turn the sender's credits back into tokens."""
        return self._call("withdrawCredits", token, to, amount)

    def register(self, introduction: Signed[Registration]) -> Call:
        """Name the key that signed as the sender's operator, and publish what the provider has."""
        return self._call("register", introduction.message.operator, introduction.encode())

    def set_operator(self, operator: Address) -> Call:
        """Replace the sender's operator key at once; zero revokes it."""
        return self._call("setOperator", operator)

    def cancel_nonces(self, owner: Address, nonces: Sequence[int]) -> Call:
        """Give up capacity nonces."""
        return self._call("cancelNonces", owner, list(nonces))

    def open_lease(self, bid: Bid, signature: bytes) -> Call:
        """Open a lease with the client's credits."""
        return self._call("openLease", words(bid), signature)

    def open_lease_from_wallet(self, bid: Bid, signature: bytes) -> Call:
        """Open a lease with the client's tokens; needs an allowance for `bid.deposit()`."""
        return self._call("openLeaseFromWallet", words(bid), signature)

    def open_lease_with_permit(self, bid: Bid, signature: bytes, permit: Permit) -> Call:
        """Open a lease with the client's tokens and a permit."""
        return self._call("openLeaseWithPermit", words(bid), signature, permit.fields())

    def start(self, bid: Bid) -> Call:
        """Begin the stream (operator)."""
        return self._call("start", words(bid))

    def beat(self, owner: Address, bid_hashes: Sequence[Hash32]) -> Call:
        """Sign of life for many leases (operator); skips what it cannot serve."""
        return self._call("beat", owner, list(bid_hashes))

    def top_up(self, bid: Bid, blocks: Blocks) -> Call:
        """Fund more blocks with the sender's credits."""
        return self._call("topUp", words(bid), blocks)

    def top_up_from_wallet(self, bid: Bid, blocks: Blocks) -> Call:
        """Fund more blocks with the sender's tokens; needs an allowance."""
        return self._call("topUpFromWallet", words(bid), blocks)

    def withdraw(self, bids: Sequence[Bid]) -> Call:
        """Pay the owner what streamed and may leave now; all of one owner and token."""
        return self._call("withdraw", [words(bid) for bid in bids])

    def close_by_client(self, bid: Bid) -> Call:
        """End a lease as its client; on a running job it moves the result deadline to now + grace."""
        return self._call("closeByClient", words(bid))

    def close_by_provider(self, bid: Bid) -> Call:
        """End a lease as its owner or operator."""
        return self._call("closeByProvider", words(bid))

    def post_result(self, owner: Address, bid_hash: Hash32, output_root: Hash32) -> Call:
        """Post the result of a job, once (operator)."""
        return self._call("postResult", owner, bid_hash, output_root)

    def finalize(self, bid: Bid) -> Call:
        """Pay a posted result whose window is over and that no judge holds."""
        return self._call("finalize", words(bid))

    def expire(self, bid: Bid) -> Call:
        """End what ran over a deadline."""
        return self._call("expire", words(bid))


def words(bid: Bid) -> list[bytes]:
    """Return the packed bid as the six words that the contracts take."""
    packed = bid.packed()
    return [packed[i : i + 32] for i in range(0, len(packed), 32)]
