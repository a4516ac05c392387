"""What the chain says of bidders, read as late as it must be and as early as it can be."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import SystemRandom

import trio

from protocol.auction.quotes import Market, Standing
from protocol.chain.async_chain import AsyncChain
from protocol.chain.batched import Batched
from protocol.chain.client import Chain
from protocol.chain.views import ProviderHistory, Registered
from protocol.net import Node
from protocol.types import (
    ZERO_ADDRESS,
    Address,
    Amount,
    BlockNo,
    Blocks,
    GavelError,
    InputError,
    TransientError,
)

log = logging.getLogger(__name__)
_RANDOM = SystemRandom()

_FRESH_S = 60.0
_PAUSE_S = 0.5
"""Between two looks while not all registrations have been read."""
_READ_S = 2.0
"""For so long one look reads logs: somebody may be waiting for it."""
_PART_S = 0.25
_SHORTEST_S, _LONGEST_S = 1.0, 5.0
"""For so long histories are read before bids are ranked; within that, a quarter of what bids are good for."""
_LATE_S = 1.0
"""A node that hangs is waited for no longer than that beyond it."""
_PER_READ = 90
"""Owners whose operators, or stakes, one request asks for."""
_WEIGHED_S = 600.0
"""A stake is read again after that long: it only tells whom to dial first."""
_MOVED_S = 2.0
"""A lost provider may have restarted elsewhere: its registration is read again, at most this often."""


@dataclass
class Bidders:
    """The providers of one deployment.

    Registrations are an address book that strangers can fill, and stall: whose signature binds an owner is
    asked of the contract.
    """

    chain: AsyncChain
    owners: dict[Address, Registered] = field(default_factory=dict)
    """The newest registration of each owner, as far as it was read."""
    registered: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Where each operator says that it is; empty if it has not said."""
    _told: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Where operators said in bids that they are."""
    _answered: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Where operators were registered when they last answered."""
    _histories: dict[Address, ProviderHistory] = field(default_factory=dict)
    _weights: dict[Address, tuple[float, int]] = field(default_factory=dict)
    """When each owner's stake was read, and how many of the smallest bonds it made."""
    _read_at: float = float("-inf")
    """When the newest reading began: what was registered later is not in it."""
    _reading: trio.Lock = field(default_factory=trio.Lock)

    def __post_init__(self) -> None:
        async def read(owners: tuple[Address, ...]) -> Sequence[Address]:
            return await self.chain.run(Chain.operators_of, owners)

        self._operators: Batched[Address, Address] = Batched(read, _PER_READ)
        # Apart: logs take long, and state must be read meanwhile.
        self._logs = AsyncChain(self.chain.blocking)

    async def refresh(self, max_age_s: float = _FRESH_S, seconds: float = _READ_S) -> None:
        """Read who is registered, unless that was done within `max_age_s`; for about `seconds` at most.

        What is known by then has to do: no flood of registrations, and no node, keeps a client waiting.
        """
        with trio.move_on_after(seconds + _LATE_S):
            await self._read_since(trio.current_time() - max_age_s, seconds)

    async def keep_reading(self) -> None:
        """Read on until all registrations are known: of an old deployment that takes a while."""
        while not self.chain.blocking.book.is_complete:
            await self.refresh(0)
            await trio.sleep(_PAUSE_S)

    async def _read_since(self, moment: float, seconds: float) -> None:
        async with self._reading:
            if self._read_at > moment:
                return
            began = trio.current_time()
            found = await self._logs.run(Chain.registrations, seconds)
            self.owners = {each.owner: each for each in found if each.operator != ZERO_ADDRESS}
            known: dict[Address, tuple[str, ...]] = {}
            for each in self.owners.values():
                known[each.operator] = each.addrs or known.get(each.operator, ())
            self.registered = known
            self._read_at = began

    async def weigh(self, seconds: float = _READ_S) -> None:
        """Read the stakes of owners that are registered, for `seconds` at most: those not read yet first.

        No error: what cannot be read keeps no client waiting.
        """
        before = trio.current_time() - _WEIGHED_S
        stale = [each for each in self.owners if self._weights.get(each, (before, 0))[0] <= before]
        stale.sort(key=lambda owner: (owner in self._weights, _RANDOM.random()))
        self._weights = {owner: known for owner, known in self._weights.items() if owner in self.owners}
        with trio.move_on_after(seconds), suppress(TransientError):
            for first in range(0, len(stale), _PER_READ):
                found = await self.chain.run(Chain.weights, stale[first : first + _PER_READ])
                now = trio.current_time()
                self._weights.update({owner: (now, weight) for owner, weight in found.items()})

    def by_stake(self) -> dict[Address, int]:
        """Return the stake behind each operator that says where it is, in the order in which to dial them.

        Whose owner has most at stake is likely to come first, by chance: others must be heard too. Whoever
        has nothing at stake comes last: a registration costs its gas alone.
        """
        weights: dict[Address, int] = {}
        for owner, each in self.owners.items():
            if self.registered.get(each.operator):
                weight = self._weights.get(owner, (0.0, 0))[1]
                weights[each.operator] = max(weights.get(each.operator, 0), weight)
        # Weighted sampling without replacement (Efraimidis and Spirakis, 2006).
        drawn = {each: _RANDOM.expovariate(weight or 1) for each, weight in weights.items()}
        return {each: weights[each] for each in sorted(weights, key=lambda it: (not weights[it], drawn[it]))}

    async def speaks_for(self, operator: Address, owner: Address) -> bool:
        """Tell whether an operator's signature binds this owner: the contract says, also to a flood."""
        try:
            return await self._operators.get(owner) == operator
        except TransientError:
            known = self.owners.get(owner)
            return known is not None and known.operator == operator

    def told(self, operator: Address, addrs: tuple[str, ...]) -> None:
        """Note where an operator says in its bid that it is: its registration may not have been read."""
        self._told[operator] = addrs

    def answered(self, operator: Address) -> None:
        """Note that an operator answers where it is registered now."""
        self._answered[operator] = self._addrs(operator)

    async def seek(self, node: Node, operator: Address) -> None:
        """Look for an operator that does not answer: it may have restarted elsewhere.

        A machine that lost its power closes no connection. So what still seems to be one is closed if the
        chain names other addresses than when the operator last answered; the next dial goes there.
        """
        await self.locate(node, operator, _MOVED_S)
        before, now = self._answered.get(operator), self._addrs(operator)
        if before not in (None, now) and node.is_connected(operator):
            log.info("0x%s has moved: its connection is closed", operator.hex())
            await node.disconnect(operator)
            await self.locate(node, operator)
            self.answered(operator)

    def _addrs(self, operator: Address) -> tuple[str, ...]:
        """Return where an operator says that it is."""
        return self.registered.get(operator, ()) or self._told.get(operator, ())

    async def meet(self, operator: Address, owner: Address) -> None:
        """Find out where an owner's operator is: its registration can be read by name where all cannot be."""
        await self.refresh()
        if not self._addrs(operator):
            with suppress(TransientError):
                found = await self._logs.run(Chain.registration_of, owner, _READ_S)
                if found is not None and found.operator == operator:
                    self.told(operator, found.addrs)

    async def locate(self, node: Node, operator: Address, max_age_s: float = _FRESH_S) -> None:
        """Tell `node` where an operator is, from a reading no older than `max_age_s`.

        The addresses replace what was known, so that the next dial goes to the newest.
        """
        await self.refresh(max_age_s)
        self.note(node, operator, self._addrs(operator))

    def note(self, node: Node, operator: Address, addrs: tuple[str, ...]) -> None:
        """Tell `node` where an operator is said to be, if anywhere."""
        try:
            if addrs:
                node.learn(operator, addrs)
        except InputError as error:
            log.info("registration of 0x%s: %s", operator.hex(), error)

    async def backing(self, owner: Address, token: int) -> Amount:
        """Return the largest bond that an owner's stake could cover now."""
        stake = await self.chain.run(Chain.stake, owner, token)
        return Amount(min(stake.free, stake.max_per_lease))

    async def warm(self, owner: Address) -> None:
        """Read an owner's history ahead: it is the slowest part of a standing."""
        await self._history(owner, _READ_S)

    def forget_histories(self) -> None:
        """Read histories afresh from the next auction on."""
        self._histories.clear()

    async def market(self, token: int, bids: tuple[tuple[Address, int], ...], expiry: BlockNo) -> Market:
        """Return the standing of all these owners, and which of their nonces are spent.

        An owner whose history cannot be read well before `expiry`, the first of the bids', keeps nobody
        waiting: it may have seen to that itself.
        """
        height = await self.chain.run(Chain.clock)
        left = self.chain.blocking.network.seconds(Blocks(max(expiry - height, 0)))
        seconds = min(max(left / 4, _SHORTEST_S), _LONGEST_S)
        nonces: dict[Address, list[int]] = {}
        for owner, nonce in bids:
            nonces.setdefault(owner, []).append(nonce)
        found: dict[Address, Standing] = {}

        async def read(owner: Address, asked: list[int]) -> None:
            history = await self._history(owner, seconds)
            found[owner] = await self.chain.run(_read_standing, token, owner, tuple(asked), history)

        async with trio.open_nursery() as nursery:
            for owner, asked in nonces.items():
                nursery.start_soon(read, owner, asked)
        return Market(height, tuple(found[owner] for owner in sorted(found)))

    async def _history(self, owner: Address, seconds: float) -> ProviderHistory | None:
        """Read a part at a time, in turn with others': long histories must not keep short ones from it."""
        with trio.move_on_after(seconds):
            while owner not in self._histories:
                try:
                    self._histories[owner] = await self._logs.run(Chain.history, owner, _PART_S)
                except GavelError as error:
                    log.debug("%s", error)
                    await trio.sleep(_PART_S / 10)
        return self._histories.get(owner)


def _read_standing(
    chain: Chain, token: int, owner: Address, nonces: tuple[int, ...], known: ProviderHistory | None
) -> Standing:
    stake, history = chain.stake(owner, token), known or ProviderHistory(*7 * (0,))
    return Standing(
        owner=owner,
        operator=chain.operator_of(owner),
        free=stake.free,
        lease_cap=stake.max_per_lease,
        staked=stake.staked,
        spent=frozenset(nonce for nonce in nonces if chain.nonce_used(owner, nonce)),
        finalized=history.finalized,
        failed=history.provider_closed + history.result_missed + history.convicted,
        start_missed=history.start_missed,
        cancelled=history.nonces_cancelled,
        unread=known is None,
    )
