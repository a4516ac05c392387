"""What the chain says of bidders, read as late as it must be and as early as it can be."""

import logging
from dataclasses import dataclass, field

import trio

from protocol.auction.quotes import Market, Standing
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import ProviderHistory, Registered
from protocol.net import Node
from protocol.types import ZERO_ADDRESS, Address, Amount, GavelError, InputError, TransientError

log = logging.getLogger(__name__)

_FRESH_S = 60.0
RECENT_S = 0.5
"""Registrations are read no oftener than that, however many strangers answer."""
_MOVED_S = 2.0
"""A lost provider may have restarted elsewhere: its registration is read again, at most this often."""


@dataclass
class Bidders:
    """The providers of one deployment. What is known of registrations grows stale for a minute at most."""

    chain: AsyncChain
    owners: dict[Address, Registered] = field(default_factory=dict)
    """Who has an operator key now. The chain binds it to one owner's bids, and lets others name it too."""
    registered: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Where each operator says that it is; empty if it has not said."""
    _answered: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Where operators were registered when they last answered."""
    _histories: dict[Address, ProviderHistory] = field(default_factory=dict)
    _read_at: float = float("-inf")
    """When the newest reading began: what was registered later is not in it."""
    _reading: trio.Lock = field(default_factory=trio.Lock)

    async def refresh(self, max_age_s: float = _FRESH_S) -> None:
        """Read who is registered, unless that was done within the last minute, or `max_age_s`."""
        await self._read_since(trio.current_time() - max_age_s)

    async def catch_up(self) -> None:
        """Know everybody who is registered at the time of this call.

        A flood of callers shares its readings.
        """
        now = trio.current_time()
        await trio.sleep_until(self._read_at + RECENT_S)
        await self._read_since(now)

    async def _read_since(self, moment: float) -> None:
        async with self._reading:
            if self._read_at > moment:
                return
            began = trio.current_time()
            found = await self.chain.run(Chain.registrations)
            self.owners = {each.owner: each for each in found if each.operator != ZERO_ADDRESS}
            known: dict[Address, tuple[str, ...]] = {}
            for each in self.owners.values():
                known[each.operator] = each.addrs or known.get(each.operator, ())
            self.registered = known
            self._read_at = began

    def speaks_for(self, operator: Address, owner: Address) -> bool:
        """Tell whether an operator's signature binds this owner."""
        known = self.owners.get(owner)
        return known is not None and known.operator == operator

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
        return self.registered.get(operator, ())

    async def locate(self, node: Node, operator: Address, max_age_s: float = _FRESH_S) -> None:
        """Tell `node` where an operator is, from a reading no older than `max_age_s`.

        The addresses replace what was known, so that the next dial goes to the newest.
        """
        try:
            await self.refresh(max_age_s)
        except TransientError as error:
            log.debug("no newer registrations: %s", error)  # where it was is the best guess then
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
        if owner in self._histories:
            return
        try:
            self._histories[owner] = await self.chain.run(Chain.history, owner)
        except GavelError:
            return  # it will be read, and complained about, when it is needed

    def forget_histories(self) -> None:
        """Read histories afresh from the next auction on."""
        self._histories.clear()

    async def market(self, token: int, bids: tuple[tuple[Address, int], ...]) -> Market:
        """Return the standing of all these owners, and which of their nonces are spent."""
        height = await self.chain.run(Chain.clock)
        nonces: dict[Address, list[int]] = {}
        for owner, nonce in bids:
            nonces.setdefault(owner, []).append(nonce)
        found: dict[Address, Standing] = {}

        async def read(owner: Address, asked: list[int]) -> None:
            found[owner] = await self._standing(token, owner, asked)

        async with trio.open_nursery() as nursery:
            for owner, asked in nonces.items():
                nursery.start_soon(read, owner, asked)
        return Market(height, tuple(found[owner] for owner in sorted(found)))

    async def _standing(self, token: int, owner: Address, nonces: list[int]) -> Standing:
        if owner not in self._histories:
            self._histories[owner] = await self.chain.run(Chain.history, owner)
        history = self._histories[owner]
        return await self.chain.run(_read_standing, token, owner, tuple(nonces), history)


def _read_standing(
    chain: Chain, token: int, owner: Address, nonces: tuple[int, ...], history: ProviderHistory
) -> Standing:
    stake = chain.stake(owner, token)
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
    )
