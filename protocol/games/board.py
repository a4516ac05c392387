"""Everything about one lease's games, as the chain has it now. Blocking."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from protocol.chain.calls import Due
from protocol.chain.client import Chain
from protocol.chain.dispute_events import Challenged, Collected, Judged, SealOpened
from protocol.chain.events import topic_of
from protocol.chain.fees import ceiling, fee_now
from protocol.chain.game_steps import PlayedGame, Step, opened_with
from protocol.chain.games import in_order
from protocol.chain.views import LeaseState, LeaseView
from protocol.dispute.challenger import Own, Table
from protocol.dispute.moves import Made
from protocol.dispute.names import Case, Job
from protocol.dispute.purse import OPENING_GAS, Limits, Purse
from protocol.dispute.records import Game, Phase, Place, Verdict
from protocol.dispute.replay import Played, replay
from protocol.messages import Bid
from protocol.types import Address, BlockNo, Hash32, Wei

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Board:
    """One look. `block` is the chain's block number, `now` the Escrow's clock."""

    block: BlockNo
    now: BlockNo
    lease: LeaseView
    verdict: Verdict
    games: tuple[PlayedGame, ...]
    """All ever opened on the lease, by whomever, oldest first."""

    @property
    def ended(self) -> bool:
        """Whether the lease is over, as of this block."""
        return self.lease.state is not LeaseState.NONE and not self.lease.state.live

    @property
    def place(self) -> Place | None:
        """Where a conviction by proof stands."""
        judged = (event for game in self.games for event in game.others if isinstance(event, Judged))
        return next((event.place for event in judged), None)

    def of(self, challenger: Address, item: int | None = None) -> tuple[PlayedGame, ...]:
        """Return the games of one challenger; `item`: only those about it."""
        mine = (game for game in self.games if game.opened.challenger == challenger)
        return tuple(game for game in mine if item in (None, game.case.item))

    def played(self, bid: Bid, case: Case, job: Job) -> Played:
        """Return the games about a case, in the clear, and what they opened.

        Also those that a contract opened: the trace that the provider posted in one holds for all.
        """
        games = [cut(opened_with(game, bid, job)) for game in self.games if game.case == case]
        return replay(case, job, made_of(in_order(games)))


def read_board(chain: Chain, bid: Bid, since: BlockNo, at: BlockNo | None = None) -> Board:
    """Return the board of the lease of `bid`, as of block `at` or the newest one.

    `since`: a block not after its opening.
    """
    block, tag = (chain.block_number(), "latest") if at is None else (at, at)
    games = chain.games_of(bid, since=since, until=block)
    lease = bid.lease_id()
    return Board(block, chain.clock(tag), chain.lease(lease, tag), chain.verdict(lease, tag), games)


def cut(game: PlayedGame) -> PlayedGame:
    """The game up to the first move that its transaction does not show; all of it, as a rule.

    Only a challenger that plays through a contract hides moves: its game is not ours, and what it opened
    until then holds.
    """
    hidden = next((at for at, step in enumerate(game.steps) if step.made is None), len(game.steps))
    return PlayedGame(game.opened, game.case, game.steps[:hidden], game.others, game.now, game.position)


def made_of(steps: Iterable[Step]) -> tuple[Made, ...]:
    """Return the moves of steps."""
    return tuple(step.made for step in steps if step.made is not None)


def table_of(
    board: Board,
    bid: Bid,
    me: Address,
    *,
    claim_period: int,
    suspect: int | None,
    purse: Purse | None,
    item: int | None = None,
    done: frozenset[Hash32] = frozenset(),
    prepares: bool = False,
) -> Table:
    """Return what the judge looks at. `done`: own games that give nothing more; `item`: as in `Board.of`."""
    cases = Counter(game.case for game in board.games)
    own = tuple(
        Own(game.game, game.case, game.now, waits=game.now.phase is Phase.REVEAL and cases[game.case] > 1)
        for game in board.of(me, item)
        if game.game not in done
    )
    return Table(
        now=board.now,
        posted=board.lease.state is LeaseState.POSTED,
        ended=board.ended,
        window_end=board.lease.last_beat + bid.challenge_window,
        verdict=board.verdict,
        place=board.place,
        claim_period=claim_period,
        own=own,
        suspect=suspect,
        purse=purse,
        prepares=prepares,
    )


def read_purse(chain: Chain, bid: Bid, items: int, limits: Limits, due: Due | None = None) -> Purse:
    """Return what a game about the lease would cost now, and what there is for it.

    `due`: what is lost if none is opened, and by when.
    """
    most = opening_ceiling(chain, due)
    openings = _openings_of_day(chain)
    values = chain.node.transactions([each.at.tx for each in openings])
    return Purse(
        coin=chain.balance(chain.address),
        bond=chain.bond(bid, items, most),
        gas_price=fee_now(chain.node, chain.network.fees, most).max_fee,
        bonds_of_day=Wei(sum(each.value for each in values)),
        games_of_day=len(openings),
        limits=limits,
        pressing=due is not None,
    )


def opening_ceiling(chain: Chain, due: Due | None) -> Wei:
    """Return the most that a unit of gas may cost an opening, and so what its bond is reckoned with."""
    return ceiling(chain.network.fees, due, chain.clock(), OPENING_GAS)


def bond_now(chain: Chain, bid: Bid, items: int, due: Due | None = None) -> Wei:
    """Return the bond of a game that is opened now; `due` as in `read_purse`."""
    return chain.bond(bid, items, opening_ceiling(chain, due))


def still_holds(game: Game) -> bool:
    """Whether a game may still hold a bond or a share."""
    return game.phase not in (Phase.NONE, Phase.LOST) and (game.bond > 0 or game.phase is Phase.CLAIMED)


def openings_by(chain: Chain, me: Address, first: BlockNo) -> tuple[Challenged, ...]:
    """Return every game that `me` opened since a block."""
    topic = topic_of(chain.disputes.abi, "Challenged")
    topics = (topic, None, None, bytes(12) + me)
    found = chain.scanner.between(first, chain.block_number(), topics)
    return tuple(event for event in found if isinstance(event, Challenged))


def _openings_of_day(chain: Chain) -> tuple[Challenged, ...]:
    blocks = _DAY_S // max(1, chain.network.seconds_per_block)
    first = max(chain.deployment.block, chain.block_number() - blocks)
    return openings_by(chain, chain.address, BlockNo(first))


def costs_of(chain: Chain, game: PlayedGame, known: dict[Hash32, tuple[int, Wei]]) -> tuple[int, Wei]:
    """Return gas and coin that the challenger's transactions of a game took. `known` remembers receipts."""
    mine = {step.at.tx for step in game.steps if step.made and step.made.by == game.opened.challenger}
    mine |= {event.at.tx for event in game.others if isinstance(event, SealOpened | Collected)}
    for tx in mine - known.keys():
        if found := chain.node.receipt(tx):
            known[tx] = (found[0].gas_used, found[0].fee)
    spent = [known[tx] for tx in mine if tx in known]
    return sum(gas for gas, _ in spent), Wei(sum(fee for _, fee in spent))
