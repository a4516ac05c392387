"""A table to play disputes at: the model, the replay, and if there is one, the real contract beside them.

After every call the model and the contract must say the same: the same error, or the same state.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from protocol.crypto import address_of, keccak256
from protocol.dispute.claims import own_seal
from protocol.dispute.model import Context, Lease, Refused, State, Terms, apply
from protocol.dispute.model.rules import convict, freeze, release
from protocol.dispute.model.state import RefusedError
from protocol.dispute.moves import (
    Call,
    Challenge,
    Collect,
    Made,
    Settle,
    Silence,
    TakePart,
    Timeout,
    WithdrawCoin,
    game_of,
)
from protocol.dispute.names import Case
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.trace import Trace
from protocol.messages import Bid
from protocol.messages.bid import delegates_hash
from protocol.tape.merkle import Tree
from protocol.tape.roots import items_tree
from protocol.types import ZERO_HASH, Address, BidFlags, Hash32
from tests.dispute_cast import Work

OWNER, CLIENT = Address(b"\x0a" * 20), Address(b"\x0c" * 20)
OPERATOR_KEY = b"\xa1" * 32
OPERATOR = address_of(OPERATOR_KEY)
STRANGER = Address(b"\x57" * 20)
JUDGE, OTHER_JUDGE = Address(b"\x1a" * 20), Address(b"\x1b" * 20)
SEATS = {JUDGE: 1, OTHER_JUDGE: 2}
"""Judges beside `Disputes`: one of the lease's kind, one of another."""
GWEI = 10**9
BASE_FEE = 20 * GWEI
TERMS = Terms(
    move_clock=40,
    increment=8,
    claim_period=30,
    tip=2 * GWEI,
    data_fee=11 * GWEI,
    coin_prices=(10**15, 0, 0, 0),
    reserves=(40 * 10**18,),
)
BOND = 10**18
START, RAN, WINDOW = 1_000, 9, 200


class Contract(Protocol):
    """The real contract."""

    def nonce(self) -> int:
        """A fresh capacity nonce."""

    def open_lease(self, bid: Bid, output_root: Hash32, started: int, posted: int) -> None:
        """A posted lease of this bid."""

    def call(self, call: Call, context: Context) -> str | None:
        """Make a call; the name of the error it got."""

    def judge(self, judge: Address, function: str, bid: Bid, now: int) -> str | None:
        """Let another judge call the Escrow: `freeze`, `release`, or `convict` without a reward."""

    def check(self, state: State, game: Hash32 | None) -> None:
        """Assert that it stands as the model does; in detail for one game."""

    def check_all(self, state: State) -> None:
        """Assert that everything stands as in the model."""


def bid_of(work: Work, nonce: int, delegates: tuple[Address, ...] = ()) -> Bid:
    """The terms of the lease, which is private if it has delegates."""
    return Bid(
        client=CLIENT,
        rate_per_block=10**18,
        owner=OWNER,
        completion_fee=7 * 10**18,
        job_hash=work.plan.job.hash,
        delegates=delegates_hash(frozenset(delegates)),
        bond=100 * 10**18,
        capacity_nonce=nonce,
        expiry=10**9,
        start_deadline=20,
        grace=10,
        max_blocks=30,
        top_up_cap=30,
        result_deadline=250,
        challenge_window=WINDOW,
        trace_allowance=25,
        token=0,
        lease_class=1,
        verification=1,
        flags=BidFlags.PRIVATE if delegates else BidFlags(0),
    )


