"""Which results a watchtower re-runs. Pure: a view of the chain in, actions out.

The choice is unpredictable to providers (keyed by a secret of this watchtower) and the same after a
restart, so nothing about it needs to be stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol.crypto import keccak256
from protocol.messages import Bid
from protocol.types import Address, BidFlags, BlockNo, Blocks, Hash32, LeaseClass, LeaseId

WHOLE_SHARE = 10_000
"""Shares are in hundredths of a percent."""
_LONGEST_PART, _LAST_PART = 8, 16
"""Parts of the window: the longest pause between tries, and what is left after the last."""
_MOST_DOUBLINGS = 32


class ResultId(NamedTuple):
    """A lease and the root posted on it: a re-org may put another root on the same lease.

    Whatever is found out about a result, or is under way about it, is of both.
    """

    lease: LeaseId
    root: Hash32


@dataclass(frozen=True, slots=True)
class PostedResult:
    """A result that stands on chain and is not final."""

    lease: LeaseId
    bid: Bid
    output_root: Hash32
    window_end: BlockNo
    is_held: bool = False
    """Whether a game, a demand or an audit holds it."""

    @property
    def id(self) -> ResultId:
        """Which result this is."""
        return ResultId(self.lease, self.output_root)


@dataclass(frozen=True, slots=True)
class Policy:
    """What this watchtower looks at."""

    secret: bytes
    """32 random bytes that no provider may learn."""
    share: int
    """How many results of unnamed providers are re-run, out of `WHOLE_SHARE`."""
    owners: frozenset[Address]
    """Providers whose every result is re-run."""


@dataclass(frozen=True, slots=True)
class View:
    """The chain as last confirmed, and what is under way here."""

    height: BlockNo
    results: tuple[PostedResult, ...]
    judged: frozenset[ResultId]
    """Results with a verdict on disk."""
    running: frozenset[ResultId]
    """Those that are re-run, or wait for it."""
    again: Mapping[ResultId, int] = field(default_factory=dict)
    """From which reading on a result with a verdict is tried again: one that could not be judged."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """Fetch the job, execute it here, compare roots."""

    result: PostedResult


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave this result alone, for the reason given."""

    lease: LeaseId
    why: str


Action = Rerun | Pass


def judge(view: View, policy: Policy) -> tuple[Action, ...]:
    """Return what to do now; calling again with the same view changes nothing.

    A re-run under way is never given up: a wrong result is worth knowing of also when it is final. When
    each is fetched and executed is a question of turns (`protocol.games.turns`).
    """
    open_results = [result for result in view.results if result.window_end > view.height]
    actions: list[Action] = []
    for result in sorted(open_results, key=lambda each: (each.window_end, each.lease)):
        if result.id in view.running or not _is_due(result.id, view):
            continue
        reason = why_not(result, policy)
        actions.append(Pass(result.lease, reason) if reason else Rerun(result))
    return tuple(actions)


def next_try(result: PostedResult, now: BlockNo, tries: int, least: Blocks) -> int:
    """Return when a result that could not be judged is tried again after so many tries; 0: not any more.

    The pause doubles from `least` up to an eighth of the window. The last try comes a sixteenth of the window
    before its end: later no game could follow.
    """
    window = result.bid.challenge_window
    last = result.window_end - max(window // _LAST_PART, 1)
    pause = min(least << min(tries - 1, _MOST_DOUBLINGS), max(window // _LONGEST_PART, least))
    return min(now + pause, last) if now < last else 0


def _is_due(result: ResultId, view: View) -> bool:
    if result not in view.judged:
        return True
    again = view.again.get(result)
    return again is not None and again <= view.height


def why_not(result: PostedResult, policy: Policy) -> str:
    """Return why a result is not re-run, or nothing if it is."""
    bid = result.bid
    if bid.lease_class != LeaseClass.JOB:
        return "a service owes no result"
    if bid.flags & BidFlags.PRIVATE:
        return "private: only the client and its delegates can read it"
    if bid.owner in policy.owners or _drawn(result.lease, policy):
        return ""
    return "not drawn"


def _drawn(lease: LeaseId, policy: Policy) -> bool:
    draw = int.from_bytes(keccak256(b"gavel watch" + policy.secret + lease), "big") % WHOLE_SHARE
    return draw < policy.share
