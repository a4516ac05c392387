"""A game's way down, drawn for people: from an item to the one step that the contract computed."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from protocol.chain.game_steps import PlayedGame
from protocol.dispute import moves
from protocol.dispute.facts import F32, Facts, facts_of
from protocol.dispute.records import Place
from protocol.dispute.replay import Landing, Played, View, follow
from protocol.games.board import cut, made_of
from protocol.games.reporter import node_name

_KINDS = ("", "MAP", "CONTRACT", "REDUCE", "MOVE", "GATHER", "JOIN")
_DTYPES = ("", "f32", "i32", "i8")


def draw(game: PlayedGame, program: Path | None = None, place: Place | None = None) -> list[str]:
    """Return the drawing, a line each move.

    `program`: the file that nodes' names lie beside; `place`: where the conviction stands.
    """
    first = game.steps[0].made
    if first is None or not isinstance(first.move, moves.Challenge):
        return ["the game was opened through a contract: its moves cannot be drawn"]
    return list(_Drawing(game, first.move, program, place).lines())


@dataclass(frozen=True)
class _Drawing:
    game: PlayedGame
    opening: moves.Challenge
    program: Path | None
    place: Place | None

    def lines(self) -> Iterator[str]:
        """Each line is indented by how far down it is."""
        job = self.opening.job
        yield f"item {self.opening.item} of {job.items}"
        opening, *rest = made_of(cut(self.game).steps)
        played = follow(Played(self.game.case, job), opening)
        depth = 1
        for made in rest:
            text = self._text(played.views[self.game.game], made.move)
            if text:
                yield "   " * (depth - 1) + "└─ " + text
            if isinstance(made.move, moves.Land | moves.LandOnOutput | moves.PickElement):
                depth += 1
            played = follow(played, made)
        if self.place is not None:
            yield "   " * depth + _sentence(self.place, played.views[self.game.game])

    def _text(self, view: View, move: moves.Move) -> str:
        match move:
            case moves.PostTrace():
                inner = self.opening.job.program.inner
                return f"trace of {inner} inner nodes: the provider shows {_count(move.children)}"
            case moves.Pick():
                return f"number {move.index + 1} differs first"
            case moves.Jump():
                return f"{len(move.siblings)} levels further down, as another game has shown"
            case moves.Land():
                return self._node(move.node, _facts(view, move.node, move.header, self.opening))
            case moves.LandOnOutput():
                facts = _facts(view, move.node, move.header, self.opening)
                return "all inner nodes agree; output " + self._node(move.node, facts)
            case moves.Reveal():
                return f"the provider shows {_count(move.children)} below it"
            case moves.RevealLeaves():
                return f"the provider shows {_count(move.leaves, 128)} of 128 bytes"
            case moves.PickElement():
                return _element(view.landed, move.number)
            case moves.ShowRunning():
                return f"the provider shows {_count(move.values, 4)} running values"
            case moves.PickSpan():
                return f"span {move.number + 1} differs first"
            case moves.ShowSpan():
                return f"the provider shows {_count(move.values, 4)} running values of the span"
            case moves.ProveSegment():
                return f"segment {move.segment + 1} of {view.landed.facts.segments} is computed on chain"
            case moves.Prove():
                return f"{_element(view.landed, move.number)} is computed on chain"
            case moves.ProveOutside():
                return f"byte {move.offset} of leaf {move.index} lies outside the shape and is not zero"
            case _:
                return ""

    def _node(self, node: int, facts: Facts) -> str:
        name = node_name(self.program, node) if self.program else ""
        named = f" {name!r}" if name else ""
        chain = f", sums of {facts.chain} terms" if facts.chain else ""
        shape = f"{facts.rows} x {facts.columns} {_DTYPES[facts.dtype]}"
        return f"node {node}{named}: {_KINDS[facts.kind]}, {shape}{chain}"


def _sentence(place: Place, view: View) -> str:
    floating = view.landing is not None and view.landing.facts.dtype == F32 and place.width == 4
    said = _number(place.claimed, floating)
    if place.exact:
        return f"the provider's element is {said}, the contract computed {_number(place.right, floating)}"
    return f"the provider's element is {said}; one segment of its sum is false"


def _facts(view: View, node: int, header: bytes, opening: moves.Challenge) -> Facts:
    program = opening.job.program
    return view.landing.facts if view.landing else facts_of(header, 0, node, program.first, program.inner)


def _element(landing: Landing, number: int) -> str:
    row, column = divmod(number, landing.facts.columns)
    return f"element {number} (row {row}, column {column})"


def _count(shown: "tuple[object, ...] | bytes", size: int = 1) -> int:
    return len(shown) // size


def _number(word: int, floating: bool) -> str:
    return f"{struct.unpack('>f', word.to_bytes(4, 'big'))[0]:.9g} (0x{word:08x})" if floating else str(word)