@dataclass
class Table:
    """One lease, one disputed item, any number of games."""

    work: Work
    posted: Trace
    rng: Random
    contract: Contract | None = None
    delegates: tuple[Address, ...] = ()
    """Of a private lease, sorted."""
    now: int = START
    moves: list[Made] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self.bid = bid_of(self.work, self.contract.nonce() if self.contract else 1, self.delegates)
        items = self.work.plan.job.items
        roots = [Hash32(self.rng.randbytes(32)) for _ in range(items)]
        roots[self.work.item] = self.posted.item_root
        self.outputs: Tree = items_tree(roots)
        self.case = Case(self.bid.lease_id(), self.bid.job_hash, self.work.item, self.posted.item_root)
        lease = Lease(self.bid, self.work.plan, self.outputs.root, self.now, RAN)
        self.state = State(TERMS, {self.bid.lease_id(): lease}, {OWNER: OPERATOR}, seats=SEATS)
        self.played = Played(self.case, self.work.plan.job)
        if self.contract is not None:
            self.contract.open_lease(self.bid, self.outputs.root, self.now - RAN, self.now)

    def do(self, call: Call, sender: Address, value: int = 0) -> str | None:
        """Make a call: None, or the name of the error it got."""
        # The EVM in process answers 0 for BASEFEE, whatever its block says.
        base = 0 if self.contract else BASE_FEE
        price = base + self.rng.choice((0, 1, 3)) * GWEI
        # Answers of a key with less than the bond are repaid at once, and of one with more not.
        context = Context(sender, self.now, value, base, price, self.rng.choice((0, BOND // 2, 10 * BOND)))
        found = apply(self.state, call, context)
        error = found.error if isinstance(found, Refused) else None
        game = game_of(call, sender)
        if self.contract is not None:
            theirs = self.contract.call(call, context)
            assert theirs == error, (call, theirs, error)
        if isinstance(found, Refused):
            self.refused += 1
            return error
        changed = [name for name, held in found.games.items() if self.state.games.get(name) != held]
        self.state = found
        if self.contract is not None:
            self.contract.check(found, changed[0] if changed else game)
        if changed and not isinstance(call, Settle | Collect | WithdrawCoin | Silence | TakePart):
            made = Made(call, sender, self.now, changed[0])
            self.moves.append(made)
            self.played = follow(self.played, made)
            assert self.view(changed[0]).agrees(found.games[changed[0]].game)
            self._check_position(changed[0])
        return None

    def _check_position(self, game: Hash32) -> None:
        view, held = self.view(game), self.state.games[game]
        if held.position != ZERO_HASH:  # it has one once the trace is known
            assert view.position.hash == held.position

    def view(self, game: Hash32) -> View:
        """A game as the replay has it."""
        return self.played.views[game]

    def rotate(self, operator: Address) -> None:
        """The owner names another operator. The contract beside has to be told, too."""
        self.state = replace(self.state, operators={OWNER: operator})

    def judge(self, function: str, judge: Address = JUDGE) -> str | None:
        """Another judge of the lease's kind holds it, lets it go, or convicts it by itself."""
        rules = {
            "freeze": lambda: freeze(self.state, self.bid, self.now)[0],
            "release": lambda: release(self.state, self.bid),
            "convict": lambda: convict(self.state, self.bid, 0)[0],
        }
        try:
            self.state, error = rules[function](), None
        except RefusedError as refused:
            error = refused.refused.error
        if self.contract is not None:
            theirs = self.contract.judge(judge, function, self.bid, self.now)
            assert theirs == error, (function, theirs, error)
        return error

    def wait(self, blocks: int = 1) -> None:
        """Let blocks pass."""
        self.now += blocks

    def open(self, challenger: Address, seal: Hash32, value: int = BOND) -> Hash32:
        """A game of this challenger."""
        call = self.challenge(seal)
        error = self.do(call, challenger, value)
        assert error is None, error
        return next(made.game for made in reversed(self.moves) if made.move == call)

    def challenge(self, seal: Hash32) -> Challenge:
        """The call that opens a game."""
        return Challenge(
            self.bid,
            self.work.plan.job,
            self.work.item,
            self.posted.item_root,
            tuple(self.outputs.proof(self.work.item)),
            seal,
            self.delegates,
        )

    def silence(self, game: Hash32) -> None:
        """Let the mover's clock run out, and end the game."""
        view, held = self.view(game), self.state.games[game].game
        self.now = max(self.now, held.moved_at + held.mover_left + 1)
        assert self.do(Timeout(self.bid, self.case, view.challenger, view.seal), STRANGER) is None

    def seal(self, own: Trace, challenger: Address, salt: Hash32) -> Hash32:
        """The seal of a run."""
        return own_seal(own, challenger, self.case, salt)


def salts(rng: Random) -> Hash32:
    """A fresh salt."""
    return Hash32(keccak256(rng.randbytes(32)))
