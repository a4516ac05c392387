"""Ends what holds a lease though its time is over: idle games, unanswered demands, unsettled convictions.

`protocol.dispute.idle` decides; here the chain is read and the calls are sent. Nothing is remembered.
"""

import logging
from dataclasses import dataclass

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.delivery_events import Demanded
from protocol.chain.dispute_events import Challenged
from protocol.chain.errors import Revert
from protocol.chain.event import Event
from protocol.chain.events import topic_of
from protocol.chain.networks import Clock
from protocol.chain.scan import Topics
from protocol.chain.views import LeaseState
from protocol.dispute import moves
from protocol.dispute.idle import Action, EndDemand, EndGame, Held, OpenDemand, OpenGame, Settle, due
from protocol.dispute.names import Case
from protocol.games.demanding import Sends
from protocol.messages import Bid
from protocol.types import BlockNo, Blocks, Hash32, InputError, LeaseId, Wei, to_hex

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one look came to. `again_at`: the next reading at which more may be due; None: none is known."""

    now: BlockNo
    again_at: int | None
    fees: Wei = Wei(0)  # noqa: RUF009 - a number
    said: tuple[str, ...] = ()


@dataclass
class Keeper:
    """Keeps one lease from being held for ever."""

    chain: AsyncChain
    bid: Bid
    sends: Sends
    patience: Blocks
    """Readings after a clock's end in which its players are left to call it themselves."""

    async def look(self, *, right: bool, root: Hash32 | None = None, most: int | None = None) -> Kept:
        """Look, and do what is due, in at most `most` calls. `right`: the result was found right here.

        `root`: which one was; a re-org may have put another in its place, of which nothing is known.
        `TransientError` while the chain cannot be reached. A revert says that somebody else was quicker, or
        that the chain changed: a later look will tell.
        """
        held = await self.chain.run(read_held, self.bid, self.patience, right=right, root=root)
        found = due(held)
        now = BlockNo(held.now)
        if not found.actions:
            return Kept(now, found.again_at)
        if most == 0:
            lacking = f"{len(found.actions)} calls would end what holds the lease; the budget allows none now"
            return Kept(now, None, said=(lacking,))
        fees, done = 0, False
        said: list[str] = []
        for action in found.actions[:most]:
            call, effect, sentence = self._call(held, action)
            try:
                fees += (await self.sends.send(call, effect)).fee
                said.append(sentence)
                done = True
            except Revert as error:
                log.info("lease %s: %s", to_hex(self.bid.lease_id()), error)
            except InputError as error:
                said.append(f"what holds the lease cannot be ended: {error}")
        return Kept(now, found.again_at if done else None, Wei(fees), tuple(said))

    def _call(self, held: Held, action: Action) -> tuple[Call, str, str]:
        """The call of an action, its effect's name, and what it means for people."""
        chain, lease = self.chain.blocking, self.bid.lease_id()
        match action:
            case EndGame(game):
                move = moves.Timeout(self.bid, game.case, game.challenger, game.seal)
                who = "provider" if game.state.phase.provider_moves else "challenger"
                ends = "it is convicted of silence" if who == "provider" else "the game is lost"
                name = to_hex(game.game)[:10]
                effect = f"timeout {game.game.hex()} {game.state.pack():x}"
                return chain.disputes.move(move), effect, f"game {name}: the {who}'s clock ran out, {ends}"
            case EndDemand(wanted):
                effect = f"timeout {wanted.demand(lease).hex()}"
                said = "a demand was not answered in time: the provider is convicted of silence"
                return chain.delivery.timeout(self.bid, wanted), effect, said
            case Settle():
                effect = settling(lease, held.verdict.since)
                return chain.disputes.move(moves.Settle(self.bid)), effect, "settled the lease as convicted"


def settling(lease: LeaseId, since: int) -> str:
    """Name the settlement of a conviction, of which there is one for each lease and reading."""
    return f"settle {lease.hex()} {since}"


def read_held(chain: Chain, bid: Bid, patience: int, *, right: bool, root: Hash32 | None = None) -> Held:
    """Read what holds the lease of `bid`, by whomever; blocking. `right` is said of `root`."""
    lease = bid.lease_id()
    view = chain.lease(lease)
    posted = view.state is LeaseState.POSTED
    return Held(
        now=chain.clock(),
        posted=posted,
        verdict=chain.verdict(lease),
        claim_period=chain.game_terms.claim_period,
        games=_games(chain, bid, view.last_beat) if posted else (),
        demands=_demands(chain, lease, view.last_beat) if posted else (),
        patience=patience,
        right=right and root in (None, view.output_root),
    )


def _games(chain: Chain, bid: Bid, posted_at: BlockNo) -> tuple[OpenGame, ...]:
    topics = (topic_of(chain.disputes.abi, "Challenged"), None, bid.lease_id())
    opened = [event for event in _events(chain, topics, posted_at) if isinstance(event, Challenged)]
    views = chain.games_now([each.game for each in opened]) if opened else ()
    return tuple(
        OpenGame(
            each.game,
            Case(each.lease, bid.job_hash, each.item, each.item_root),
            each.challenger,
            each.seal,
            view.game,
        )
        for each, view in zip(opened, views, strict=True)
        if view.game.phase.live
    )


def _demands(chain: Chain, lease: LeaseId, posted_at: BlockNo) -> tuple[OpenDemand, ...]:
    if chain.deployment.delivery is None:
        return ()
    topics = (topic_of(chain.delivery.abi, "Demanded"), None, lease)
    asked = [event for event in _events(chain, topics, posted_at) if isinstance(event, Demanded)]
    views = chain.demands_now([each.demand for each in asked]) if asked else ()
    return tuple(
        OpenDemand(each.wanted, view.until)
        for each, view in zip(asked, views, strict=True)
        if view.status.open
    )


def _events(chain: Chain, topics: Topics, posted_at: BlockNo) -> tuple[Event, ...]:
    """Events about a posted result: none is older than the posting, and a clock of blocks says its block."""
    if chain.network.clock is Clock.BLOCK:
        return chain.scanner.between(posted_at, chain.block_number(), topics)
    return chain.scanner.all(topics)
