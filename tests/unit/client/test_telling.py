"""What the user hears when a lease moves on, and what it says it cost."""

from dataclasses import replace
from types import SimpleNamespace

from client_sdk.commands.running import question
from client_sdk.following import Follower
from client_sdk.job_run import JobRun
from client_sdk.outcome import Quote
from client_sdk.progress import Kind
from client_sdk.telling import changes, cost_of, state_name
from protocol.chain.views import LeaseState
from protocol.lease.client_types import Phase, Settlement, Stage, Work
from protocol.types import Amount, several
from tests.unit.auction.answers import TOKEN, UNIT, bid
from tests.unit.lease.test_client import FINAL, GOOD, NEW, OPEN, POSTED, RESULT, STARTED, run, saw

MONEY = Settlement(Amount(3 * TOKEN), Amount(7 * TOKEN), Amount(0), Amount(TOKEN))


def texts(before, after):
    return [(each.kind, each.text) for each in changes(before, after, UNIT)]


def test_each_step_is_told_once():
    assert texts(None, OPEN) == [(Kind.STATE, "lease opened, the provider fetches program and inputs")]
    assert texts(OPEN, STARTED) == [(Kind.STATE, "running, the stream has begun")]
    assert [kind for kind, _ in texts(STARTED, RESULT)] == [Kind.STATE, Kind.STATE]
    assert texts(RESULT, GOOD) == [(Kind.RESULT, "result: /tmp/out")]
    assert texts(GOOD, GOOD) == []


def test_the_end_tells_how_the_money_went():
    final, _ = run(saw(500, FINAL), state=GOOD)
    settled = replace(final, settlement=MONEY)
    assert texts(GOOD, final) == [(Kind.STATE, "the result is final")]
    assert texts(final, settled) == [(Kind.END, "paid 3 GVL, refunded 7 GVL, burnt 1 GVL")]


def test_trouble_is_told_with_its_reason():
    wrong = replace(RESULT, work=Work.WRONG, reason="the result is wrong")
    assert texts(RESULT, wrong) == [(Kind.TROUBLE, "the result is wrong")]
    refused = replace(STARTED, reason="the chain refused")
    assert texts(STARTED, refused) == [(Kind.TROUBLE, "the chain refused")]


def test_cost_follows_the_chain_and_ends_at_what_was_paid():
    rate = bid(3).rate_per_block
    running = replace(STARTED, chain=replace(STARTED.chain, paid_blocks=4))
    assert (cost_of(NEW), cost_of(running)) == (0, 4 * rate)
    # An advance goes back: a job that brought nothing cost nothing.
    assert cost_of(replace(running, phase=Phase.REFUNDED)) == 0
    assert cost_of(replace(running, phase=Phase.FINAL, settlement=MONEY)) == 3 * TOKEN


def test_states_have_short_names():
    assert state_name(STARTED) == "running"
    assert state_name(GOOD) == "checked"
    assert state_name(replace(RESULT, work=Work.LOST)) == "posted-lost"
    assert state_name(run(saw(500, replace(POSTED, stage=Stage.FINALIZED)), state=GOOD)[0]) == "final"


def test_running_cost_counts_what_streamed_since_the_last_beat():
    rate = bid(3).rate_per_block
    assert cost_of(STARTED, 4) == 4 * rate
    beaten = replace(STARTED, chain=replace(STARTED.chain, paid_blocks=6))
    assert cost_of(beaten, 4) == 6 * rate
    # Before the start and after a result nothing streams: the chain's figure is the whole.
    assert cost_of(OPEN, 4) == 0
    assert cost_of(RESULT, 400) == cost_of(RESULT)
    refused = replace(STARTED, reason="the chain refused")
    assert [each.cost for each in changes(STARTED, refused, UNIT, 4)] == [4 * rate]


class Running(JobRun):
    """A job whose lease runs, without the loop that would move it."""

    def lease_state(self):
        return STARTED


def test_an_end_that_was_seen_at_a_made_up_number_is_not_held_back_for_so_many_blocks():
    chain = SimpleNamespace(blocking=SimpleNamespace(network=SimpleNamespace(confirmations=3)))
    follower = Follower(chain=chain, node=None, domain=None, bidders=None, runs=list)
    view = SimpleNamespace(state=LeaseState.FINALIZED)
    seen = [follower._settled(b"\1", view, block) for block in (1_000_000, 20, 21, 22)]
    assert seen == [False, False, False, True]


def test_trouble_with_the_chain_shows_what_the_job_has_cost():
    job = Running(folder=None, record=None, purse=None, results=None, items=(1, 2), streamed=4)
    follower = Follower(chain=None, node=None, domain=None, bidders=None, runs=lambda: [job])
    follower._trouble("the chain does not answer")
    (told,) = job.story.events
    assert (told.kind, told.text) == (Kind.TROUBLE, "the chain does not answer")
    assert told.cost == 4 * bid(3).rate_per_block > 0


def test_the_question_names_the_token_and_rounds_up():
    best = Quote("0x12345678ab", "0.002305555555555574", "1", 0, 1, "0", "1", "1", "new", "")
    assert question(best, UNIT) == "Open the bid of 0x12345678 for at most 0.002306 GVL?"
    audited = replace(best, price="1", audits="0.1234567")
    assert (
        question(audited, UNIT)
        == "Open the bid of 0x12345678 for at most 1 GVL, and pay 0.123457 GVL for audits?"
    )


def test_one_is_no_plural():
    assert [several(n, "block") for n in (0, 1, 2)] == ["0 blocks", "1 block", "2 blocks"]
