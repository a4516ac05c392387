"""A wallet's money in the contracts: credits bought with tokens and turned back into them, and coin paid out.

Blocking; used by commands.
"""

from dataclasses import dataclass

from protocol.auction.money import Unit
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.contract_wallet import through
from protocol.chain.pulling import pulling_calls
from protocol.dispute.moves import WithdrawCoin
from protocol.types import Address, Amount, InputError, Wei, to_hex


def token_named(chain: Chain, symbol: str | None) -> tuple[int, Unit]:
    """Return index and unit of a listed token, the first if none is named; `InputError` lists them."""
    tokens = chain.deployment.tokens
    symbols = [each.symbol for each in tokens]
    if symbol is not None and symbol not in symbols:
        raise InputError(f"token {symbol!r} is not listed by this deployment", f"it has {', '.join(symbols)}")
    index = 0 if symbol is None else symbols.index(symbol)
    return index, Unit(tokens[index].symbol, tokens[index].decimals)


def _require_some(amount: Amount, done: str) -> None:
    if amount <= 0:
        raise InputError(f"nothing would be {done}: the amount is 0", "name more than 0")


@dataclass(frozen=True)
class Holder:
    """Whose money it is: the address of `key`, or the contract wallet that `key` may act for."""

    chain: Chain
    key: bytes
    contract: Address | None = None

    @property
    def address(self) -> Address:
        """The account that holds tokens, credits and coin."""
        return self.contract or self.chain.address

    def buy(self, token: int, unit: Unit, amount: Amount) -> None:
        """Turn tokens into credits; `InputError` if the wallet has fewer."""
        _require_some(amount, "deposited")
        chain, held = self.chain, self.chain.token_balance(token, self.address)
        if amount > held:
            raise InputError(
                f"{to_hex(self.address)} has {unit.show(held)} outside the Escrow, not {unit.show(amount)}",
                "deposit less, or send it some",
            )
        escrow = chain.escrow
        for call in pulling_calls(
            chain,
            None if self.contract else self.key,
            self.address,
            token=token,
            amount=amount,
            pull=escrow.deposit(token, self.address, amount),
            with_permit=lambda permit: escrow.deposit_with_permit(token, self.address, amount, permit),
        ):
            self._send(call)

    def cash(self, token: int, unit: Unit, amount: Amount | None, to: Address | None = None) -> Amount:
        """Turn credits into tokens of `to`: `amount`, or all there are; return how much."""
        receiver = self._receiver(to)
        held = self.chain.credits(token, self.address)
        if amount is not None:
            _require_some(amount, "withdrawn")
        wanted = held if amount is None else amount
        if not held:
            raise InputError(
                f"{to_hex(self.address)} has {unit.show(held)} of credits in the Escrow: nothing to withdraw"
            )
        if wanted > held:
            raise InputError(
                f"{to_hex(self.address)} has {unit.show(held)} of credits in the Escrow, "
                f"not {unit.show(wanted)}",
                "withdraw less, or name no amount for all",
            )
        self._send(self.chain.escrow.withdraw_credits(token, receiver, wanted))
        return wanted

    def cash_coin(self, to: Address | None = None) -> Wei:
        """Pay out the coin that games left to this account: all of it, which is returned."""
        receiver = self._receiver(to)
        held = self.chain.coin(self.address)
        if not held:
            raise InputError(f"no game has left coin to {to_hex(self.address)}")
        self._send(self.chain.disputes.move(WithdrawCoin(receiver)))
        return held

    def _receiver(self, to: Address | None) -> Address:
        """Return who is paid; `InputError` for whom nobody could get it back from."""
        if to is None:
            return self.address
        advice = "name who is to have it, or nobody: then it is the wallet's own"
        if not any(to):
            raise InputError(f"{to_hex(to)} is nobody's address", advice)
        if any(to in each.contracts for each in self.chain.network.deployments):
            raise InputError(
                f"{to_hex(to)} is a contract of this deployment: what it is paid so is lost", advice
            )
        return to

    def _send(self, call: Call) -> None:
        self.chain.send(call if self.contract is None else through(self.contract, call))
