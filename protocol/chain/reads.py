"""State of Escrow, Staking and tokens, typed."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.codec import decode_values
from protocol.chain.errors import Revert
from protocol.chain.escrow import EscrowCalls, words
from protocol.chain.networks import Deployment, Network
from protocol.chain.node import Node, Tag
from protocol.chain.staking import StakingCalls, TokenCalls
from protocol.chain.views import LeaseMoney, LeaseState, LeaseView, Limits, Listing, StakeView
from protocol.messages import Bid, Domain
from protocol.types import (
    Address,
    Amount,
    BlockNo,
    Blocks,
    Hash32,
    InputError,
    LeaseId,
    Wei,
)

_LEASES_PER_CALL = 200


class Reads:
    """Reads one deployment. Every method raises `TransientError` while no node answers."""

    def __init__(self, node: Node, network: Network, deployment: Deployment) -> None:
        self.node, self.network, self.deployment = node, network, deployment
        self.domain = Domain(network.chain_id, deployment.escrow)
        self.escrow = EscrowCalls(deployment.escrow)
        self.staking = StakingCalls(deployment.staking)

    def clock(self, tag: Tag = "latest") -> BlockNo:
        """Return what the Escrow's clock reads in a block."""
        read = partial(_uint, what="Escrow.clock")
        return BlockNo(self.node.view(self._view("clock"), read, tag=tag, sure=True))

    def block_number(self) -> BlockNo:
        """Return the chain's newest block number."""
        return self.node.block_number()

    def balance(self, account: Address) -> Wei:
        """Return a balance of native coin."""
        return self.node.balance(account)

    def lease(self, lease: LeaseId, tag: Tag = "latest") -> LeaseView:
        """Return one lease as it stood in a block; state NONE if it was not opened by then."""

        def read(answer: bytes) -> LeaseView:
            return _lease_view(self.escrow.abi.results("leaseOf", answer)[0])

        return self.node.view(self._view("leaseOf", lease), read, tag=tag)

    def leases(self, leases: Sequence[LeaseId], tag: Tag = "latest") -> tuple[LeaseView, ...]:
        """Return many leases, in order, as they stood in a block."""
        views: list[LeaseView] = []
        for first in range(0, len(leases), _LEASES_PER_CALL):
            part = list(leases[first : first + _LEASES_PER_CALL])
            views += self._leases(part, tag)
        return tuple(views)

    def _leases(self, leases: list[LeaseId], tag: Tag) -> list[LeaseView]:
        def read(answer: bytes) -> list[LeaseView]:
            found = [_lease_view(fields) for fields in self.escrow.abi.results("leasesOf", answer)[0]]
            if len(found) != len(leases):
                raise ValueError(f"shows {len(found)} leases of {len(leases)}")
            return found

        return self.node.view(self._view("leasesOf", leases), read, tag=tag, sure=True)

    def money(self, bid: Bid) -> LeaseMoney:
        """Return what the sums of the lease of `bid` come to now."""
        return LeaseMoney(*map(Amount, self._escrow("moneyOf", words(bid))[0]))

    def result(self, lease: LeaseId) -> Hash32:
        """Return the posted output root, or zero."""
        return Hash32(self._escrow("resultOf", lease)[0])

    def credits(self, token: int, account: Address) -> Amount:
        """Return what `account` holds inside the Escrow."""
        return Amount(self._escrow("creditsOf", token, account)[0])

    def operator_of(self, owner: Address) -> Address:
        """Return the key that acts for `owner`, or zero."""
        return Address(self._escrow("operatorOf", owner)[0])

    def operators_of(self, owners: Sequence[Address]) -> list[Address]:
        """Return the keys that act for owners, in order, or zero."""
        calls = [
            Call(self.escrow.address, self.escrow.abi.call_data("operatorOf", each), "Escrow.operatorOf")
            for each in owners
        ]
        found = self.node.views(calls, partial(self.escrow.abi.results, "operatorOf"))
        return [Address(operator) for (operator,) in found]

    def nonce_used(self, owner: Address, nonce: int) -> bool:
        """Tell whether bids with this capacity nonce are void."""
        return bool(self._escrow("isNonceUsed", owner, nonce)[0])

    def nonces_used(self, owner: Address, nonces: Iterable[int]) -> frozenset[int]:
        """Return those of the nonces that are spent or cancelled; one read for each word that they lie in."""
        asked = frozenset(nonces)
        words_ = {word: self._escrow("nonceWord", owner, word)[0] for word in {each >> 8 for each in asked}}
        return frozenset(each for each in asked if words_[each >> 8] >> (each & 0xFF) & 1)

    def unused_nonce(self, owner: Address, first: int = 0) -> int:
        """Return the smallest unused capacity nonce from `first` on."""
        word, bit = divmod(first, 256)
        while True:
            used = self._escrow("nonceWord", owner, word)[0] | ((1 << bit) - 1)
            if used != (1 << 256) - 1:
                return int(word * 256 + (~used & (used + 1)).bit_length() - 1)
            word, bit = word + 1, 0

    def show_up(self, bid: Bid) -> tuple[Amount, Amount]:
        """Return what the client, and the provider, loses by closing `bid`'s lease before the start."""
        client, provider = self._escrow("showUpOf", words(bid))
        return Amount(client), Amount(provider)

    def listings(self) -> tuple[Listing, ...]:
        """Return the deployment's tokens with their reserves, in the order of `Bid.token`."""
        return tuple(
            Listing(Address(token), Amount(reserve), Amount(flat), bps)
            for token, reserve, flat, bps in self._escrow("tokens")[0]
        )

    def limits(self) -> Limits:
        """Return what the deployment fixed for every bid."""
        return Limits(
            Blocks(self._escrow("minGrace")[0]),
            Blocks(self._escrow("maxChallengeWindow")[0]),
            Blocks(self._staking("unbondingDelay")[0]),
        )

    def decimals(self, token: int) -> int | None:
        """Return the decimals that a listed token states; None if it states none."""
        try:
            return self._number(self.token(token).decimals())
        except (Revert, InputError):
            return None

    def domain_separator(self) -> Hash32:
        """Return the EIP-712 domain separator that the Escrow checks signatures under."""
        return Hash32(self._escrow("DOMAIN_SEPARATOR")[0])

    def escrow_of_staking(self) -> Address:
        """Return the Escrow that Staking obeys."""
        return Address(self._staking("escrow")[0])

    def kind_of(self, judge: Address) -> int:
        """Return the verification kind that `judge` has a seat for; 0 if it has none."""
        return int(self._escrow("kindOf", judge)[0])

    def is_judged(self, verification: int) -> bool:
        """Tell whether bids may ask for a verification kind; false for 0, which needs no judge."""
        return bool(self._escrow("isKindJudged", verification)[0])

    def burnt(self, token: int) -> tuple[Amount, Amount]:
        """Return what Escrow and Staking hold of a token that belongs to nobody."""
        return Amount(self._escrow("burntOf", token)[0]), Amount(self._staking("burntOf", token)[0])

    def stake(self, owner: Address, token: int) -> StakeView:
        """Return an owner's stake."""
        staked, locked, free, unbonding, release_at, per_lease, in_all = self._staking(
            "stakeOf", owner, token
        )[0]
        return StakeView(
            Amount(staked),
            Amount(locked),
            Amount(free),
            Amount(unbonding),
            BlockNo(release_at),
            Amount(per_lease),
            Amount(in_all),
        )

    def token(self, index: int) -> TokenCalls:
        """Return the calls of a listed token; `InputError` if the index names none."""
        tokens = self.deployment.tokens
        if not 0 <= index < len(tokens):
            raise InputError(f"token {index} does not exist, the deployment lists {len(tokens)}")
        return TokenCalls(tokens[index].address, tokens[index].symbol)

    def token_balance(self, token: int, account: Address) -> Amount:
        """Return what `account` holds of a listed token outside the Escrow."""
        return Amount(self._number(self.token(token).balance_of(account)))

    def holdings(self, token: int, accounts: Sequence[Address]) -> list[Amount]:
        """Return the largest deposits that accounts could open a lease with, in order.

        Credits or tokens: a lease is opened from one of them alone.
        """
        calls: list[Call] = []
        for account in accounts:
            data = self.escrow.abi.call_data("creditsOf", token, account)
            calls.append(Call(self.escrow.address, data, "Escrow.creditsOf"))
            calls.append(self.token(token).balance_of(account))
        found = self.node.views(calls, partial(_uint, what="holdings"), sure=False)  # others' contracts
        return [Amount(max(inside, outside)) for inside, outside in zip(found[::2], found[1::2], strict=True)]

    def allowance(self, token: int, owner: Address, spender: Address) -> Amount:
        """Return what `spender` may pull from `owner`."""
        return Amount(self._number(self.token(token).allowance(owner, spender)))

    def _number(self, call: Call) -> int:
        return self.node.view(call, partial(_uint, what=call.what))

    def _escrow(self, function: str, *args: Any, tag: Tag = "latest") -> tuple[Any, ...]:
        return self.node.view(
            self._view(function, *args), partial(self.escrow.abi.results, function), tag=tag
        )

    def _view(self, function: str, *args: Any) -> Call:
        return Call(self.escrow.address, self.escrow.abi.call_data(function, *args), f"Escrow.{function}")

    def _staking(self, function: str, *args: Any) -> tuple[Any, ...]:
        data = self.staking.abi.call_data(function, *args)
        call = Call(self.staking.address, data, f"Staking.{function}")
        return self.node.view(call, partial(self.staking.abi.results, function))


def _uint(answer: bytes, what: str) -> int:
    return int(decode_values(["uint256"], answer, what)[0])


def _lease_view(fields: tuple[Any, ...]) -> LeaseView:
    state, grace, opened, started, beat, deadline, paid, funded, withdrawn, gaps, freezes, root = fields
    return LeaseView(
        state=LeaseState(state),
        grace=Blocks(grace),
        opened_at=BlockNo(opened),
        started_at=BlockNo(started),
        last_beat=BlockNo(beat),
        deadline=BlockNo(deadline),
        paid_blocks=Blocks(paid),
        funded_blocks=Blocks(funded),
        withdrawn_blocks=Blocks(withdrawn),
        gaps=gaps,
        freezes=freezes,
        output_root=Hash32(root),
    )
