"""Makes reports of games out of what the chain shows."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from protocol.chain.client import Chain
from protocol.chain.dispute_events import Collected, GameLost, Judged, SealOpened
from protocol.chain.game_steps import PlayedGame
from protocol.dispute import moves
from protocol.dispute.facts import depth_of
from protocol.dispute.records import Conviction
from protocol.dispute.replay import Played, View
from protocol.games.board import Board, costs_of
from protocol.games.report import GameReport
from protocol.messages import Bid
from protocol.types import Blocks, Hash32, Wei, to_hex

_GWEI = 10**9


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
        left = Blocks(max(0, state.moved_at + state.mover_left - board.now) if live else 0)
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
            clock_left=left,
            seconds_left=self.chain.network.seconds(left),
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
    paid = any(isinstance(event, Collected) and event.reward for event in game.others)
    share = ", a share of the reward is claimed" if claimed else ""
    share = ", its share of the reward is paid" if paid else share
    return f"{mine} convicted the provider {by}{share}"
