"""State of Disputes, typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.disputes import CONTRACT, DisputeCalls
from protocol.chain.fees import fee_now
from protocol.chain.node import Tag
from protocol.chain.reads import Reads
from protocol.dispute.bonds import BOND_BYTES, BOND_GAS, MOST_BOND
from protocol.dispute.names import Case
from protocol.dispute.records import Conviction, Game, Phase, Verdict
from protocol.messages import Bid
from protocol.types import Address, Blocks, Hash32, InputError, LeaseId, Wei

_BOND_FACTOR = 4
_GWEI = 10**9
_COIN_UNIT = 10**18


@dataclass(frozen=True, slots=True)
class GameView:
    """A game as the contract stores it: its word, and the hash of its position."""

    game: Game
    position: Hash32


@dataclass(frozen=True, slots=True)
class GameTerms:
    """What the deployment fixed for all games; spans in units of its clock."""

    move_clock: Blocks
    increment: Blocks
    claim_period: Blocks
    tip: Wei
    """Most that a repaid answer may pay above the base fee, per gas."""
    data_fee: Wei
    """Charged by the chain for a byte of calldata, beside gas."""
    coin_prices: tuple[Wei, ...]
    """Coin for 10^18 smallest units of each listed token."""


class DisputeReads(Reads):
    """Reads the games of one deployment. `InputError` if it has no Disputes."""

    @cached_property
    def disputes(self) -> DisputeCalls:
        """The calls of the deployment's Disputes."""
        address = self.deployment.disputes
        if address is None:
            raise InputError(
                f"deployment {self.deployment.name!r} of {self.network.name!r} has no Disputes",
                "only results on a deployment with one can be challenged",
            )
        return DisputeCalls(address)

    def game(self, game: Hash32) -> GameView:
        """Return one game; phase NONE if there is no such game."""
        return self.games_now([game])[0]

    def games_now(self, games: Sequence[Hash32], tag: Tag = "latest") -> tuple[GameView, ...]:
        """Return many games in one request, in order, as of block `tag`."""
        results = self.disputes.abi.results
        calls = [self._read("gameOf", game) for game in games]
        return tuple(self.node.views(calls, lambda each: _game_view(results("gameOf", each)[0]), tag))

    def verdict(self, lease: LeaseId, tag: Tag = "latest") -> Verdict:
        """Return how a lease's conviction stood in a block."""
        read = [self._read("verdictOf", lease)]
        return self.node.views(read, self._verdict_of, tag)[0]

    def verdicts(self, leases: Sequence[LeaseId]) -> tuple[Verdict, ...]:
        """Return how the convictions of many leases stand, in order; in few requests."""
        calls = [self._read("verdictOf", lease) for lease in leases]
        return tuple(self.node.views(calls, self._verdict_of))

    def trace_root(self, case: Case) -> Hash32:
        """Return the root of a case's trace; zero until it is posted, or once the lease is convicted."""
        words = (case.lease_id, case.job_hash, case.item, case.item_root)
        return Hash32(self._disputes("traceOf", words)[0])

    def coin(self, account: Address) -> Wei:
        """Return what lost games left to `account`, to be paid out by `WithdrawCoin`."""
        return Wei(self._disputes("coinOf", account)[0])

    @cached_property
    def game_terms(self) -> GameTerms:
        """What the deployment fixed for all games."""
        _, _, move_clock, increment, claim_period, tip, data_fee, prices = self._disputes("terms")[0]
        return GameTerms(
            Blocks(move_clock),
            Blocks(increment),
            Blocks(claim_period),
            Wei(tip),
            Wei(data_fee),
            tuple(map(Wei, prices)),
        )

    def worth(self, token: int, amount: int) -> Wei | None:
        """Return a sum of a token in coin, at the price that the deployment fixed; None without one."""
        price = self.game_terms.coin_prices[token] if self.deployment.disputes is not None else 0
        return Wei(amount * price // _COIN_UNIT) if price else None

    def least_bond(self, bid: Bid, items: int, base_fee: Wei) -> Wei:
        """Return the contract's `bondOf` in a block of that base fee, for a job of that many items.

        Whole gwei. Reckoned here, since many nodes answer an `eth_call` as if the base fee were zero.
        """
        terms = self.game_terms
        item = (bid.rate_per_block * bid.max_blocks + bid.completion_fee) // items
        gas, data = _BOND_FACTOR * BOND_GAS * base_fee, BOND_BYTES * terms.data_fee
        least = gas + data + item * terms.coin_prices[bid.token] // _COIN_UNIT
        return Wei(min(-(-least // _GWEI), MOST_BOND) * _GWEI)

    def bond(self, bid: Bid, items: int, most: Wei | None = None) -> Wei:
        """Return a bond that holds for a challenge sent now: up to the highest base fee that the transaction
        can be mined at. What is left of it comes back with the game's end, if it is won.

        `most`: what a unit of gas may cost the challenge, if not the network's limit. `TransientError` while
        the base fee is above that.

        A transaction that waits so long that a dearer one replaces it can be mined above that, and then
        fails with `Disputes_BondTooLow`.
        """
        return self.least_bond(bid, items, fee_now(self.node, self.network.fees, most).max_fee)

    def _read(self, function: str, *args: Any) -> Call:
        calls = self.disputes
        return Call(calls.address, calls.abi.call_data(function, *args), f"{CONTRACT}.{function}")

    def _verdict_of(self, answer: bytes) -> Verdict:
        [(how, *rest)] = self.disputes.abi.results("verdictOf", answer)
        return Verdict(Conviction(how), *rest)

    def _disputes(self, function: str, *args: Any) -> tuple[Any, ...]:
        return self.node.view(self._read(function, *args), partial(self.disputes.abi.results, function))


def _game_view(fields: tuple[Any, ...]) -> GameView:
    phase, *numbers, position = fields
    names = ("opened_at", "moved_at", "provider_left", "challenger_left", "bond", "path", "levels", "shown")
    values = dict(zip((*names, "chosen", "tag"), numbers, strict=True))
    return GameView(Game(Phase(phase), **values), Hash32(position))
