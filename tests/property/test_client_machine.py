"""Stateful tests of the client's two machines under hostile, late, repeated and contradictory inputs."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.auction import auction
from protocol.auction.scoring import flaw
from protocol.lease import client
from protocol.lease import client_types as lease
from protocol.lease.client_types import Phase, Stage, Work
from protocol.lease.common_types import DidNotCheck, DidNotFetch, DidNotSend
from protocol.runtime.codec import Codec
from protocol.types import Amount, ArtifactId, BlockNo, Blocks, Hash32
from tests.unit.auction.answers import HEIGHT, OFFER, TOKEN, WISH, bid, entry, market, owner, standing

ROOTS = st.sampled_from([Hash32(b"\x11" * 32), Hash32(b"\x22" * 32)])
SPANS = st.integers(0, 200)
CONDUCT = lease.Conduct(1_000, Blocks(5), Blocks(50), Blocks(3))
GOT = lease.Outputs(ArtifactId(b"\x33" * 32), b"receipt")
MONEY = lease.Settlement(Amount(1), Amount(2), Amount(3), Amount(4))

QUICK = settings(max_examples=60, stateful_step_count=40, deadline=None)

verdicts = st.builds(lease.Verdict, ROOTS, ROOTS, st.integers(0, 9), st.none() | st.integers(0, 9))
chain_words = st.builds(
    lease.ChainLease,
    stage=st.sampled_from(list(Stage)),
    start_by=SPANS.map(BlockNo),
    started_at=SPANS.map(BlockNo),
    result_by=SPANS.map(BlockNo),
    posted_at=SPANS.map(BlockNo),
    output_root=ROOTS,
    freezes=st.integers(0, 1),
)
anything = st.one_of(
    st.builds(lease.SawLease, st.integers(0, 900).map(BlockNo), chain_words),
    st.builds(lease.SawHolds, st.integers(0, 900).map(BlockNo)),
    st.just(lease.DidFetch(GOT)),
    st.builds(DidNotFetch, st.just("bad bytes")),
    st.builds(lease.DidCheck, verdicts),
    st.builds(DidNotCheck, st.just("no outputs")),
    st.just(lease.DidSave("/out")),
    st.just(lease.DidNotSave("disk full")),
    st.just(lease.DidSettle(MONEY)),
    st.builds(
        DidNotSend, st.sampled_from(["SendClose", "SendExpire", "SendFinalize", "EndHolds"]), st.just("no")
    ),
    st.just(lease.AskedCancel()),
    st.just(lease.AskedFetch()),
)


class HostileLease(RuleBasedStateMachine):
    """Anything may be said at any time; what the machine promises holds all the same."""

    def __init__(self):
        super().__init__()
        self.state = lease.ClientLease(bid(3), CONDUCT)
        self.codec = Codec(lease.ClientLease)
        self.keys = set()
        self.asked = False
        self.right = None

    @rule(value=anything)
    def say(self, value):
        before = self.state
        self.asked |= isinstance(value, lease.AskedCancel)
        done = client.step(before, value)
        if any(isinstance(each, lease.Rejected) for each in done.effects):
            assert done.state == before
            assert len(done.effects) == 1
            return
        self.state = done.state
        if isinstance(value, lease.DidCheck) and before.work == Work.CHECKING:
            self.right = value.verdict
        for effect in done.effects:
            self.judge(effect)

    @rule(
        step=st.integers(1, 60), stage=st.sampled_from([Stage.OPENED, Stage.RUNNING]), span=st.integers(0, 40)
    )
    @precondition(lambda self: self.state.phase in (Phase.OPENING, Phase.OPENED, Phase.RUNNING))
    def go_on(self, step, stage, span):
        now = self.state.height + step
        word = lease.ChainLease(stage, start_by=BlockNo(now + span - 20), result_by=BlockNo(now + span - 20))
        self.say(lease.SawLease(BlockNo(now), word))

    @rule(step=st.integers(1, 60), root=ROOTS)
    @precondition(lambda self: self.state.phase in (Phase.RUNNING, Phase.CLOSING))
    def post(self, step, root):
        now = BlockNo(self.state.height + step)
        self.say(lease.SawLease(now, lease.ChainLease(Stage.POSTED, posted_at=now, output_root=root)))

    @rule(lie=st.sampled_from(["", "", "own", "both"]))
    @precondition(lambda self: self.state.work in client.AT_WORK)
    def work(self, lie):
        root, other = self.state.chain.output_root, Hash32(b"\x44" * 32)
        own, claimed = other if lie else root, other if lie == "both" else root
        match self.state.work:
            case Work.FETCHING:
                self.say(lease.DidFetch(GOT))
            case Work.CHECKING:
                self.say(lease.DidCheck(lease.Verdict(claimed, own, 0, None)))
            case Work.SAVING:
                self.say(lease.DidSave("/out"))

    @rule(step=st.integers(1, 400))
    @precondition(lambda self: self.state.height)
    def wait(self, step):
        self.say(lease.SawLease(BlockNo(self.state.height + step), self.state.chain))

    @rule()
    @precondition(lambda self: self.state.retry_at > 1 << 60)
    def refuse(self):
        self.say(DidNotSend("SendExpire", "no"))

    def judge(self, effect):
        state = self.state
        assert client.wanted(state, effect), effect
        assert effect.key not in self.keys or isinstance(
            effect, lease.ReleaseArtifacts | lease.ReadSettlement
        ), "one key, two effects: the journal would take the second for the first"
        self.keys.add(effect.key)
        match effect:
            case lease.SendFinalize():
                assert state.work == Work.GOOD
                assert state.height > state.window_end
                assert not state.chain.freezes
            case lease.EndHolds(_, right):
                assert state.chain.freezes
                assert state.phase == Phase.POSTED
                assert right == (state.work == Work.GOOD)
            case lease.SendExpire() if state.phase == Phase.OPENED:
                assert state.height > state.chain.start_by
            case lease.SendExpire():
                assert state.height > state.chain.result_by
            case lease.SendClose():
                assert self.asked
                assert state.phase in (Phase.OPENED, Phase.RUNNING)
            case lease.FetchOutputs(root):
                assert root == state.chain.output_root
                assert state.phase in (Phase.POSTED, Phase.FINAL)

    @invariant()
    def only_checked_results_are_good(self):
        if self.state.work == Work.GOOD:
            assert self.right is not None
            assert self.right.own_root == self.right.claimed_root == self.state.chain.output_root
            assert self.right.first_different is None

    @invariant()
    def phase_is_the_chains(self):
        expected = client.PHASE_OF[self.state.chain.stage]
        assert self.state.phase in (expected, Phase.LAPSED)

    @invariant()
    def survives_the_journal(self):
        assert self.codec.decode(self.codec.encode(self.state)) == self.state

    @invariant()
    def wakes_later_than_now(self):
        height = client.wake(self.state)
        assert height is None or height > self.state.height

    def teardown(self):
        """From wherever it got to, an honest world brings the machine to its end."""
        state, height = self.state, self.state.height + 1
        final = lease.ChainLease(Stage.FINALIZED, output_root=state.chain.output_root)
        heights = (height, height + 1_000, height + 2_000)
        for value in [lease.SawLease(BlockNo(each), final) for each in heights]:
            state = client.step(state, value).state
        state = client.step(state, lease.DidSettle(MONEY)).state
        for value in (lease.DidFetch(GOT), DidNotCheck("x"), lease.DidSave("/out")):
            state = client.step(state, value).state
        assert client.ended(state)


class HostileAuction(RuleBasedStateMachine):
    """Forged, stale, foreign and honest bids in any order, chain answers that fit nothing, a fickle user."""

    entries = st.builds(
        lambda number, changes: entry(number, **changes),
        st.integers(3, 8),
        st.sampled_from(
            [
                {},
                {},
                {"expiry": 101},
                {"capacity_nonce": 9},
                {"client": owner(1)},
                {"completion_fee": 20 * TOKEN},
                {"offer": Hash32(b"\x01" * 32)},
                {"bond": 99 * TOKEN},
            ]
        ),
    )
    heights = st.integers(90, 160).map(BlockNo)

    @initialize(cap=st.sampled_from([WISH.cap, Amount(TOKEN // 2), Amount(0)]))
    def begin(self, cap):
        self.wish = replace(WISH, cap=cap)
        self.state = auction.Collecting(self.wish)
        self.codec = Codec(auction.State)
        self.market = None
        self.opened = []
        self.lacking = 1 << 256
        self.height = BlockNo(HEIGHT)

    def say(self, value):
        before = self.state
        done = auction.step(before, value)
        if any(isinstance(each, auction.Rejected) for each in done.effects):
            assert done.state == before
            assert len(done.effects) == 1
            return
        assert type(done.state) in auction.ALLOWED[type(before)][type(value)]
        self.state = done.state
        if isinstance(value, auction.FailedOpen) and value.failure == auction.OpenFailure.CANNOT_PAY:
            self.lacking = before.choice.entry.bid.deposit()
        for effect in done.effects:
            match effect:
                case auction.ReadMarket(bids):
                    assert bids
                case auction.OpenLease(chosen):
                    assert flaw(chosen, self.wish, self.market) is None
                    assert chosen.bid.deposit() <= self.wish.cap
                    assert chosen.bid.expiry > self.height
                    assert chosen not in self.opened
                    assert chosen.bid.deposit() < self.lacking
                    self.opened.append(chosen)
        if isinstance(before, auction.Opening) and isinstance(self.state, auction.Lost):
            assert value.failure == auction.OpenFailure.REFUSED or not self.left(before)

    def left(self, state):
        """What could still be opened and paid behind the bid that was tried."""
        behind = [each.entry.bid for each in state.ranking.ranked[state.place + 1 :]]
        return [bid for bid in behind if bid.expiry > self.height and bid.deposit() < self.lacking]

    @rule(number=st.integers(3, 8), life=st.integers(0, 60))
    def honest(self, number, life):
        self.say(auction.GotEntry(entry(number, expiry=HEIGHT + life)))

    @rule(each=entries)
    def quote(self, each):
        self.say(auction.GotEntry(each))

    @rule(number=st.integers(1, 8))
    def decline(self, number):
        self.say(auction.GotDecline(auction.Declined(owner(number), owner(number), OFFER, "busy")))

    @rule(number=st.integers(3, 8), amount=st.sampled_from([0, TOKEN - 1, TOKEN, 9 * TOKEN]))
    def backing(self, number, amount):
        self.say(auction.SawBacking(owner(number), Amount(amount)))

    @rule()
    def junk(self):
        self.say(auction.GotJunk(auction.Junk(owner(1), "no message")))

    @rule()
    @precondition(lambda self: len(getattr(self.state, "entries", ())) > 2)
    def close(self):
        self.say(auction.DidClose())

    @rule(
        numbers=st.sets(st.integers(3, 8)),
        spent=st.frozensets(st.sampled_from([7, 9])),
        height=heights,
    )
    @precondition(lambda self: isinstance(self.state, auction.Weighing))
    def weigh(self, numbers, spent, height):
        stands = (standing(number, spent=spent if number % 2 else frozenset()) for number in numbers)
        self.market = market(*stands, height=height)
        self.say(auction.SawMarket(self.market))

    @rule(
        numbers=st.sets(st.integers(3, 8)),
        height=st.integers(HEIGHT, HEIGHT + 30).map(BlockNo),
        worst=st.integers(3, 9),
        failures=st.lists(st.sampled_from(list(auction.OpenFailure)), max_size=3),
    )
    @precondition(lambda self: len(getattr(self.state, "entries", ())) > 1)
    def go_through(self, numbers, height, worst, failures):
        """Who asks less than `worst` has failed often: the best bid is not the cheapest."""
        for number in numbers:
            self.say(auction.GotEntry(entry(number)))
        self.say(auction.DidClose())
        if isinstance(self.state, auction.Weighing):
            self.market = market(*(standing(each, failed=50 * (each < worst)) for each in range(3, 9)))
            self.say(auction.SawMarket(self.market))
        self.accept(height)
        for failure in failures:
            if isinstance(self.state, auction.Opening):
                self.fail(failure, height)

    @rule(height=heights)
    def accept(self, height):
        self.height = height
        self.say(auction.AskedOpen(height))

    @rule()
    @precondition(lambda self: isinstance(self.state, auction.Proposed | auction.Opening))
    def stop(self):
        self.say(auction.AskedStop())

    @rule(number=st.integers(3, 8), failure=st.sampled_from(list(auction.OpenFailure)), height=heights)
    def fail_another(self, number, failure, height):
        self.height = height if isinstance(self.state, auction.Opening) else self.height
        self.say(auction.FailedOpen(bid(number).lease_id(), failure, "revert", height))

    @rule(failure=st.sampled_from(list(auction.OpenFailure)), height=heights)
    @precondition(lambda self: isinstance(self.state, auction.Opening))
    def fail(self, failure, height):
        self.height = height
        lease_id = self.state.choice.entry.bid.lease_id()
        self.say(auction.FailedOpen(lease_id, failure, "revert", height))

    @rule()
    @precondition(lambda self: isinstance(self.state, auction.Opening))
    def win(self):
        self.say(auction.SawOpened(self.state.choice.entry.bid.lease_id()))

    @invariant()
    def survives_the_journal(self):
        assert self.codec.decode(self.codec.encode(self.state)) == self.state

    @invariant()
    def won_is_what_was_opened_last(self):
        if isinstance(self.state, auction.Won):
            assert self.state.choice.entry == self.opened[-1]

    def teardown(self):
        """Every auction ends: once closed, weighed and answered, it is won or lost."""
        if not hasattr(self, "state"):
            return
        self.say(auction.DidClose())
        if isinstance(self.state, auction.Weighing):
            self.weigh({3, 4}, frozenset(), BlockNo(HEIGHT))
        self.accept(BlockNo(HEIGHT))
        while isinstance(self.state, auction.Opening):
            self.fail(auction.OpenFailure.NONCE_SPENT, BlockNo(HEIGHT))
        assert auction.ended(self.state)


TestHostileLease = HostileLease.TestCase
TestHostileLease.settings = QUICK
TestHostileAuction = HostileAuction.TestCase
TestHostileAuction.settings = QUICK
