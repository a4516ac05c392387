"""Random adversarial schedules against the real contract, which must equal the model after every call.

One example is one schedule: a lease whose provider is honest or a cheat, honest and random challengers,
calls that are replayed, tampered with or sent by others, keys that change, clocks that run out, another judge
that holds the lease, sentences it or convicts it. Whatever happens, an honest provider is never convicted by
proof, a cheat is convicted by an honest challenger in time, every game ends, and all coin is accounted for.
"""

import os
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.dispute.answers import Answering, answer
from protocol.dispute.claims import claim_of
from protocol.dispute.moves import (
    Call,
    Challenge,
    Claim,
    ClaimSilence,
    Collect,
    Resign,
    Settle,
    Silence,
    TakePart,
    Timeout,
    WithdrawCoin,
)
from protocol.dispute.names import game_id
from protocol.dispute.picks import Accusing, next_move
from protocol.dispute.records import Conviction, Phase
from protocol.types import ZERO_HASH, Address, Hash32
from tests.dispute_cast import Picker, Work, cheat, work
from tests.dispute_evm import portable_chain
from tests.dispute_play import accuse
from tests.dispute_table import (
    BOND,
    GWEI,
    JUDGE,
    OPERATOR,
    OTHER_JUDGE,
    OWNER,
    STRANGER,
    TERMS,
    WINDOW,
    Table,
    salts,
)
from tests.strategies.long_tapes import long_tape
from tests.strategies.tampering import tampered
from tests.strategies.tapes import random_tape

pytestmark = pytest.mark.xdist_group("portable")  # compiled once
WATCHER, RIVAL, SHAM, LAST = (Address(bytes([n]) * 20) for n in (0x77, 0x88, 0x66, 0x99))
OTHER_KEY = Address(b"\xb2" * 20)
PRIVY = (WATCHER, LAST)
CHALLENGERS = (WATCHER, RIVAL, SHAM, OWNER)
EXAMPLES, LONG_RUN = 200, 10_000
SEEDS = st.integers(0, 2**32 - 1)


@cache
def long_work(seed: int) -> Work:
    rng = Random(seed)
    return work(rng, *long_tape(rng))


