"""The key that answers and the coin that it pays with: warn if either fails. Takes what lost games left."""

import logging
from dataclasses import dataclass

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.fees import DearGasError, fee_now
from protocol.dispute.bonds import BOND_BYTES, BOND_GAS
from protocol.dispute.defence import ENDED
from protocol.dispute.moves import WithdrawCoin
from protocol.dispute.purse import COIN
from protocol.runtime.loop import Loop
from protocol.types import Address, GavelError, Wei
from provider_node.defence.scout import KIND
from provider_node.plain import ADVICE, code_of
from provider_node.sending import Sending

log = logging.getLogger(__name__)

_EVERY_S = 30.0
_GAMES_AHEAD = 2
"""Long games that the wallet should always be able to answer, beside those that are open."""
_LEASE_GAS, _LEASE_BYTES = 500_000, 6_000
"""Where no games are: a lease's start, result and some heartbeats, with room."""
_WITHDRAW_GAS = 60_000
_WORTH = 10
"""Coin is withdrawn once it is this many times what that costs."""


@dataclass
class Purse:
    """Looks at the operator's key and coin, and at the owner's coin in Disputes, while `run` runs."""

    chain: AsyncChain
    loop: Loop
    sending: Sending
    operator: Address
    owner: Address
    held: Wei = Wei(0)  # noqa: RUF009 - a number
    needed: Wei = Wei(0)  # noqa: RUF009
    won: Wei = Wei(0)  # noqa: RUF009
    dear: str = ""
    """Why nothing that can wait is sent now; empty while gas costs no more than the operator pays."""
    code: str = ""
    """What code the operator's key carries, in words; empty while it is a plain key."""

    @property
    def key_trouble(self) -> str:
        """Why nothing can be answered, however much coin there is; empty if it can."""
        return f"its operator key {self.code}, and can answer nothing" if self.code else ""

    @property
    def unable(self) -> str:
        """Why a result that is yet to come could not be posted, or not be defended; empty if it could."""
        lacks = f"its gas may cost {COIN.about(self.needed)}, its operator holds {COIN.about(self.held)}"
        return self.key_trouble or self.dear or (lacks if self.low else "")

    @property
    def low(self) -> bool:
        """Whether the wallet could not answer all that may be asked."""
        return self.held < self.needed

    @property
    def _has_games(self) -> bool:
        return self.chain.blocking.deployment.disputes is not None

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
            except GavelError as error:
                log.info("coin cannot be looked at: %s", error)
            await trio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Take the figures, warn if key or coin will not do, take what was won if that may be done here."""
        before = self.low
        if self._has_games:
            await self._look_at_key()
        games = sum(state.phase not in ENDED for state in self.loop.states(KIND).values())
        self.held, price, self.won, self.dear = await self.chain.run(_figures, self.operator, self.owner)
        self.needed = self._cost(games + _GAMES_AHEAD, price)
        if self.low and not before:
            log.warning(
                "the operator 0x%s has %d wei of coin; what is open and new leases may take %d: send it some",
                self.operator.hex(),
                self.held,
                self.needed,
            )
        # Only the owner can take it; where that is another key, `status` says so.
        if self.operator == self.owner and self.won > _WORTH * _WITHDRAW_GAS * price:
            log.info("taking %d wei that challengers lost", self.won)
            await self.sending.send(self.chain.blocking.disputes.move(WithdrawCoin(self.owner)))

    def _cost(self, games: int, price: int) -> Wei:
        """Of so many games' answers, or of a lease; with what a roll-up takes for their bytes."""
        each = (BOND_GAS, BOND_BYTES) if self._has_games else (_LEASE_GAS, _LEASE_BYTES)
        gas, size = (part * (games if self._has_games else 1) for part in each)
        return Wei(gas * price + size * self.chain.blocking.network.data_fee_wei_per_byte)

    async def _look_at_key(self) -> None:
        """A wallet may put code on a key that was plain when the daemon started."""
        code = await self.chain.run(code_of, self.operator)
        if code and code != self.code:
            log.error(
                "the operator 0x%s %s: the judges take no answers from an account with code. %s",
                self.operator.hex(),
                code,
                ADVICE,
            )
        elif self.code and not code:
            log.warning("the operator 0x%s is a plain key again", self.operator.hex())
        self.code = code


def _figures(chain: Chain, operator: Address, owner: Address) -> tuple[Wei, int, Wei, str]:
    fees, dear = chain.network.fees, ""
    try:
        price = fee_now(chain.node, fees).max_fee
    except DearGasError as error:
        price, dear = fees.maximum, error.message
    won = chain.coin(owner) if chain.deployment.disputes is not None else Wei(0)
    return chain.balance(operator), price, won, dear
