"""Who has what, before and after; and the proof that nothing appeared or vanished."""

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.chain.client import Chain
from protocol.types import Address, Amount, Wei
from scripts.demo.processes import DemoError

TOKEN = 0


@dataclass(frozen=True)
class Holding:
    """What one party has: of the token in wallets, as credits and as stake; and native coin."""

    wallet: Amount
    credits: Amount
    stake: Amount
    coin: Wei

    @property
    def tokens(self) -> int:
        """All of its tokens."""
        return self.wallet + self.credits + self.stake


@dataclass(frozen=True)
class Ledger:
    """Every party's holdings and the burnt sums at one block."""

    block: int
    parties: Mapping[str, Holding]
    burnt: int

    @property
    def tokens(self) -> int:
        """All tokens there are, burnt ones included."""
        return self.burnt + sum(holding.tokens for holding in self.parties.values())

    @property
    def coin(self) -> int:
        """All coin of all parties."""
        return sum(holding.coin for holding in self.parties.values())


def take(chain: Chain, parties: Mapping[str, tuple[Address, ...]]) -> Ledger:
    """Return what the parties, each with its addresses, have now."""
    return Ledger(
        chain.block_number(),
        {name: _holding(chain, addresses) for name, addresses in parties.items()},
        sum(chain.burnt(TOKEN)),
    )


def _holding(chain: Chain, addresses: tuple[Address, ...]) -> Holding:
    stakes = [chain.stake(address, TOKEN) for address in addresses]
    return Holding(
        Amount(sum(chain.token_balance(TOKEN, address) for address in addresses)),
        Amount(sum(chain.credits(TOKEN, address) for address in addresses)),
        Amount(sum(stake.staked + stake.unbonding for stake in stakes)),
        Wei(sum(chain.balance(address) for address in addresses)),
    )


def gas_paid(chain: Chain, first: int, last: int) -> dict[Address, tuple[int, Wei]]:
    """Return transactions sent and gas paid per sender in blocks first..last, from their receipts."""
    paid: dict[Address, tuple[int, Wei]] = {}
    for number in range(first, last + 1):
        for receipt in chain.node.rpc.call("eth_getBlockReceipts", hex(number)) or ():
            sender = Address(bytes.fromhex(receipt["from"][2:]))
            count, wei = paid.get(sender, (0, Wei(0)))
            cost = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            paid[sender] = (count + 1, Wei(wei + cost))
    return paid


def check(before: Ledger, after: Ledger, gas: Wei) -> None:
    """Raise `DemoError` unless both books balance to the last unit."""
    if before.tokens != after.tokens:
        raise DemoError(f"tokens do not add up: {before.tokens} before, {after.tokens} after")
    if before.coin - after.coin != gas:
        raise DemoError(f"coin does not add up: {before.coin - after.coin} gone, {gas} paid for gas")
