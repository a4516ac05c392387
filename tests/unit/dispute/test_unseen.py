"""Moves of wallet contracts that nobody saw are found in the provider's own trace."""

from dataclasses import replace
from random import Random

from protocol.dispute.moves import Jump, Land, LandOnOutput, Made
from protocol.dispute.names import Case, Position
from protocol.dispute.records import Game, Phase
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.shown import TRACE
from protocol.dispute.trace import Trace, plan
from protocol.dispute.unseen import unseen
from protocol.tape.builder import TapeBuilder
from protocol.tape.dtypes import DType
from protocol.tape.merkle import PLAIN, Bytes
from protocol.types import ZERO_HASH, Address, Hash32, LeaseId
from tests.dispute_cast import work
from tests.dispute_play import harass
from tests.dispute_table import Table
from tests.strategies.tapes import random_tape

SHAM = Address(b"\x66" * 20)


def word_of(view: View, made: Made) -> Game:
    """The part of the game's word that `Moved` would show after this move."""
    return Game(
        view.phase,
        moved_at=made.at,
        path=view.path,
        levels=view.levels,
        shown=view.shown,
        chosen=view.chosen,
        tag=view.tag,
    )


def test_each_jump_and_landing_is_found_from_the_games_word() -> None:
    found: dict[type, int] = {Jump: 0, Land: 0, LandOnOutput: 0}
    for seed in range(20):
        rng = Random(seed)
        tape, item = random_tape(rng, rng.choice((1, 2, 5, 8, 20, 40)))
        job = work(rng, tape, item)
        table = Table(job, job.honest, rng)
        for _ in range(2):
            harass(table, SHAM, 25)
        played = Played(table.case, job.plan.job)
        for made in table.moves:
            after = follow(played, made)
            if isinstance(made.move, Jump | Land | LandOnOutput):
                state = word_of(after.views[made.game], made)
                assert unseen(played, made.game, state, job.honest) == made
                other = replace(state, tag=state.tag ^ 1)
                assert unseen(played, made.game, other, job.honest) is None
                found[type(made.move)] += 1
            played = after
    assert all(found.values()), found


class CountingHasher:
    """The plain hasher, with a tally of what it hashed in bulk."""

    def __init__(self) -> None:
        self.hashes = 0

    def leaves(self, data: Bytes, rows: int, row_bytes: int) -> bytes:
        return self._tally(PLAIN.leaves(data, rows, row_bytes))

    def parents(self, layer: bytes, pad: bytes) -> bytes:
        return self._tally(PLAIN.parents(layer, pad))

    def whole(self, data: bytes) -> bytes:
        return self._tally(PLAIN.whole(data))

    def _tally(self, hashes: bytes) -> bytes:
        self.hashes += len(hashes) // 32
        return hashes


class CountingTrace(Trace):
    """A trace, with a tally of the nodes that it was asked for."""

    asked = 0

    def hash_at(self, which: int, height: int, index: int) -> Hash32:
        self.asked += 1
        return super().hash_at(which, height, index)


def test_what_many_games_hide_costs_one_table_and_a_look_up_each() -> None:
    """Strangers choose the tape, and let many games land in secret on its last node. No game tries all."""
    nodes, games, hasher = 300, 12, CountingHasher()
    b = TapeBuilder()
    value = b.input(DType.F32, (1, 3))
    for _ in range(nodes):
        value = b.map(lambda v: v * v, value)
    tape, _ = b.build([value])
    job = plan(tape, [ZERO_HASH], hasher)
    trace = CountingTrace(job, 0, [bytes(12)] * (nodes + 1), hasher)
    case = Case(LeaseId(bytes(32)), job.job.hash, 0, trace.item_root)
    depth, node = trace.tree.depth, job.inner - 1
    siblings = tuple(trace.hash_at(TRACE, up, node >> up ^ 1) for up in range(depth))
    where = (node, job.headers[node], tuple(job.nodes.proof(node)), trace.hash_at(TRACE, 0, node), siblings)
    views, landed = {}, {}
    for number in range(games):
        game, position = Hash32(number.to_bytes(32)), Position(trace.root, operator=SHAM)
        views[game] = View(game, SHAM, game, Phase.PICK, position, levels=depth)
        landed[game] = Made(Land(case, game, position, job.job, *where), SHAM, 77, game)
    played = Played(case, job.job, trace.root, views)
    words = {game: word_of(follow(played, made).views[game], made) for game, made in landed.items()}
    hasher.hashes = trace.asked = 0
    for game, made in landed.items():
        assert unseen(played, game, words[game], trace) == made
    # What stands left of every node, its site and its position.
    assert hasher.hashes <= 3 * (nodes + 1), "one table serves all games"
    assert trace.asked <= games * 2 * (depth + 1), "a jump is tried, and the node that the table names"
