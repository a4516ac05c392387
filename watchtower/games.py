"""Plays games about wrong results: one task per lease, until nothing of it is still to be had."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import trio

from protocol.chain.client import Chain
from protocol.chain.views import LeaseState, OpenedLease
from protocol.games.board import openings_by, still_holds
from protocol.games.player import Challenger, Player, Turn
from protocol.games.report import GameReport
from protocol.games.workshop import How, Workshop
from protocol.messages import Bid
from protocol.runtime.child import Child, open_child
from protocol.runtime.logs import about
from protocol.runtime.metrics import Metrics
from protocol.runtime.retry import backoff
from protocol.types import BlockNo, Hash32, InputError, LeaseId, TransientError, Verification, to_hex
from watchtower.fetching import Hold
from watchtower.judge import PostedResult, ResultId
from watchtower.obtaining import Rig, obtain
from watchtower.rerun import WORKER, options
from watchtower.standings import Standing, Standings

log = logging.getLogger(__name__)

_DEEPEST = 256
"""Blocks by which a re-org may bring a lease forward."""
_MOVES = 64
"""More moves than the longest game has: for so many clocks artifacts are kept."""


_KEPT_S = 30 * 86_400.0
"""Longer than games last: a child that ended would have to execute its item again for the next move."""


@dataclass
class Games:
    """Starts a player for each lease that is worth one, and writes down where it stands.

    What is under way is found on the chain: after a restart, and after a re-org, `resume` looks for it anew.
    """

    rig: Rig
    who: Challenger
    standings: Standings
    nursery: trio.Nursery
    metrics: Metrics
    playing: set[LeaseId] = field(default_factory=set)
    left: dict[ResultId, str] = field(default_factory=dict)
    """Results about which nothing was to be done any more, for as long as they stand."""

    def __post_init__(self) -> None:
        self._open = self.metrics.gauge("gavel_watchtower_playing", "Leases whose games are played now.")
        self._coin = self.metrics.gauge("gavel_watchtower_coin", "Coin in the wallet, for bonds and gas.")
        self._refused = self.metrics.gauge(
            "gavel_watchtower_lacking", "Wrong results for which bond or gas is lacking."
        )
        self._ended = self.metrics.counter("gavel_watchtower_games_total", "Games ended.", ["outcome"])
        self._lacking: set[LeaseId] = set()
        self._opening = trio.Lock()

    async def resume(self) -> None:
        """Go on with every own game that still holds a bond or a share."""
        self.left.clear()
        for lease in await self.rig.chain.run(unfinished):
            self._start(lease, None)

    async def look_after(self, results: tuple[PostedResult, ...], wrong: Mapping[ResultId, int]) -> None:
        """Start a player for each posted result that a re-run found wrong."""
        standing = {each.id for each in results}
        # What a re-org took away and a later block posts again is looked at again.
        self.left = {each: why for each, why in self.left.items() if each in standing}
        self._coin.set(await self.rig.chain.run(lambda chain: chain.balance(chain.address)) / 10**18)
        fresh = [each.id for each in results if each.id in wrong]
        fresh = [each for each in fresh if each.lease not in self.playing and each not in self.left]
        if fresh:
            opened = {each.lease: each for each in await self.rig.chain.run(Chain.leases_of)}
            for each in fresh:
                if each.lease not in opened:
                    continue  # a re-org: the next look will know
                if opened[each.lease].bid.verification == Verification.TAPE:
                    self._start(opened[each.lease], wrong[each], root=each.root)
                else:
                    self.left[each] = "no tape: nobody can judge it"

    def accuse(self, lease: OpenedLease, item: int, shown: Hash32) -> None:
        """Play about an item that an audit found to differ. `shown`: the trace that the provider revealed."""
        if all(each.lease != lease.lease for each in self.left):
            self._start(lease, item, shown)

    def _start(
        self,
        lease: OpenedLease,
        suspect: int | None,
        shown: Hash32 | None = None,
        root: Hash32 | None = None,
    ) -> None:
        if lease.lease not in self.playing:
            self.playing.add(lease.lease)
            self._open.set(len(self.playing))
            self.nursery.start_soon(self._play, lease, suspect, shown, root)

    async def _play(
        self, lease: OpenedLease, suspect: int | None, shown: Hash32 | None, root: Hash32 | None
    ) -> None:
        async def workshop() -> Workshop:
            return await self._workshop(player, child)

        since = BlockNo(max(self.rig.chain.blocking.deployment.block, lease.block - _DEEPEST))
        player = Player(
            self.rig.chain,
            lease.bid,
            since,
            self.who,
            suspect,
            workshop,
            log.warning,
            opening=self._opening,
            shown=shown,
            root=root,
        )

        # A child of its own, which keeps the item's trace until the end: the run of an item of another lease
        # must not let this one's clock run out.
        kept = replace(options(self.rig.config), idle_s=_KEPT_S)
        async with open_child(WORKER, options=kept) as child:
            await self._played(player)

    async def _played(self, player: Player) -> None:
        lease = player.lease
        with about(lease=to_hex(lease)):
            try:
                why = await self._until_over(player)
            except InputError as error:
                why = str(error)
                log.error("no game is played: %s", error)
                self._write(Standing(to_hex(lease), 0, "", why, ()))
            if player.root is not None:
                self.left[ResultId(lease, player.root)] = why
            self.playing.discard(lease)
            self._lack(lease, "")
            self._open.set(len(self.playing))
            log.info("left alone from now on: %s", why)

    async def _until_over(self, player: Player) -> str:
        seen, failures = None, 0
        while True:
            try:
                head = await self.rig.chain.run(lambda chain: chain.node.head())
                if head != seen:
                    turn = await player.turn()
                    await trio.to_thread.run_sync(self._note, player.bid, turn)
                    if turn.over:
                        return turn.over
                    seen, failures = head, 0
            except TransientError as error:
                log.info("cannot go on yet: %s", error)
                failures += 1
            network = self.rig.chain.blocking.network
            # A clock may be running: whatever was amiss, each new block may be the one to move in.
            longest = max(1.0, network.seconds_per_block)
            await trio.sleep(backoff(failures, most=longest) if failures else network.look_s)

    def _note(self, bid: Bid, turn: Turn) -> None:
        lease = bid.lease_id()
        self._lack(lease, turn.refused)
        self._write(Standing(to_hex(lease), turn.now, turn.doing, turn.over, turn.reports))
        if turn.over:
            for report in turn.reports:
                self._ended.labels(_outcome(report)).inc()

    def _write(self, standing: Standing) -> None:
        self.standings.write(standing)

    def _lack(self, lease: LeaseId, why: str) -> None:
        if why and lease not in self._lacking:
            log.error("a wrong result cannot be challenged: %s", why)
        self._lacking = self._lacking | {lease} if why else self._lacking - {lease}
        self._refused.set(len(self._lacking))

    async def _workshop(self, player: Player, child: Child) -> Workshop:
        result, until = await self.rig.chain.run(_posted, player.bid, player.root)
        hold = Hold(f"game {to_hex(result.lease)}", until)
        try:
            found = await obtain(self.rig, child, result, hold)
        except InputError as error:
            # Whatever a stranger serves or claims ends no game: bonds, and an auditor's stake, are at risk
            # until the lease ends.
            raise TransientError(f"the job is not served: {error.message}") from error
        config = self.rig.config
        return Workshop(child, found.files, How(config.device, config.threads, config.item_seconds))


def unfinished(chain: Chain) -> tuple[OpenedLease, ...]:
    """Return the leases on which this key has games that still hold a bond or a share; blocking."""
    opened = openings_by(chain, chain.address, chain.deployment.block)
    states = chain.games_now([each.game for each in opened])
    leases = {each.lease for each, view in zip(opened, states, strict=True) if still_holds(view.game)}
    return tuple(each for each in chain.leases_of() if each.lease in leases) if leases else ()


def _posted(chain: Chain, bid: Bid, root: Hash32 | None) -> tuple[PostedResult, int]:
    """The result, and the reading until which a game about it may last; blocking."""
    lease, terms = bid.lease_id(), chain.game_terms
    view = chain.lease(lease)
    if view.state is not LeaseState.POSTED:
        raise InputError("no result stands any more")
    if root not in (None, view.output_root):
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
