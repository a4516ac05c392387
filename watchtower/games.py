"""Plays games about wrong results: one task per item of a lease, until nothing of it is still to be had.

A re-run that found a result wrong opens a game where none is played on the lease. Who accuses in an audit
has a stake at risk: its game waits for no other, asks nobody for outputs, and is given up for no error.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import trio

from protocol.chain.calls import Due
from protocol.chain.client import Chain
from protocol.chain.views import LeaseState, OpenedLease
from protocol.games.asking import Stopwatch
from protocol.games.audit_sight import revealed_items
from protocol.games.board import openings_by, still_holds
from protocol.games.pace import rest
from protocol.games.player import Challenger, Player, Turn
from protocol.games.precedence import Rank
from protocol.games.report import GameReport
from protocol.games.workshop import How, Workshop
from protocol.messages import Bid
from protocol.runtime.child import Child, open_child
from protocol.runtime.logs import about
from protocol.runtime.metrics import Metrics
from protocol.types import (
    BlockNo,
    BrokenInvariant,
    Hash32,
    InputError,
    LeaseId,
    TransientError,
    Verification,
    to_hex,
)
from watchtower.fetching import Hold
from watchtower.judge import PostedResult, ResultId
from watchtower.obtaining import Rig, obtain
from watchtower.rerun import WORKER, staked
from watchtower.standings import Standing, Standings

log = logging.getLogger(__name__)

_DEEPEST = 256
"""Blocks by which a re-org may bring a lease forward, or a game back."""
_REASON = "game "
_MOVES = 64
"""More moves than the longest game has: for so many clocks artifacts are kept."""


_KEPT_S = 30 * 86_400.0
"""Longer than games last: a child that ended would have to execute its item again for the next move."""


class Subject(NamedTuple):
    """What one player is about."""

    lease: LeaseId
    item: int


@dataclass
class Games:
    """Starts a player for each item that is worth one, and writes down where it stands.

    What is under way is found on the chain: after a restart, and after a re-org, `resume` looks for it anew.
    """

    rig: Rig
    who: Challenger
    standings: Standings
    nursery: trio.Nursery
    metrics: Metrics
    playing: dict[Subject, Player] = field(default_factory=dict)
    left: dict[tuple[ResultId, int], str] = field(default_factory=dict)
    """Results and items about which nothing was to be done any more, for as long as they stand."""
    accused: set[tuple[ResultId, int]] = field(default_factory=set)
    """Those of them that were played about for an accusation: what a re-run came to ends none."""

    def __post_init__(self) -> None:
        self._open = self.metrics.gauge("gavel_watchtower_playing", "Items about which games are played now.")
        self._coin = self.metrics.gauge("gavel_watchtower_coin", "Coin in the wallet, for bonds and gas.")
        self._refused = self.metrics.gauge(
            "gavel_watchtower_lacking", "Wrong results for which bond or gas is lacking."
        )
        self._ended = self.metrics.counter("gavel_watchtower_games_total", "Games ended.", ["outcome"])
        self._lacking: set[Subject] = set()
        self._scopes: dict[Subject, trio.CancelScope] = {}

    async def resume(self) -> None:
        """Go on with every own game that still holds a bond or a share."""
        going_on = await self.rig.chain.run(unfinished)
        self.left.clear()
        self.accused.clear()
        for lease, item in going_on:
            self._start(lease, item).bound = True
        await self._let_others_go()

    async def look_after(self, results: tuple[PostedResult, ...], wrong: Mapping[ResultId, int]) -> None:
        """Start a player for each posted result that a re-run found wrong."""
        standing = {each.id for each in results}
        # What a re-org took away and a later block posts again is looked at again.
        self.left = {each: why for each, why in self.left.items() if each[0] in standing}
        self.accused &= self.left.keys()
        self._coin.set(await self.rig.chain.run(lambda chain: chain.balance(chain.address)) / 10**18)
        fresh = [each.id for each in results if each.id in wrong]
        playing = {each.lease for each, player in self.playing.items() if not player.prepares}
        fresh = [each for each in fresh if each.lease not in playing and (each, wrong[each]) not in self.left]
        if fresh:
            opened = {each.lease: each for each in await self.rig.chain.run(Chain.leases_of)}
            for each in fresh:
                if each.lease not in opened:
                    continue  # a re-org: the next look will know
                if opened[each.lease].bid.verification == Verification.TAPE:
                    player = self._start(opened[each.lease], wrong[each])
                    player.suspect, player.root, player.prepares = wrong[each], each.root, False
                else:
                    self.left[each, wrong[each]] = "no tape: nobody can judge it"

    def prepare(self, lease: OpenedLease, item: int, took: float = 0.0) -> None:
        """Make the run that a game about an item opens with, long before it may be opened: see `accuse`."""
        known = any((result.lease, about) == (lease.lease, item) for result, about in self.left)
        if not known and Subject(lease.lease, item) not in self.playing:
            player = self._start(lease, item)
            player.suspect, player.prepares, player.took = item, True, took

    def keep(self, prepared: Collection[Subject]) -> None:
        """Let go what was prepared for other items: what the audit had shown is on the chain no more.

        It comes back with what shows it. A game that is due, or that a re-run began, goes on.
        """
        for subject, player in list(self.playing.items()):
            if player.prepares and subject not in prepared:
                del self.playing[subject]
                self._open.set(len(self.playing))
                self._scopes[subject].cancel()

    def accuse(self, lease: OpenedLease, item: int, shown: Hash32, due: Due, took: float = 0.0) -> None:
        """Play about an item that an audit found to differ. `shown`: the trace that the provider revealed.

        `due`: by when the game has to be open, and what is lost else. `took`: how long the item's run took
        here, in seconds; 0: not known. Whatever else is played on the lease,
        and whoever began to play about the item: from now on a stake depends on it.
        """
        if not self.is_accused(lease.lease, item):
            player = self._start(lease, item)
            player.suspect, player.shown, player.due, player.prepares = item, shown, due, False
            player.took = took or player.took
            self.rig.precedence.look()

    def is_accused(self, lease: LeaseId, item: int) -> bool:
        """Say whether an accusation needs nothing more: it is played about, or was to its end."""
        player = self.playing.get(Subject(lease, item))
        if player is not None:
            return player.due is not None
        return any((result.lease, about) == (lease, item) for result, about in self.accused)

    def traces(self) -> dict[tuple[LeaseId, int], int]:
        """Return what each item that is played about takes in memory, in bytes; 0: it has not run yet."""
        return {(each.lease, each.item): player.memory for each, player in self.playing.items()}

    def _start(self, lease: OpenedLease, item: int) -> Player:
        """Play about an item: without a suspect only the games that are under way."""
        subject = Subject(lease.lease, item)
        if subject in self.playing:
            return self.playing[subject]
        child: list[Child] = []

        async def workshop() -> Workshop:
            return await self._workshop(player, child[0])

        since = BlockNo(max(self.rig.chain.blocking.deployment.block, lease.block - _DEEPEST))
        player = self.playing[subject] = Player(
            self.rig.chain,
            lease.bid,
            since,
            self.who,
            None,
            workshop,
            log.warning,
            pledges=self.rig.pledges,
            item=item,
        )
        self._open.set(len(self.playing))
        scope = self._scopes[subject] = trio.CancelScope()
        self.nursery.start_soon(self._play, player, child, scope)
        return player

    async def _play(self, player: Player, mine: list[Child], scope: trio.CancelScope) -> None:
        # A child of its own, which keeps the item's trace until the end: the run of another item must not let
        # this one's clock run out.
        kept = staked(self.rig.config, _KEPT_S)
        with scope:
            async with open_child(WORKER, options=kept) as child:
                mine.append(child)
                await self._played(player)
        subject = _subject(player)
        if scope.cancelled_caught and subject not in self.playing:
            why = "what the audit had shown is on the chain no more"
            self._write(Standing(to_hex(subject.lease), 0, "", why, (), subject.item))
            await self._redate(_reason(subject))
        if self._scopes.get(subject) is scope:
            del self._scopes[subject]

    async def _played(self, player: Player) -> None:
        subject = _subject(player)
        with about(lease=to_hex(subject.lease)):
            try:
                why = await self._until_over(player)
            except InputError as error:
                why = str(error)
                log.error("no game is played: %s", error)
                self._write(Standing(to_hex(subject.lease), 0, "", why, (), subject.item))
            # Who was to open no game has found out nothing about the item.
            if player.root is not None and player.was_to_open:
                about_what = ResultId(subject.lease, player.root), subject.item
                self.left[about_what] = why
                if player.due is not None:
                    self.accused.add(about_what)
            if self.playing.get(subject) is player:  # `keep` may have let it go in this very moment
                del self.playing[subject]
            self._lack(subject, "")
            self._open.set(len(self.playing))
            await self._redate(_reason(subject))
            log.info("item %d: left alone from now on: %s", subject.item, why)

    async def _let_others_go(self) -> None:
        """Let go what is held for games that ended in an earlier process."""
        held = await trio.to_thread.run_sync(self.rig.store.reasons)
        games = {each for each in held if each.startswith(_REASON)}
        for reason in games - {_reason(each) for each in self.playing}:
            await self._redate(reason)

    async def _redate(self, reason: str) -> None:
        """Let artifacts go, as soon as no re-org can bring their game back."""
        network, chain = self.rig.chain.blocking.network, self.rig.chain
        try:
            until = await chain.run(Chain.clock) + network.span(_DEEPEST * network.seconds_per_block)
            if all(_reason(each) != reason for each in self.playing):
                await trio.to_thread.run_sync(self.rig.store.redate, reason, until)
        except TransientError as error:  # the next start sees to it
            log.info("artifacts of %s are held on: %s", reason, error)

    async def _until_over(self, player: Player) -> str:
        seen, failures = None, 0
        while True:
            asked = player.due, player.suspect
            try:
                # An accusation that was prepared waits for no other block.
                now = await self.rig.chain.run(lambda chain: chain.node.head()), asked
                if now != seen:
                    turn = await player.turn()
                    await trio.to_thread.run_sync(self._note, player, turn)
                    if turn.over and (player.due, player.suspect) == asked:
                        return turn.over
                    # What was found before the item was accused, or known to be wrong, ends no game about it.
                    seen, failures = (None if turn.over else now), 0
            except TransientError as error:
                log.info("cannot go on yet: %s", error)
                failures += 1
            except InputError as error:
                if not player.is_at_risk:
                    raise
                log.error("cannot go on, with a stake or a bond at risk: %s", error)
                failures += 1
            await trio.sleep(rest(self.rig.chain.blocking.network, failures))

    def _note(self, player: Player, turn: Turn) -> None:
        subject = _subject(player)
        self._lack(subject, turn.refused)
        self._write(
            Standing(to_hex(subject.lease), turn.now, turn.doing, turn.over, turn.reports, subject.item)
        )
        if turn.over:
            for report in turn.reports:
                self._ended.labels(_outcome(report)).inc()

    def _write(self, standing: Standing) -> None:
        try:
            self.standings.write(standing)
        except TransientError as error:  # a full disk: what people read grows old, the game goes on
            log.error("where a game stands cannot be written down: %s", error)

    def _lack(self, subject: Subject, why: str) -> None:
        if why and subject not in self._lacking:
            log.error("a wrong result cannot be challenged: %s", why)
        self._lacking = self._lacking | {subject} if why else self._lacking - {subject}
        self._refused.set(len(self._lacking))

    async def _workshop(self, player: Player, child: Child) -> Workshop:
        item = _subject(player).item
        result, until = await self.rig.chain.run(_posted, player.bid, player.root)
        hold = Hold(_reason(_subject(player)), until)
        # What the provider has shown of the item on chain, it can keep back no more.
        revealed = await self.rig.chain.run(revealed_items, player.bid, result.output_root)
        posted = revealed if item in revealed.items else None
        watch = Stopwatch(child)
        try:
            found = await obtain(self.rig, watch, result, hold, item=item, posted=posted)
        except InputError as error:
            # Whatever a stranger serves or claims ends no game: bonds, and an auditor's stake, are at risk
            # until the lease ends.
            raise TransientError(f"the job is not served: {error.message}") from error
        config, network = self.rig.config, self.rig.chain.blocking.network
        clock = await self.rig.chain.run(lambda chain: chain.game_terms.move_clock)
        # What an auditor could run in time, its game can too, whatever it allows re-runs of its own choice.
        seconds = max(config.item_seconds, network.seconds(clock))
        rank = Rank(child, self.rig.precedence, lambda: player.is_at_risk)
        how = How(config.device, config.threads, seconds, player.took, watch.seconds)
        return Workshop(child, found.files, how, rank)


def _subject(player: Player) -> Subject:
    if player.item is None:
        raise BrokenInvariant("a player of the watchtower is about one item")
    return Subject(player.lease, player.item)


def _reason(subject: Subject) -> str:
    return f"{_REASON}{to_hex(subject.lease)} {subject.item}"


def unfinished(chain: Chain) -> tuple[tuple[OpenedLease, int], ...]:
    """Return leases and items about which this key has games that still hold a bond or a share; blocking."""
    opened = openings_by(chain, chain.address, chain.deployment.block)
    states = chain.games_now([each.game for each in opened])
    holding = [each for each, view in zip(opened, states, strict=True) if still_holds(view.game)]
    subjects = dict.fromkeys((each.lease, each.item) for each in holding)
    leases = {each.lease: each for each in chain.leases_of()} if subjects else {}
    return tuple((leases[lease], item) for lease, item in subjects if lease in leases)


def _posted(chain: Chain, bid: Bid, root: Hash32 | None) -> tuple[PostedResult, int]:
    """The result, and the reading until which a game about it may last; blocking."""
    lease, terms = bid.lease_id(), chain.game_terms
    view = chain.lease(lease)
    # Whether that is so for good is the player's to say: its games are not over before it is confirmed.
    if view.state is not LeaseState.POSTED or root not in (None, view.output_root):
        raise TransientError("the chain changed while its games were read")
    end = view.last_beat + bid.challenge_window
    trace = 6 * (view.last_beat - view.started_at)
    longest = trace + _MOVES * (terms.move_clock + terms.increment) + terms.claim_period
    result = PostedResult(lease, bid, view.output_root, BlockNo(end))
    return result, end + longest


def _outcome(report: GameReport) -> str:
    if report.reward > 0:
        return "rewarded"
    return "lost" if report.phase == "lost" and not report.coin_back else "bond back"
