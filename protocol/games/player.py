"""Plays the games about one lease: looks, lets the judge decide, does it, and looks again.

Nothing essential is kept: the salts of seals come out of a secret, everything else off the chain and out of
the artifacts. A move that is stale by the time it is mined is refused by its tag and costs its gas alone.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, Due, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.game_steps import PlayedGame
from protocol.chain.views import LeaseState
from protocol.crypto import keccak256
from protocol.dispute import moves
from protocol.dispute.challenger import (
    MARGIN,
    Action,
    ClaimShare,
    CollectGame,
    Leave,
    Open,
    Play,
    SettleLease,
    Table,
    TimeOut,
    Wait,
    judge,
    salt_of,
)
from protocol.dispute.names import Case, game_id
from protocol.dispute.purse import COIN, OPENING_GAS, Limits, Purse, slowness
from protocol.dispute.records import Conviction
from protocol.dispute.replay import Played
from protocol.games.audit_sight import contested_traces, is_contested
from protocol.games.board import Board, bond_now, read_board, read_purse, still_holds, table_of
from protocol.games.keeping import settling
from protocol.games.pace import patience
from protocol.games.pledges import Pledges, counted, opening
from protocol.games.report import GameReport
from protocol.games.reporter import Reporter, node_name
from protocol.games.workshop import Charge, Workshop
from protocol.messages import Bid
from protocol.types import (
    ZERO_HASH,
    Address,
    BlockNo,
    Hash32,
    InputError,
    LeaseId,
    TransientError,
    Wei,
    to_hex,
)

log = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Gets one line for each thing done."""


@dataclass(frozen=True)
class Challenger:
    """Who plays: a secret that makes salts, and what it may spend."""

    secret: bytes = field(repr=False)
    limits: Limits

    @classmethod
    def of(cls, key: bytes, limits: Limits) -> "Challenger":
        """Return the challenger of a wallet's key: so its seals can be opened wherever the key is."""
        return cls(keccak256(b"gavel seals v1" + key), limits)


@dataclass(frozen=True)
class Turn:
    """What one look came to. `block` and `now` as in `Board`."""

    block: BlockNo
    now: BlockNo
    reports: tuple[GameReport, ...]
    doing: str
    over: str = ""
    """Why nothing will be to do any more; empty while something may."""
    refused: str = ""
    """Why no game is opened although an item is wrong: what the purse, or the contract, does not allow."""
    waiting: str = ""
    """What is waited for, where nothing was done."""


