"""Calls of Staking and of ERC-20 tokens, as values."""

from typing import Any

from protocol.chain.calls import Call
from protocol.chain.codec import Abi, encode_values
from protocol.chain.permits import Permit
from protocol.crypto import keccak256
from protocol.types import Address, Amount


class StakingCalls:
    """Builds calldata for one Staking contract. `token` is an index of the deployment's list."""

    def __init__(self, address: Address) -> None:
        self.address, self.abi = address, Abi.shipped("Staking")

    def _call(self, function: str, *args: Any) -> Call:
        return Call(self.address, self.abi.call_data(function, *args), f"Staking.{function}")

    def stake(self, token: int, amount: Amount, max_per_lease: Amount, max_locked: Amount) -> Call:
        """Stake the sender's tokens and set its caps; needs an allowance."""
        return self._call("stake", token, amount, max_per_lease, max_locked)

    def stake_with_permit(
        self, token: int, amount: Amount, max_per_lease: Amount, max_locked: Amount, permit: Permit
    ) -> Call:
        """Stake with a permit by the sender."""
        return self._call("stakeWithPermit", token, amount, max_per_lease, max_locked, permit.fields())

    def set_caps(self, token: int, max_per_lease: Amount, max_locked: Amount) -> Call:
        """Change the sender's caps."""
        return self._call("setCaps", token, max_per_lease, max_locked)

    def unbond(self, token: int, amount: Amount) -> Call:
        """Begin to take out stake that no lease locks."""
        return self._call("unbond", token, amount)

    def claim_unbonded(self, token: int, to: Address) -> Call:
        """Pay out the sender's unbonded stake once the delay is over."""
        return self._call("claimUnbonded", token, to)


class TokenCalls:
    """Builds calldata for one ERC-20."""

    def __init__(self, address: Address, symbol: str = "token") -> None:
        self.address, self.symbol = address, symbol

    def _call(self, signature: str, *args: Any) -> Call:
        name, _, kinds = signature.partition("(")
        data = keccak256(signature.encode())[:4] + encode_values(
            [k for k in kinds[:-1].split(",") if k], args
        )
        return Call(self.address, data, f"{self.symbol}.{name}")

    def approve(self, spender: Address, amount: Amount) -> Call:
        """Allow `spender` to pull up to `amount` of the sender's tokens."""
        return self._call("approve(address,uint256)", spender, amount)

    def transfer(self, to: Address, amount: Amount) -> Call:
        """Send tokens."""
        return self._call("transfer(address,uint256)", to, amount)

    def mint(self, to: Address, amount: Amount) -> Call:
        """Make tokens; the LocalToken of a local chain only."""
        return self._call("mint(address,uint256)", to, amount)

    def balance_of(self, account: Address) -> Call:
        """Read a balance."""
        return self._call("balanceOf(address)", account)

    def allowance(self, owner: Address, spender: Address) -> Call:
        """Read an allowance."""
        return self._call("allowance(address,address)", owner, spender)

    def nonces(self, owner: Address) -> Call:
        """Read the next permit nonce."""
        return self._call("nonces(address)", owner)

    def domain_separator(self) -> Call:
        """Read the EIP-712 domain separator that permits are signed under."""
        return self._call("DOMAIN_SEPARATOR()")

    def decimals(self) -> Call:
        """Read the number of decimals."""
        return self._call("decimals()")

    def name(self) -> Call:
        """Read the symbol."""
        return self._call("symbol()")
