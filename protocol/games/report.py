"""A game for people: where it stands, whose move it is, what it cost, how it ended."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from protocol.auction.money import Unit
from protocol.chain.client import Chain
from protocol.chain.dispute_events import Collected, GameLost, Judged, SealOpened
from protocol.chain.game_steps import PlayedGame
from protocol.dispute import moves
from protocol.dispute.facts import depth_of
from protocol.dispute.purse import COIN
from protocol.dispute.records import Conviction, Phase
from protocol.dispute.replay import Played, View
from protocol.games.board import Board, costs_of
from protocol.messages import Bid
from protocol.types import Hash32, Wei, to_hex

_GWEI = 10**9
_OWED = {
    Phase.TRACE: "to post its trace",
    Phase.PICK: "to pick what differs",
    Phase.REVEAL: "to open the picked node",
    Phase.CHAIN: "to show the element's running values",
    Phase.SPAN: "to pick a span",
    Phase.RUNNING: "to show the span's running values",
    Phase.PROVE: "to prove the false segment",
}


@dataclass(frozen=True, slots=True)
class GameReport:
    """One game. Ids are hex, coin in wei, rewards in the token's smallest unit; -1: not known (yet)."""

    game: str
    lease: str
    owner: str
    item: int
    phase: str
    mover: str
    """"provider", "challenger", or "" when nobody is to move."""
    at: int
    """Clock reading of this report."""
    clock_left: int
    """Of the mover."""
    opened_at: int
    moves: int
    levels: int
    """Levels gone down so far, of the trace and of the node's tensor together."""
    node: int
    node_name: str
    element: int
    segment: int
    """Of the element's chain."""
    bond: Wei
    """As it was put down."""
    bond_left: Wei
    gas: int
    fees: Wei
    expected: int
    """Most that the reward can come to, shared with whoever else claims."""
    coin_back: Wei
    reward: int
    symbol: str
    """Of the reward's token."""
    decimals: int
    outcome: str
    doing: str = ""
    """What the player does or waits for."""
    over: bool = False

    def sentence(self) -> str:
        """Return the game in a few lines."""
        where = f"item {self.item}, {self.levels} levels down"
        if self.node >= 0:
            name = f" ({self.node_name})" if self.node_name else ""
            where += f", node {self.node}{name}"
        where += f", element {self.element}" if self.element >= 0 else ""
        where += f", segment {self.segment}" if self.segment >= 0 else ""
        token = Unit(self.symbol, self.decimals)
        cost = f"gas {self.gas} for {COIN.short(self.fees)} coin, bond {COIN.short(self.bond)} coin"
        lines = [f"game {self.game} on lease {self.lease} of {self.owner}", f"  {where}"]
        if self.mover and not self.over:
            owed = _OWED.get(Phase[self.phase.upper()], "")
            lines.append(f"  the {self.mover} is {owed}, {self.clock_left} left on its clock")
            lines.append(f"  {cost}, reward up to {token.about(self.expected)}")
        else:
            got = f"{COIN.short(self.coin_back)} of it back, reward {token.about(self.reward)}"
            lines.append(f"  {self.outcome or self.phase}")
            lines.append(f"  {cost}, {got}")
        if self.doing and not self.over:
            lines.append(f"  {self.doing}")
        return "\n".join(lines)


@dataclass
class Reporter:
    """Makes the reports of one lease's games; blocking. Receipts that it has read it keeps."""

    chain: Chain
    bid: Bid
    receipts: dict[Hash32, tuple[int, Wei]] = field(default_factory=dict)

    def report(
        self, board: Board, game: PlayedGame, played: Played | None, program: Path | None
    ) -> GameReport:
        """Return the report of one game; `played`: its case in the clear, if that is known."""
        state, view = game.now, played.views.get(game.game) if played else None
        landing = view.landing if view else None
        gas, fees = costs_of(self.chain, game, self.receipts)
        got = [event for event in game.others if isinstance(event, Collected)]
        live = state.phase.live and board.verdict.how is Conviction.NONE
        token = self.chain.deployment.tokens[self.bid.token]
        withdrawn = self.chain.money(self.bid).withdrawn if live else 0
        return GameReport(
            game=to_hex(game.game),
            lease=to_hex(game.case.lease_id),
            owner=to_hex(self.bid.owner),
            item=game.case.item,
            phase=state.phase.name.lower(),
            mover=("provider" if state.phase.provider_moves else "challenger") if live else "",
            at=board.now,
            clock_left=max(0, state.moved_at + state.mover_left - board.now) if live else 0,
            opened_at=state.opened_at,
            moves=len(game.steps),
            levels=_levels(played, view),
            node=landing.node if landing else -1,
            node_name=node_name(program, landing.node) if landing and program else "",
            element=_element(game, view),
            segment=_segment(game, view),
            bond=Wei(self.chain.node.transactions([game.opened.at.tx])[0].value),
            bond_left=Wei(state.bond * _GWEI),
            gas=gas,
            fees=fees,
            expected=(self.bid.bond - withdrawn) // 2 if live else -1,
            coin_back=Wei(sum(event.coin for event in got)),
            reward=sum(event.reward for event in got),
            symbol=token.symbol,
            decimals=token.decimals,
            outcome=_outcome(board, game),
        )


def node_name(program: Path, node: int) -> str:
    """Return a node's name, from the names that lie beside a program where it was made; else empty."""
    try:
        names = json.loads(program.with_name(program.name + ".names").read_text(encoding="utf-8"))["nodes"]
        return str(names[node])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return ""


def _levels(played: Played | None, view: View | None) -> int:
    """How far down the anchor is: in the trace, and in the tensor that the game landed on."""
    if played is None or view is None:
        return 0
    trace = depth_of(played.job.program.inner)
    return trace - view.levels if view.landing is None else trace + view.landing.facts.depth - view.levels


def _element(game: PlayedGame, view: View | None) -> int:
    for step in reversed(game.steps):
        match step.made.move if step.made else None:
            case moves.Prove(number=number) | moves.PickElement(number=number):
                return number
            case moves.ProveOutside(index=index, offset=offset) if view and view.landing:
                # No element: bytes of the padding of the row's last leaf.
                facts = view.landing.facts
                return facts.element_at(index, offset) if facts.is_inside(index, offset) else -1
            case _:
                continue
    return -1


def _segment(game: PlayedGame, view: View | None) -> int:
    made = [step.made.move for step in game.steps if step.made]
    span = next((move.number for move in made if isinstance(move, moves.PickSpan)), 0)
    proof = next((move for move in made if isinstance(move, moves.ProveSegment)), None)
    if proof is None or view is None or view.landing is None:
        return -1
    return span * view.landing.facts.per_span + proof.segment


def _outcome(board: Board, game: PlayedGame) -> str:
    verdict = board.verdict
    if any(isinstance(event, GameLost) for event in game.others):
        return "lost: the bond went to the provider's owner"
    if verdict.how is Conviction.NONE:
        return ""
    by = "by a proof" if verdict.how is Conviction.PROVEN else "by the provider's silence"
    mine = "this game" if any(isinstance(event, Judged) for event in game.others) else "a game"
    claimed = any(isinstance(event, SealOpened) for event in game.others)
    share = ", a share of the reward is claimed" if claimed else ""
    return f"{mine} convicted the provider {by}{share}"