@dataclass
class Player:
    """The games of one challenger on one lease.

    `since`: a block not after the lease's opening. `suspect`: the item that a re-run found to differ, if any.
    `workshop` is asked for when an item has to be executed, and may have to fetch the artifacts first.
    """

    chain: AsyncChain
    bid: Bid
    since: BlockNo
    who: Challenger
    suspect: int | None
    workshop: Callable[[], Awaitable[Workshop]]
    tell: Tell
    delegates: tuple[Address, ...] = ()
    """All those of a private lease, sorted, if one of them plays; else none."""
    pledges: Pledges = field(default_factory=Pledges)
    """What of the wallet is pledged to audits; one for all players of a wallet."""
    item: int | None = None
    """Only games about this item are played here; None: all."""
    shown: Hash32 | None = None
    """The trace of `suspect` that the provider revealed in an audit; a game is due if it is not one's own."""
    due: Due | None = None
    """By when the game has to be open, and what is lost else; None: nothing is."""
    prepares: bool = False
    """Whether only the run is made that a game about `suspect` opens with, and none is opened yet."""
    root: Hash32 | None = None
    """The posted result that is played about; None: the first that is seen."""
    took: float = 0.0
    """How long the item's run took before, in seconds; 0: not known."""
    bound: bool = False
    """Whether a game of its own was seen or sent: a bond is in it, and no error ends its player."""
    _shop: Workshop | None = None
    _anew_at: float | None = None
    """When the item is run anew, because a run was too slow; None: not planned."""
    _pause: float = 0.0
    _cleared: bool = False
    """Whether what was suspected turned out to be right."""
    _done: set[Hash32] = field(default_factory=set)
    _asked: set[tuple[Hash32, int, int]] = field(default_factory=set)
    _reporter: Reporter | None = None
    _replayed: tuple[Board, dict[Case, Played]] | None = None

    @property
    def lease(self) -> LeaseId:
        """The lease."""
        return self.bid.lease_id()

    @property
    def is_at_risk(self) -> bool:
        """Whether a stake or a bond depends on its run: no other run may make it late."""
        return self.bound or self.prepares or self.due is not None

    @property
    def was_to_open(self) -> bool:
        """Whether it was ever to open a game, and not just to go on with those under way."""
        return self.suspect is not None or self._cleared

    async def turn(self) -> Turn:
        """Look, and do what is to be done now.

        `TransientError` while chain or artifacts cannot be reached; a refusal by a contract is told, and the
        next turn looks anew.
        """
        board = await self.chain.run(read_board, self.bid, self.since)
        own = board.of(self.chain.blocking.address, self.item)
        self.bound = self.bound or any(still_holds(game.now) for game in own)
        if not self._is_about(board.lease.output_root):
            why = "a re-org put another result in the place of this one"
            return Turn(board.block, board.now, (), why, over=why if await self._is_for_good() else "")
        actions = await self._judge(board)
        said: list[str] = []
        refused = next((action.why for action in actions if isinstance(action, Wait) and action.refused), "")
        failed: TransientError | None = None
        for action in actions:
            try:
                said.append(await self._do(board, action))
            except InputError as error:
                await self._refused(board, action, error)
                said.append(str(error))
                refused = str(error) if isinstance(action, Open) else refused
            except TransientError as error:  # one game's trouble is not the others'
                failed = error
        if failed is not None:
            raise failed
        left = next((action.why for action in actions if isinstance(action, Leave)), "")
        if left and not await self._is_for_good():
            left = ""
        doing = "; ".join(filter(None, said))
        reports = await self._reports(board, doing, bool(left))
        waits = [action for action in actions if isinstance(action, Wait)]
        waiting = "" if len(waits) < len(actions) else doing
        return Turn(board.block, board.now, reports, doing, left, refused, waiting)

    def _is_about(self, posted: Hash32) -> bool:
        """Whether the result on the chain is the one that suspect and artifacts are of, or there is none."""
        if self.root is None and posted != ZERO_HASH:
            self.root = posted
        return posted in (ZERO_HASH, self.root)

    async def _is_for_good(self) -> bool:
        """Whether nothing would be to do in the newest confirmed block either: no re-org takes that away."""
        board = await self._confirmed()
        if board is None:
            return False
        if not self._is_about(board.lease.output_root):
            return True
        # No purse is looked into: whatever is to do will do.
        table = await self._table(board, self.suspect, prepares=True)
        return any(isinstance(action, Leave) for action in judge(table))

    async def _confirmed(self) -> Board | None:
        """The board as of the newest confirmed block; None while it cannot be read."""
        try:
            return await self.chain.run(_confirmed_board, self.bid, self.since)
        except TransientError as error:
            log.info("lease %s: it is not known what is confirmed: %s", to_hex(self.lease), error)
            return None

    async def _judge(self, board: Board) -> tuple[Action, ...]:
        me = self.chain.blocking.address
        own = [game for game in board.of(me, self.item) if game.game not in self._done]
        # Once: an accusation may come meanwhile, which the next look takes up.
        suspect, purse, prepares = self.suspect, None, False
        open_ = board.verdict.how is Conviction.NONE and board.lease.state is LeaseState.POSTED
        # No run for a game that would come too late: the artifacts may be gone, and nobody serve them.
        open_ = open_ and board.now + MARGIN <= board.lease.last_beat + self.bid.challenge_window
        if open_ and suspect is not None and not any(game.now.phase.live for game in own):
            charge = await self._charge(suspect)
            if prepares := self.prepares:
                pass  # the run is all
            elif not charge.differs and await self._is_undone(suspect):
                return (Wait(f"item {suspect}: {_UNDONE}: no game is opened"),)
            elif not charge.differs and await self._is_shown_otherwise(charge):
                # Until a conviction ends it: a re-org may take away what was shown.
                return (Wait(f"item {suspect}: {_CONTRADICTED}: no game is opened"),)
            elif not charge.differs and self.shown in (None, charge.trace_root):
                # Twice computed, and the posted result is right the second time: no game would be won.
                self.tell(f"item {suspect} is right after all: nothing is challenged")
                suspect, self.suspect, self._cleared = None, None, True
            else:
                tries = sum(game.case.item == suspect for game in own)
                purse = await self._purse(charge, tries)
        return judge(await self._table(board, suspect, purse, prepares=prepares))

    async def _table(
        self, board: Board, suspect: int | None, purse: Purse | None = None, *, prepares: bool = False
    ) -> Table:
        terms = await self.chain.run(lambda chain: chain.game_terms)
        return table_of(
            board,
            self.bid,
            self.chain.blocking.address,
            claim_period=terms.claim_period,
            suspect=suspect,
            purse=purse,
            item=self.item,
            done=frozenset(self._done),
            prepares=prepares,
        )

    async def _is_undone(self, item: int) -> bool:
        """Whether the accusation that the game is due for is not on the chain now: a re-org took it away."""
        return self.due is not None and await self._due_now(item) is None

    async def _due_now(self, item: int) -> Due | None:
        """`due`, while the chain shows the accusation that it is of. And see what is revealed now."""
        if self.due is None:
            return None
        traces = await self.chain.run(contested_traces, self.lease, item)
        if traces is None:
            return None
        known = [trace for trace in traces if trace is not None]
        if known and self.shown not in known:
            self.shown = known[0]
        return self.due

    async def _is_shown_otherwise(self, charge: Charge) -> bool:
        """Whether games know another trace of the item than the one revealed: the audit needs no more."""
        if self.shown is None:
            return False
        case = Case(self.lease, self.bid.job_hash, charge.item, charge.posted_root)
        known = await self.chain.run(lambda chain: chain.trace_root(case))
        return known not in (ZERO_HASH, self.shown)

    async def _do(self, board: Board, action: Action) -> str:
        match action:
            case Wait(why, until):
                return f"{why} (until {until})" if until else why
            case Leave(why):
                return why
            case Open(item, attempt):
                return await self._open(await self._charge(item), attempt)
            case SettleLease():
                await self._send(moves.Settle(self.bid), settling(self.lease, board.verdict.since))
                return self._told("settled the lease as convicted")
            case Play(game, early):
                return await self._play(board, _game(board, game), early)
            case TimeOut(game):
                held = _game(board, game)
                me = held.opened.challenger
                call = moves.Timeout(self.bid, held.case, me, held.opened.seal)
                await self._send(call, _effect("timeout", held))
                return self._told(f"game {_short(game)}: the provider was silent, its time is over")
            case ClaimShare(game, how):
                return await self._claim(board, _game(board, game), how)
            case CollectGame(game):
                held = _game(board, game)
                call_ = moves.Collect(self.bid, held.case, held.opened.seal)
                receipt = await self._send(call_, _effect("collect", held))
                return self._told(f"game {_short(game)}: collected, in block {receipt.block}")

    async def _purse(self, charge: Charge, attempt: int) -> Purse:
        # Before the purse is read, and without this game's own opening, which may be on its way from an
        # earlier look: whoever finds no coin for it beside itself would wait for it no more.
        effect = opening(self._to_open(charge, attempt)[1])
        outgoing = await self.chain.run(self.pledges.outgoing, effect)
        due = await self._due_now(charge.item)
        purse = await self.chain.run(read_purse, self.bid, charge.job.items, self.who.limits, due)
        terms = await self.chain.run(lambda chain: chain.game_terms)
        clock = self.chain.blocking.network.seconds(terms.move_clock)
        # Who has to play leaves nothing to others: its own game is pledged.
        free = due is not None
        pledged = Wei(0) if free else await self.chain.run(self.pledges.beside, self.lease, charge.item)
        purse = counted(purse, pledged, outgoing)
        slow = slowness(charge.item, charge.seconds, clock)
        # A game that is due is opened however slow: its run must be there when it is needed.
        if slow and not free:
            self._measure_anew(charge)
        return replace(purse, too_slow=slow)

    def _measure_anew(self, charge: Charge) -> None:
        """A machine that had much else to do is none that is slow: after a while its child begins anew.

        Each time the while is twice as long, at first four times what was measured.
        """
        now = trio.current_time()
        if self._anew_at is None:
            self._pause = 2 * self._pause or _ANEW * charge.seconds
            self._anew_at = now + self._pause
        elif now >= self._anew_at and self._shop is not None:
            self._shop.close()
            self._shop = self._anew_at = None

    async def _open(self, charge: Charge, attempt: int) -> str:
        # What a game on another lease has taken meanwhile counts as well; but nobody waits until another's
        # transaction is in a block, which may be long if gas becomes dear.
        async with AsyncExitStack() as stack:
            async with self.pledges.lock:
                if not charge.differs and await self._is_undone(charge.item):
                    return f"no game is opened: {_UNDONE}"
                purse = await self._purse(charge, attempt)
                if refused := purse.why_not():
                    return f"no game is opened: {refused}"
                effect, gas = opening(self._to_open(charge, attempt)[1]), Wei(OPENING_GAS * purse.gas_price)
                stack.enter_context(self.pledges.paying(effect, purse.bond, gas))
            return await self._opened(charge, attempt)

    async def _opened(self, charge: Charge, attempt: int) -> str:
        item, chain = charge.item, self.chain.blocking
        seal, game = self._to_open(charge, attempt)
        root, proof = charge.posted_root, charge.proof
        move = moves.Challenge(self.bid, charge.job, item, root, proof, seal, self.delegates)
        due = await self._due_now(item)
        bond = await self.chain.run(bond_now, self.bid, charge.job.items, due)
        before, self.bound = self.bound, True  # from now on it may be in a block, whatever is heard of it
        try:
            await self._sent(chain.disputes.challenge(move, bond), opening(game), due)
        except InputError:  # it was refused: no bond is in it
            self.bound = before
            raise
        return self._told(f"opened game {_short(game)} about item {item}, bond {COIN.about(bond)}")

    def _to_open(self, charge: Charge, attempt: int) -> tuple[Hash32, Hash32]:
        """Seal and id of the game of an attempt."""
        me = self.chain.blocking.address
        case = Case(self.lease, self.bid.job_hash, charge.item, charge.posted_root)
        seal = charge.seal(me, case, salt_of(self.who.secret, self.lease, charge.item, attempt))
        return seal, game_id(case.id, me, seal)

    async def _play(self, board: Board, game: PlayedGame, early: bool) -> str:
        played = await self._played(board, game.case)
        asked = (game.game, game.now.pack(), len(played.shown.hashes))
        if early and asked in self._asked:
            return "the provider is to move"
        view = played.views[game.game]
        if not view.agrees(game.now):
            log.warning(
                "lease %s: game %s does not stand where its moves lead: until it does, it cannot be played",
                to_hex(self.lease),
                _short(game.game),
            )
            raise TransientError("the chain changed while its games were read")
        move = await (await self._work()).move(self.bid, played, view)
        if move is None or (early and not isinstance(move, moves.Prove | moves.ProveOutside)):
            self._asked.add(asked)
            return "the provider is to move"
        if isinstance(move, moves.Resign):
            if await self.chain.run(is_contested, self.lease, game.case.item):
                return _CONTRADICTED
            log.error(
                "lease %s: nothing differs in game %s, it is given up", to_hex(self.lease), _short(game.game)
            )
            move = moves.Resign(self.bid, game.case, game.opened.seal)
        end = game.now.moved_at + game.now.mover_left
        due = Due.between(game.now.moved_at, end, await self._at_stake(game))
        receipt = await self._send(move, _effect(type(move).__name__, game), due)
        return self._told(f"game {_short(game.game)}: {self._sentence(move)}, {receipt.gas_used} gas")

    async def _claim(self, board: Board, game: PlayedGame, how: Conviction) -> str:
        since, terms = board.verdict.since, await self.chain.run(lambda chain: chain.game_terms)
        due = Due.between(since, since + terms.claim_period, await self._at_stake(game))
        if how is Conviction.SILENT:
            await self._send(moves.ClaimSilence(game.case, game.opened.seal), _effect("claim", game), due)
            return self._told(f"game {_short(game.game)}: claimed its share")
        if board.place is None:
            raise TransientError("the chain changed while its games were read")
        charge = await self._charge(game.case.item)
        salt = self._salt(charge, game)
        claim = await (await self._work()).claim(game.case, board.place, salt)
        await self._send(claim, _effect("claim", game), due)
        return self._told(f"game {_short(game.game)}: opened the seal, a share of the reward is claimed")

    def _salt(self, charge: Charge, game: PlayedGame) -> Hash32:
        """The salt of an own game: of one of the attempts on its item."""
        me, item = game.opened.challenger, game.case.item
        for attempt in range(_MOST_ATTEMPTS):
            salt = salt_of(self.who.secret, self.lease, item, attempt)
            if charge.seal(me, game.case, salt) == game.opened.seal:
                return salt
        raise InputError(
            f"game {_short(game.game)} was sealed with another secret, or over another run",
            "claim with the program and the secret that opened it",
        )

    async def _refused(self, board: Board, action: Action, error: InputError) -> None:
        """Try again with the next block: what is refused now, a re-org or a cheaper block may allow.

        All but a share of nothing, once the shares are fixed for good.
        """
        log.warning("lease %s: %s", to_hex(self.lease), error)
        nothing = isinstance(error, Revert) and error.name == "Disputes_NothingToCollect"
        if not nothing or not isinstance(action, CollectGame):
            return
        confirmed = await self._confirmed()
        known = confirmed.games if confirmed is not None and confirmed.verdict.settled else ()
        if any(each.game == action.game and each.now == _game(board, each.game).now for each in known):
            self._done.add(action.game)

    async def _send(self, move: moves.Call, effect: str, due: Due | None = None) -> TxReceipt:
        return await self._sent(self.chain.blocking.disputes.move(move), effect, due)

    async def _sent(self, call: Call, effect: str, due: Due | None) -> TxReceipt:
        # What is not in a block by then is looked at anew: meanwhile something with a clock may be due.
        within = patience(self.chain.blocking.network)
        return await self.chain.send(call if due is None else call.by(due), effect, within)

    async def _at_stake(self, game: PlayedGame) -> Wei | None:
        """What silence in a game costs its challenger: its bond, and half of the lease's as a reward."""
        reward = await self.chain.run(lambda chain: chain.worth(self.bid.token, self.bid.bond // 2))
        return None if reward is None else Wei(reward + game.now.bond * _GWEI)

    @property
    def memory(self) -> int:
        """Bytes that the child keeps for the item's trace until the games are over; 0: it ran nothing yet."""
        return self._shop.memory if self._shop else 0

    async def _work(self) -> Workshop:
        if self._shop is None:
            self._shop = await self.workshop()
        return self._shop

    async def _work_or_none(self) -> Workshop | None:
        """A report that cannot say where a game is, is better than none."""
        try:
            return await self._work()
        except (InputError, TransientError) as error:
            log.info("lease %s: no own run to report from: %s", to_hex(self.lease), error)
            return None

    async def _charge(self, item: int) -> Charge:
        charge = await (await self._work()).accuse(item)
        if charge.job.hash != self.bid.job_hash:
            self._shop = None  # nor is anything else that it says to be believed
            raise TransientError("the worker took apart another job than the bid names")
        return charge

    async def _played(self, board: Board, case: Case) -> Played:
        """The case's games in the clear; replayed once a look, since shams can be many."""
        if self._replayed is None or self._replayed[0] is not board:
            self._replayed = (board, {})
        held = self._replayed[1]
        if case not in held:
            job = (await self._charge(case.item)).job
            held[case] = await trio.to_thread.run_sync(board.played, self.bid, case, job)
        return held[case]

    async def _reports(self, board: Board, doing: str, over: bool) -> tuple[GameReport, ...]:
        chain = self.chain.blocking
        reporter = self._reporter = self._reporter or Reporter(chain, self.bid)
        own = board.of(chain.address, self.item)
        shop = await self._work_or_none() if any(game.now.phase.live for game in own) else self._shop
        program = shop.files.program if shop else None
        found = []
        for game in own:
            try:
                played = await self._played(board, game.case) if shop else None
            except (InputError, TransientError) as error:  # the moves are made: no report undoes them
                log.info("lease %s: no own run to report from: %s", to_hex(self.lease), error)
                played = None
            report = await self.chain.run(lambda _: reporter.report(board, game, played, program))  # noqa: B023
            found.append(replace(report, doing=doing, over=over or game.game in self._done))
        return tuple(found)

    def _sentence(self, move: moves.ChallengerMove) -> str:
        program = self._shop.files.program if self._shop else None
        match move:
            case moves.Pick(index=index):
                return f"picked descendant {index}, the first that differs"
            case moves.Jump(siblings=siblings):
                return f"went {len(siblings)} levels down by what is known"
            case moves.Land(node=node) | moves.LandOnOutput(node=node):
                name = node_name(program, node) if program else ""
                return f"landed on node {node}" + (f" ({name})" if name else "")
            case moves.PickElement(number=number):
                return f"picked element {number}"
            case moves.PickSpan(number=number):
                return f"picked span {number}"
            case moves.Prove(number=number):
                return f"proved that element {number} is false"
            case moves.ProveSegment(segment=segment):
                return f"proved that segment {segment} is false"
            case moves.ProveOutside():
                return "proved that bytes outside the shape are not zero"
            case moves.Resign():
                return "gave the game up"

    def _told(self, line: str) -> str:
        self.tell(line)
        return line


_ANEW = 4
"""Times what a run took, after which one that was too slow is made anew."""
_CONTRADICTED = "it shows another trace than in the audit, whose end convicts it"
_UNDONE = "what the audit had shown is on the chain no more"
_MOST_ATTEMPTS = 64
_GWEI = 10**9


def _confirmed_board(chain: Chain, bid: Bid, since: BlockNo) -> Board | None:
    """The board as of the newest confirmed block, if the deployment is older; blocking."""
    at = chain.scanner.confirmed_head()
    return read_board(chain, bid, since, at) if at >= chain.deployment.block else None


def _game(board: Board, game: Hash32) -> PlayedGame:
    return next(each for each in board.games if each.game == game)


def _effect(kind: str, game: PlayedGame) -> str:
    """Names a transaction by its cause: the game and the state that it answers."""
    return f"{kind} {game.game.hex()} {game.now.pack():x}"


def _short(game: Hash32) -> str:
    return to_hex(game)[:10]
