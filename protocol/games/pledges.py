"""What of a wallet's coin is pledged to the games of audits that it has committed to.

A true accusation that cannot be played burns half of an auditor's stake. So whatever else the wallet pays
bonds for leaves alone what these games may take. That is read off the chain: it is the same after a restart,
and for every process that shares the wallet. Beside it stands what this process is about to do: audits that
it will commit to, and what its transactions may take that are in no block yet, whoever still waits for them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import trio

from protocol.chain.audit_events import Assigned
from protocol.chain.client import Chain
from protocol.chain.events import topic_of
from protocol.chain.sender import Leaving
from protocol.chain.views import LeaseState, OpenedLease
from protocol.dispute.audits import Audit, Part, Stage
from protocol.dispute.purse import Purse
from protocol.games.audit_runs import Name
from protocol.games.board import openings_by, still_holds
from protocol.messages import Bid
from protocol.types import BlockNo, Hash32, LeaseId, Wei

_DEARER = 2
_DEEPEST = 256
"""Blocks by which a re-org may bring an audit back."""
_BOUND = (Part.COMMITTED, Part.REVEALED, Part.ACCUSING)


def bond_ahead(chain: Chain, bid: Bid, items: int) -> Wei:
    """Return what the bond of a later game about a job of so many items may come to, whatever gas costs now.

    It may be twice as dear by then. Blocking.
    """
    return Wei(_DEARER * chain.bond(bid, items, Wei(1 << 128)))


@dataclass(frozen=True, slots=True)
class Pledge:
    """An audit in which a game may have to be opened, about this item, and what that may take."""

    name: Name
    item: int
    coin: Wei


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Coin that is about to leave the wallet: the bond of a game (0: of none), and coin beside it."""

    effect: str
    bond: Wei
    beside: Wei

    @property
    def coin(self) -> Wei:
        """All of it."""
        return Wei(self.bond + self.beside)


def opening(game: Hash32) -> str:
    """Return the effect of the transaction that opens a game."""
    return f"{_OPENING}{game.hex()}"


def total(outgoing: tuple[Outgoing, ...]) -> Wei:
    """Return the sum of what is on its way."""
    return Wei(sum(each.coin for each in outgoing))


def counted(purse: Purse, pledged: Wei, outgoing: tuple[Outgoing, ...]) -> Purse:
    """Return a purse beside which so much is pledged, less what is on its way out of it."""
    bonds = [each.bond for each in outgoing if each.bond]
    return replace(
        purse,
        coin=Wei(purse.coin - total(outgoing)),
        bonds_of_day=Wei(purse.bonds_of_day + sum(bonds)),
        games_of_day=purse.games_of_day + len(bonds),
        pledged=pledged,
    )


