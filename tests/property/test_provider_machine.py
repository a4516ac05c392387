"""The provider's lease machine against a fake contract, hostile inputs, re-organisations and crashes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.lease.common_types import DidNotCheck, DidNotFetch, DidNotSend
from protocol.lease.provider import BY_CHAIN, BY_WORK, ENDED, refused, step, wake, wanted
from protocol.lease.provider_types import (
    AskedAbandon,
    CheckJob,
    CloseLease,
    DidBid,
    DidCheck,
    DidFetch,
    DidNotRun,
    DidRun,
    Effect,
    FetchArtifacts,
    Finalize,
    Input,
    Phase,
    PostResult,
    Rejected,
    RunItems,
    SawLease,
    SendHeartbeat,
    SendStart,
    Stage,
    StopJob,
)
from tests.strategies.provider import BID, CONDUCT, RESULT, SPEC, FakeEscrow, fresh

HOSTILE = st.one_of(
    st.just(DidBid(5, b"again")),
    st.just(DidFetch(SPEC)),
    st.just(DidNotFetch("no")),
    st.builds(DidCheck, st.sampled_from([1, 10**9]), st.sampled_from([1, 1 << 40])),
    st.just(DidNotCheck("no")),
    st.just(DidRun(RESULT)),
    st.builds(DidNotRun, st.just("died"), st.booleans()),
    st.builds(
        DidNotSend, st.sampled_from(["SendStart", "PostResult", "Finalize", "CloseLease"]), st.just("no")
    ),
    st.just(AskedAbandon()),
)

HANGS = ["FetchArtifacts", "CheckJob", "SendStart", "RunItems", "PostResult"]


def allowed(before: Phase, after: Phase) -> bool:
    """Whether the tables permit a step from one phase to another: by the chain, then at most once by work."""
    if before == after:
        return True
    ends = {Phase.SETTLED, Phase.CLOSED, Phase.CONVICTED}
    via = {*BY_CHAIN[before], *ends, before}
    # A re-started run whose result is known passes straight on to POSTING.
    through = {Phase.POSTING} if Phase.RUNNING in via else set()
    return after in via | through or any(after in BY_WORK.get(each, ()) for each in via | through)


class ProviderLeaseMachine(RuleBasedStateMachine):
    """Plays contract, client, child process, network and a loop that may crash between any two acts."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = FakeEscrow()
        self.state = fresh()
        self.pending: dict[tuple[str, bytes], Effect] = {}
        self.asked: list[Effect] = []
        self.undone = self.refusals = 0
        self.stuck: set[str] = set()
        self.give(DidBid(self.chain.height, b"quote"))

    # The loop.

    def give(self, given: Input) -> None:
        before = self.state
        found = step(before, given)
        self.state = found.state
        assert allowed(before.phase, found.state.phase), (before.phase, found.state.phase)
        if before.phase in ENDED:
            assert found.state == before
            assert [type(each) for each in found.effects] == [Rejected]
        for effect in found.effects:
            if isinstance(effect, Rejected):
                assert found.state == before
                assert effect.reason
                continue
            name = (type(effect).__name__, effect.key)
            assert name not in {(type(each).__name__, each.key) for each in self.asked}, "asked for twice"
            self.asked.append(effect)
            self.pending[name] = effect
            if isinstance(effect, SendHeartbeat):
                assert self.state.chain.stage == Stage.STARTED
            if isinstance(effect, RunItems):
                assert before.result is None, "the work was done already"
        self.pending = {name: each for name, each in self.pending.items() if wanted(self.state, each)}

    def look(self) -> None:
        if self.state.phase not in ENDED:
            self.give(SawLease(self.chain.height, self.chain.view()))

    def perform(self, effect: Effect) -> Input | None:
        """Do what a handler would do; its outcome is an input or nothing."""
        sent = {
            SendStart: self.chain.start,
            Finalize: self.chain.finalize,
            CloseLease: self.chain.close_by_provider,
            SendHeartbeat: self.chain.beat,
        }
        if type(effect) in sent:
            if sent[type(effect)]():
                return None
            return refused(effect, "reverted")
        match effect:
            case PostResult():
                return None if self.chain.post(effect.output_root) else refused(effect, "reverted")
            case FetchArtifacts():
                return DidFetch(SPEC)
            case CheckJob():
                return DidCheck(1, 1)
            case RunItems():
                return DidRun(RESULT)
            case _:
                return None

    # What the world does.

    @initialize(
        depth=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 12]), hangs=st.sets(st.sampled_from(HANGS), max_size=1)
    )
    def a_life_so_far(self, depth: int, hangs: set[str]) -> None:
        """Most examples begin somewhere inside a job."""
        self.stuck = hangs
        if depth:
            self.chain.open()
            self.work_goes_on(depth)

    @rule(blocks=st.integers(1, 12))
    def time_passes(self, blocks: int) -> None:
        self.chain.height += blocks

    @rule()
    def the_log_is_seen(self) -> None:
        self.look()

    @rule()
    def the_loop_wakes(self) -> None:
        due = wake(self.state)
        assert (due is None) == (self.state.phase in ENDED)
        if due is not None and due <= self.chain.height:
            self.look()

    @rule()
    def the_client_opens(self) -> None:
        self.chain.open()

    @rule()
    def the_client_closes(self) -> None:
        self.chain.close_by_client()

    @rule()
    def the_chain_reorganises(self) -> None:
        before = self.chain.view().stage
        self.chain.undo()
        self.undone += self.chain.view().stage != before

    @rule(effects=st.integers(1, 6))
    def work_goes_on(self, effects: int) -> None:
        """Several effects in order, each seen: so that runs get deep into a job."""
        for _ in range(effects):
            self.chain.height += 1
            self.look()
            ready = [name for name in self.pending if name[0] not in self.stuck]
            if ready:
                self.settle(ready[0])
                self.look()

    @rule(what=st.sampled_from(HANGS))
    def something_hangs(self, what: str) -> None:
        """A client that serves nothing, a child that never ends, a chain that takes no transaction."""
        self.stuck.add(what)

    @rule(final=st.booleans())
    def the_child_dies(self, final: bool) -> None:
        runs = [name for name in self.pending if name[0] == "RunItems"]
        if runs:
            del self.pending[runs[0]]
            self.give(DidNotRun("killed", final))

    @rule(given=HOSTILE)
    def something_wrong_arrives(self, given: Input) -> None:
        self.refusals += isinstance(given, DidNotSend)
        self.give(given)

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), crash=st.booleans())
    def an_effect_is_performed(self, data: st.DataObject, crash: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.pending)))
        if name[0] in self.stuck:
            return
        if crash:
            self.perform(self.pending[name])
            return  # killed after acting, before the outcome was written: it will be performed again
        self.settle(name)

    def settle(self, name: tuple[str, bytes]) -> None:
        outcome = self.perform(self.pending.pop(name))
        if outcome is not None:
            self.refusals += isinstance(outcome, DidNotSend)
            self.give(outcome)

    # What must hold.

    @invariant()
    def never_two_starts_or_posts(self) -> None:
        assert self.chain.starts <= 1 + self.undone
        assert self.chain.posts <= 1 + self.undone
        starts = sum(isinstance(each, SendStart) for each in self.asked)
        posts = sum(isinstance(each, PostResult) for each in self.asked)
        lives = 1 + self.undone + self.refusals
        assert starts <= lives
        assert posts <= lives

    @invariant()
    def beats_only_while_running(self) -> None:
        beats = any(isinstance(each, SendHeartbeat) for each in self.pending.values())
        assert not beats or self.state.phase in (Phase.RUNNING, Phase.POSTING)

    @invariant()
    def runs_are_bounded(self) -> None:
        runs = sum(isinstance(each, RunItems) for each in self.asked)
        assert runs <= CONDUCT.run_attempts * (1 + self.undone)

    @invariant()
    def a_run_that_is_left_is_stopped(self) -> None:
        """A child only runs in RUNNING: every way out but a result stops it."""
        entered = sum(isinstance(each, RunItems) and each.attempt == 1 for each in self.asked)
        stopped = sum(isinstance(each, StopJob) for each in self.asked)
        assert stopped <= entered
        if self.state.phase not in (Phase.RUNNING, Phase.POSTING, Phase.POSTED, Phase.FINALIZING) and (
            self.state.result is None
        ):
            assert stopped == entered

    def teardown(self) -> None:
        """Once deadlines pass and the chain stays as it is, every lease comes to an end."""
        for _ in range(400):
            if self.state.phase in ENDED:
                break
            self.chain.height += 1
            due = wake(self.state)
            assert due is not None
            if due <= self.chain.height:
                self.look()
            for name in list(self.pending):
                if name in self.pending and name[0] not in self.stuck:
                    self.settle(name)
                    # A handler's transaction is seen in the logs.
                    self.look()
        assert self.state.phase in ENDED, (self.state.phase, self.chain.lease)
        assert {name[0] for name in self.pending} <= {"StopJob", "ReleaseArtifacts"}
        self.a_run_that_is_left_is_stopped()
        assert self.chain.lease.paid_blocks <= BID.max_blocks


ProviderLeaseMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestProviderLease = ProviderLeaseMachine.TestCase