class Schedule(RuleBasedStateMachine):
    """One lease, and everybody who wants something of it."""

    @initialize(seed=SEEDS)
    def posted(self, seed: int) -> None:
        rng = self.rng = Random(seed)
        if rng.random() < 0.15:
            job = long_work(rng.randrange(4))
        else:
            job = work(rng, *random_tape(rng, rng.choice((1, 2, 5, 8, 20))))
        forged = cheat(rng, job) if rng.random() < 0.6 else None
        self.honest = forged is None
        self.own = job.honest
        portable_chain().set_operator(OPERATOR)
        private = PRIVY if rng.random() < 0.25 else ()
        self.table = Table(job, forged or job.honest, rng, portable_chain(), private)
        self.key = OPERATOR
        self.salts: dict[Hash32, Hash32] = {}
        self.calls: list[tuple[Call, Address]] = []
        self.holds = 0  # of another judge
        self.astray = False

    # ------------------------------------------------------------------------------------------- who calls

    def do(self, call: Call, sender: Address, value: int = 0) -> str | None:
        self.calls.append((call, sender))
        error = self.table.do(call, sender, value)
        # Its key has posted another trace than its run's, by a tampered call: it is honest no more.
        own = self.table.posted.root
        self.astray |= self.table.state.traces.get(self.table.case.id, own) != own
        return error

    def game(self, pick: int) -> Hash32:
        games = list(self.table.played.views)
        return games[pick % len(games)]

    def in_window(self) -> bool:
        return self.table.now <= 1_000 + WINDOW and not self.settled()

    def settled(self) -> bool:
        return any(held.settled for held in self.table.state.sentences.values())

    def has_games(self) -> bool:
        return bool(self.table.played.views)

    def has_live_games(self) -> bool:
        return any(view.phase.live for view in self.table.played.views.values())

    @precondition(lambda self: self.in_window())
    @rule(who=st.sampled_from(CHALLENGERS), odd=st.sampled_from((0, 0, GWEI, 3 * GWEI, 1)))
    def challenges(self, who: Address, odd: int) -> None:
        salt = salts(self.rng)
        call = self.table.challenge(self.table.seal(self.own, who, salt))
        if self.opens(call, who, BOND + odd) is None:
            self.salts[game_id(call.case.id, who, call.seal)] = salt

    @rule(
        who=st.sampled_from(CHALLENGERS), seed=SEEDS, value=st.sampled_from((0, BOND // 2000, BOND, 10**23))
    )
    def challenges_badly(self, who: Address, seed: int, value: int) -> None:
        """A challenge that is tampered with, too late, or not paid for."""
        call = self.table.challenge(salts(self.rng))
        self.opens(tampered(Random(seed), call) if seed % 4 else call, who, value)

    def opens(self, call: Challenge, who: Address, value: int) -> str | None:
        error = self.do(call, who, value)
        if error is not None:
            private = self.table.delegates and who not in self.table.delegates
            assert not private or error == "Disputes_Private"
        return error

    @precondition(has_games)
    @rule(pick=SEEDS)
    def answers(self, pick: int) -> None:
        call = self.answer_to(self.game(pick))
        if call is not None:
            error = self.do(call, self.key)
            over = error in ("Disputes_OutOfTime", "Disputes_Convicted")
            assert error is None or over or self.astray or not self.honest, (error, call)

    def answer_to(self, game: Hash32) -> Call | None:
        table = self.table
        by = Answering(OWNER, Hash32(table.bid.struct_hash()), self.key)
        return answer(table.case, table.view(game), table.posted, by)

    @precondition(has_games)
    @rule(pick=SEEDS, wise=st.booleans())
    def moves(self, pick: int, wise: bool) -> None:
        view = self.table.view(self.game(pick))
        call = self.move_in(view.game, wise)
        if call is not None and not isinstance(call, Resign):
            self.do(call, view.challenger)

    @precondition(has_games)
    @rule(pick=SEEDS, rounds=st.integers(1, 8))
    def goes_on(self, pick: int, rounds: int) -> None:
        """A wise challenger and a provider that answers, for a while."""
        game = self.game(pick)
        for _ in range(rounds):
            call = self.move_in(game, wise=True)
            if call is not None and not isinstance(call, Resign):
                self.do(call, self.table.view(game).challenger)
            self.table.wait()
            self.answers(list(self.table.played.views).index(game))

    def move_in(self, game: Hash32, wise: bool) -> Call | None:
        table = self.table
        if wise:
            by = Accusing(table.bid, self.own, table.posted.output_roots)
            return next_move(table.played, table.view(game), by)
        return Picker(self.rng, table.posted).move(table.played, table.view(game))

    # ----------------------------------------------------------------------------------------------- abuse

    @precondition(has_games)
    @rule(pick=SEEDS, wise=st.booleans(), seed=SEEDS)
    def tampers(self, pick: int, wise: bool, seed: int) -> None:
        """A call that would be right, but for one thing."""
        view = self.table.view(self.game(pick))
        call = self.answer_to(view.game) or self.move_in(view.game, wise) or self.end_of(view.game, seed)
        sender = self.key if view.phase.provider_moves else view.challenger
        self.do(tampered(Random(seed), call), sender)

    def end_of(self, game: Hash32, seed: int) -> Call:
        table, view = self.table, self.table.view(game)
        place = table.state.places.get(table.bid.lease_id())
        calls: list[Call] = [
            Timeout(table.bid, table.case, view.challenger, view.seal),
            Collect(table.bid, table.case, view.seal),
            Settle(table.bid),
            ClaimSilence(table.case, view.seal),
        ]
        if place is not None:
            calls.append(claim_of(self.own, table.case, place, self.salts.get(game, ZERO_HASH)))
        return Random(seed).choice(calls)

    @precondition(lambda self: bool(self.calls))
    @rule(pick=SEEDS, who=st.sampled_from((*CHALLENGERS, OPERATOR, OTHER_KEY, STRANGER)), same=st.booleans())
    def replays(self, pick: int, who: Address, same: bool) -> None:
        """A call that was made before, by whom it was or by another."""
        call, sender = self.calls[pick % len(self.calls)]
        self.do(call, sender if same else who)

    @precondition(has_games)
    @rule(pick=SEEDS, who=st.sampled_from((*CHALLENGERS, OTHER_KEY, STRANGER)), wise=st.booleans())
    def usurps(self, pick: int, who: Address, wise: bool) -> None:
        """Another's next call."""
        game = self.game(pick)
        call = self.answer_to(game) or self.move_in(game, wise) or self.end_of(game, pick)
        self.do(call, who)

    @rule()
    def changes_the_key(self) -> None:
        self.key = OTHER_KEY if self.key == OPERATOR else OPERATOR
        self.table.rotate(self.key)
        portable_chain().set_operator(self.key)

    # -------------------------------------------------------------------------------------- another judge

    @rule(sure=st.integers(0, 2))
    def judge_holds(self, sure: int) -> None:
        """Delivery and audits hold a lease while a demand or an audit is open."""
        if sure == 0 and self.table.judge("freeze") is None:
            self.holds += 1

    @precondition(lambda self: self.holds)
    @rule(sure=st.integers(0, 2))
    def judge_lets_go(self, sure: int) -> None:
        if sure == 0 and self.table.judge("release") is None:
            self.holds -= 1

    @rule(
        who=st.sampled_from((JUDGE, JUDGE, OTHER_JUDGE, STRANGER)),
        shares=st.integers(0, 6),
        parts=st.integers(0, 4),
        sure=st.integers(0, 7),
    )
    def judge_finds_silence(self, who: Address, shares: int, parts: int, sure: int) -> None:
        if sure == 0:
            self.do(Silence(self.table.bid, shares, parts), who)

    @precondition(lambda self: self.has_live_games())
    @rule(sure=st.integers(0, 3))
    def judge_convicts_by_itself(self, sure: int) -> None:
        """Then games end without a sentence: their bonds come back all the same."""
        if sure == 0 and self.table.judge("freeze") is None:
            self.holds += 1
            assert self.table.judge("convict") is None

    @precondition(lambda self: bool(self.table.state.sentences))
    @rule(who=st.sampled_from((JUDGE, JUDGE, OTHER_JUDGE)), to=st.sampled_from((STRANGER, RIVAL)))
    def judge_takes_part(self, who: Address, to: Address) -> None:
        self.do(TakePart(self.table.bid, to), who)

    # ------------------------------------------------------------------------------------------------ ends

    @rule(blocks=st.sampled_from((1, 1, 1, 2, 5, 39, 41)))
    def waits(self, blocks: int) -> None:
        self.table.wait(blocks)

    @precondition(has_games)
    @rule(pick=SEEDS)
    def times_out(self, pick: int) -> None:
        view = self.table.view(self.game(pick))
        self.do(Timeout(self.table.bid, self.table.case, view.challenger, view.seal), STRANGER)

    @precondition(has_games)
    @rule(pick=SEEDS, sure=st.integers(0, 3))
    def resigns(self, pick: int, sure: int) -> None:
        view = self.table.view(self.game(pick))
        if sure == 0:
            self.do(Resign(self.table.bid, self.table.case, view.seal), view.challenger)

    @precondition(has_games)
    @rule(pick=SEEDS)
    def claims(self, pick: int) -> None:
        table, view = self.table, self.table.view(self.game(pick))
        place = table.state.places.get(table.bid.lease_id())
        call: Claim | ClaimSilence = ClaimSilence(table.case, view.seal)
        if place is not None:
            call = claim_of(self.own, table.case, place, self.salts.get(view.game, ZERO_HASH))
        self.do(call, view.challenger)

    @rule()
    def settles(self) -> None:
        self.do(Settle(self.table.bid), STRANGER)

    @precondition(has_games)
    @rule(pick=SEEDS)
    def collects(self, pick: int) -> None:
        view = self.table.view(self.game(pick))
        self.do(Collect(self.table.bid, self.table.case, view.seal), view.challenger)

    @rule(to=st.sampled_from((OWNER, STRANGER)))
    def withdraws(self, to: Address) -> None:
        self.do(WithdrawCoin(to), OWNER)

    # -------------------------------------------------------------------------------------- what must hold

    @invariant()
    def coin_is_accounted_for(self) -> None:
        if not hasattr(self, "table"):
            return
        state = self.table.state
        bonds = sum(held.game.bond * GWEI for held in state.games.values())
        assert state.held == bonds + sum(state.coins.values())

    @invariant()
    def no_honest_provider_is_proven_wrong(self) -> None:
        if hasattr(self, "table") and self.honest and not self.astray:
            assert all(s.how is not Conviction.PROVEN for s in self.table.state.sentences.values())

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        table = self.table
        convicted = bool(table.state.sentences) or table.state.leases[table.bid.lease_id()].convicted
        if not self.honest and not convicted and self.in_window():
            table.rotate(OPERATOR)
            portable_chain().set_operator(OPERATOR)
            salt = salts(self.rng)
            game = accuse(table, self.own, LAST, salt)
            assert table.view(game).phase is Phase.WON
            place = table.state.places.get(table.bid.lease_id())
            if place is not None:
                assert table.do(claim_of(self.own, table.case, place, salt), LAST) is None
        self.claim_all()
        self.end_all()
        portable_chain().check_all(table.state)
        portable_chain().set_operator(OPERATOR)  # as who plays there next expects it

    def claim_all(self) -> None:
        """Everyone with a seal of the right run tries to share."""
        table = self.table
        place = table.state.places.get(table.bid.lease_id())
        for game, salt in self.salts.items():
            if place is not None:
                table.do(claim_of(self.own, table.case, place, salt), table.view(game).challenger)

    def end_all(self) -> None:
        """Every game ends, and gives back what is left of its bond."""
        table = self.table
        lease_id = table.bid.lease_id()
        ended = table.state.leases[lease_id].convicted
        for game in list(table.played.views):
            if not table.state.sentences and not ended and table.view(game).phase.live:
                table.silence(game)
        sentence = table.state.sentences.get(lease_id)
        if sentence is None and not ended:
            assert table.state.leases[lease_id].freezes == self.holds
            return
        if sentence is not None:
            self.settle_at_last()
        for game, view in table.played.views.items():
            held = table.state.games[game].game
            if held.bond or held.phase is Phase.CLAIMED:
                error = table.do(Collect(table.bid, table.case, view.seal), view.challenger)
                assert error in (None, "Disputes_NothingToCollect")
        assert sum(held.game.bond for held in table.state.games.values()) == 0
        self.share_all()

    def settle_at_last(self) -> None:
        """A sentence is settled after the claim period, if the lease is held and nobody else ended it."""
        table = self.table
        sentence = table.state.sentences[table.bid.lease_id()]
        table.now = max(table.now, sentence.since + TERMS.claim_period + 1)
        if sentence.settled:
            return
        lease = table.state.leases[table.bid.lease_id()]
        error = table.do(Settle(table.bid), STRANGER)
        if lease.convicted:
            assert error == "Escrow_WrongState"
        else:
            assert error == (None if lease.freezes else "Escrow_NotHeld")

    def share_all(self) -> None:
        """Another judge's parts are paid out, too; of a reward only what does not divide stays."""
        table = self.table
        lease_id = table.bid.lease_id()
        sentence, guest = table.state.sentences.get(lease_id), table.state.guests.get(lease_id)
        parts = 0
        if sentence is not None and sentence.settled and guest is not None:
            parts = guest.parts
            for _ in range(guest.parts - guest.taken):
                assert table.do(TakePart(table.bid, STRANGER), guest.judge) is None
            assert table.do(TakePart(table.bid, STRANGER), guest.judge) == "Disputes_NotConvicted"
        assert 0 <= table.state.credits <= len(table.state.games) + parts


Schedule.TestCase.settings = settings(
    max_examples=LONG_RUN if "GAVEL_RANDOM" in os.environ else EXAMPLES,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestSchedules = Schedule.TestCase