@dataclass
class Pledges:
    """Of one wallet, as the chain has them, with what this process is about to add."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    """Held while it is looked whether something can be paid for, and until that counts here."""
    _coming: dict[Name, Hash32] = field(default_factory=dict)
    """Audits that will be committed to, with the seed of the draw: another draw may be of another item."""
    _paying: list[Outgoing] = field(default_factory=list)
    """Of what is being sent, or waited for."""
    _over: set[Name] = field(default_factory=set)
    """Audits that end for good: they are asked for no more."""

    def is_promised(self, name: Name, seed: Hash32) -> bool:
        """Say whether this process has found that an audit can be committed to, as this draw has it."""
        return self._coming.get(name) == seed

    def promise(self, name: Name, seed: Hash32) -> None:
        """Note that an audit will be committed to. It counts until the chain says what became of it."""
        self._coming[name] = seed

    def forget(self, name: Name) -> None:
        """Drop what was noted of an audit that is over."""
        self._coming.pop(name, None)

    @contextmanager
    def paying(self, effect: str, bond: Wei, beside: Wei) -> Iterator[None]:
        """Count as paid what is sent for an effect in this block: `Outgoing`."""
        sums = Outgoing(effect, bond, beside)
        self._paying.append(sums)
        try:
            yield
        finally:
            self._paying.remove(sums)

    def outgoing(self, chain: Chain, but: str = "") -> tuple[Outgoing, ...]:
        """Return all that is about to leave the wallet, but for one effect: who sends that again pays once.

        Blocking. Ask for the balance afterwards (`Sender.leaving`).
        """
        paying = tuple(self._paying)  # first: what is mined, or given up, while the chain is asked is in one
        sent = tuple(_sent(each) for each in chain.sender.leaving())
        known = {each.effect for each in sent if each.effect}
        every = (*sent, *(each for each in paying if each.effect not in known))
        return tuple(each for each in every if not but or each.effect != but)

    def beside(self, chain: Chain, lease: LeaseId, item: int) -> Wei:
        """Return what is pledged to other games than one about this item of a lease. Blocking."""
        return Wei(sum(each.coin for each in self.read(chain) if (each.name[0], each.item) != (lease, item)))

    def read(self, chain: Chain) -> tuple[Pledge, ...]:
        """Return every pledge that is not redeemed by a game, by audits. Blocking."""
        if chain.deployment.audits is None or chain.deployment.disputes is None:
            return ()
        me = chain.address
        if not chain.auditor(me).busy:
            return ()
        audits = [(name, audit) for name, audit in self._drawn(chain) if audit.stage in _OPEN]
        bound = []
        for name, audit in audits:
            part = next((each.part for each in chain.audit_tasks(*name) if each.auditor == me), Part.NONE)
            if part in _BOUND or (part is Part.ASSIGNED and self.is_promised(name, audit.seed)):
                bound.append((name, audit))
        if not bound:
            return ()
        leases = {each.lease: each for each in chain.leases_of()}
        bound = [(name, audit) for name, audit in bound if name[0] in leases]
        redeemed = _redeemed(chain, [leases[name[0]] for name, _ in bound])
        return tuple(
            Pledge(name, audit.item, bond_ahead(chain, leases[name[0]].bid, audit.items))
            for name, audit in bound
            if (name[0], audit.item) not in redeemed and _may_open(chain, leases[name[0]].bid)
        )

    def _drawn(self, chain: Chain) -> Iterator[tuple[Name, Audit]]:
        topics = (topic_of(chain.audits.abi, "Assigned"), None, None, bytes(12) + chain.address)
        events = [each for each in chain.scanner.all(topics) if isinstance(each, Assigned)]
        drawn = {(each.lease, each.by_client): each.at.block for each in events}
        names = [each for each in drawn if each not in self._over]
        settled = chain.block_number() - _DEEPEST
        for name, audit in zip(names, chain.audits_now(names), strict=True):
            if audit.stage is Stage.OVER and drawn[name] < settled:
                self._over.add(name)
            yield name, audit


_OPEN = (Stage.DRAWN, Stage.CONTESTED)
_OPENING = "challenge "


def _sent(each: Leaving) -> Outgoing:
    if each.effect.startswith(_OPENING):
        return Outgoing(each.effect, each.value, each.gas)
    return Outgoing(each.effect, Wei(0), Wei(each.value + each.gas))


def _redeemed(chain: Chain, leases: list[OpenedLease]) -> set[tuple[LeaseId, int]]:
    """Leases and items about which this key has a game: its bond is paid."""
    wanted = {each.lease for each in leases}
    opened = openings_by(chain, chain.address, BlockNo(min((each.block for each in leases), default=0)))
    mine = [each for each in opened if each.lease in wanted]
    views = chain.games_now([each.game for each in mine]) if mine else ()
    return {(each.lease, each.item) for each, view in zip(mine, views, strict=True) if still_holds(view.game)}


def _may_open(chain: Chain, bid: Bid) -> bool:
    """Whether a game about the lease can still be opened, now or after a re-org."""
    view = chain.lease(bid.lease_id())
    return view.state is not LeaseState.POSTED or chain.clock() <= view.last_beat + bid.challenge_window
