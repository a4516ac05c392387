"""Whole disputes between an honest challenger or provider and whoever is not."""

from protocol.dispute.answers import Answering, answer
from protocol.dispute.claims import claim_of
from protocol.dispute.moves import ClaimSilence, Collect, Resign, Settle
from protocol.dispute.picks import Accusing, next_move
from protocol.dispute.records import Conviction
from protocol.dispute.trace import Trace
from protocol.types import Address, Hash32
from tests.dispute_cast import Picker
from tests.dispute_table import OPERATOR, OWNER, TERMS, Table, salts

MOST_MOVES = 60


def answering(table: Table) -> Answering:
    """The provider's key."""
    return Answering(OWNER, Hash32(table.bid.struct_hash()), OPERATOR)


def answer_or_fall_silent(table: Table, game: Hash32) -> bool:
    """The provider's answer out of what it posted; if the contract takes none, its clock runs out."""
    for _ in range(2):
        call = answer(table.case, table.view(game), table.posted, answering(table))
        if call is None:
            return True
        if table.do(call, OPERATOR) is not None:
            table.silence(game)
            return False
    return True


def accuse(table: Table, own: Trace, challenger: Address, salt: Hash32) -> Hash32:
    """An honest challenger's game, played until it ends. No call of the challenger may be refused."""
    game = table.open(challenger, table.seal(own, challenger, salt))
    by = Accusing(table.bid, own, table.posted.output_roots)
    for _ in range(MOST_MOVES):
        if not table.view(game).phase.live:
            return game
        table.wait(table.rng.randint(1, 3))
        call = next_move(table.played, table.view(game), by)
        if call is None:
            answer_or_fall_silent(table, game)
        else:
            assert not isinstance(call, Resign), table.view(game)
            error = table.do(call, challenger)
            assert error is None, (error, call)
    raise AssertionError("the game does not end")


def harass(table: Table, challenger: Address, rounds: int) -> Hash32:
    """A challenger that picks at random against what the provider posted. It may be left in the middle."""
    game = table.open(challenger, salts(table.rng))
    picker = Picker(table.rng, table.posted)
    for _ in range(rounds):
        if not table.view(game).phase.live:
            break
        table.wait(table.rng.randint(0, 2))
        call = picker.move(table.played, table.view(game))
        if call is not None:
            table.do(call, challenger)
        if table.view(game).phase.provider_moves and table.view(game).phase.live:
            call_ = answer(table.case, table.view(game), table.posted, answering(table))
            assert call_ is not None
            if table.do(call_, OPERATOR) is not None:
                break
    return game


def collect_all(table: Table, own: Trace, game: Hash32, challenger: Address, salt: Hash32) -> int:
    """After a conviction: the claim, the settlement, and the challenger's share."""
    lease_id, seal = table.bid.lease_id(), table.view(game).seal
    sentence = table.state.sentences[lease_id]
    if sentence.how is Conviction.PROVEN:
        place = table.state.places[lease_id]
        error = table.do(claim_of(own, table.case, place, salt), challenger)
    else:
        error = table.do(ClaimSilence(table.case, seal), challenger)
    assert error is None, (error, sentence)
    table.now = sentence.since + TERMS.claim_period + 1
    assert table.do(Settle(table.bid), challenger) is None
    before = table.state.shares.get(challenger, 0)
    assert table.do(Collect(table.bid, table.case, seal), challenger) is None
    return table.state.shares[challenger] - before


def finish(table: Table, game: Hash32) -> None:
    """Whatever a sham game waits for does not come."""
    if table.view(game).phase.live and not table.state.sentences:
        table.silence(game)
