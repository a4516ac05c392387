"""The auditor's own run of a drawn item. Nothing of the provider's is taken over but the job."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import trio

from protocol.chain.client import Chain
from protocol.dispute.audits import Roots
from protocol.dispute.challenger import MARGIN
from protocol.dispute.purse import COIN, slowness
from protocol.engines.worker.dispute_records import (
    AccuseArgs,
    AccuseResult,
    Item,
    OpenTraceArgs,
    OpenTraceResult,
)
from protocol.games.asking import Stopwatch, ask_within, hash32, patience_for, reading
from protocol.games.audit_runs import Effort, Name
from protocol.games.pledges import Pledges, bond_ahead, total
from protocol.games.workshop import CaseFiles
from protocol.messages import Bid
from protocol.runtime.child import Child
from protocol.types import Blocks, Hash32, LeaseId, TransientError, Wei, to_hex
from watchtower.auditing.survey import Seen
from watchtower.fetching import Hold
from watchtower.judge import PostedResult
from watchtower.obtaining import Rig, WithheldError, keep, obtain

_SLOWER = 5, 4
"""By how much the run that an accusation opens with may take longer than the one before."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What an item comes to here, and what that took."""

    roots: Roots
    effort: Effort


@dataclass(frozen=True, slots=True)
class Job:
    """A drawn item's job, on disk. `served`: whether the posted outputs are there too.

    `seconds`: what it took the worker to check all that. A game checks program and inputs again before it
    opens with its run. `trace_bytes`: what the run is reckoned to need; 0: not known.
    """

    item: int
    files: CaseFiles
    served: bool
    seconds: float = 0.0
    trace_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """Memory for games, in bytes, and what the items that games are under way about take of it; 0: not known.

    A game keeps its item's trace until it is over, whoever began it, and whatever became of its audit.
    """

    memory: int
    games: Mapping[tuple[LeaseId, int], int]

    @property
    def left(self) -> int:
        """What the games under way leave."""
        return max(self.memory - sum(self.games.values()), 0)


async def get_job(rig: Rig, child: Child, seen: Seen) -> Job:
    """Return the job of the drawn item. `TransientError` if it cannot be had now.

    `InputError` if it cannot be run here at all. It takes as long as whoever serves it likes.
    """
    result, watch = await _result(rig, seen), Stopwatch(child)
    try:
        job, served = await obtain(rig, watch, result, _held(seen)), True
    except WithheldError as error:
        job, served = error.job, False
    # Before anything is committed to: a game may follow, in which the provider serves nothing any more.
    # What of the outputs the game takes, the provider's opening shows.
    keep(rig, result, job)
    return Job(seen.sight.audit.item, job.files, served, watch.seconds, job.trace_bytes)


async def run_item(rig: Rig, child: Child, job: Job, limit_s: float) -> Ran:
    """Return what the drawn item comes to here; in `limit_s` seconds at most.

    `TransientError` if the worker does not answer by then, or to the second run in a few times the first, or
    if this machine computes the item in two ways. `InputError` if it cannot be run here at all.
    """
    files, config = job.files, rig.config
    item = Item(str(files.program), str(files.inputs), job.item, config.device, config.threads, limit_s)
    began = trio.current_time()
    found: OpenTraceResult | AccuseResult
    if job.served:
        args = AccuseArgs(item, str(files.outputs))
        found = await ask_within(child, args, AccuseResult, limit_s)
        with reading(child, args.OP):
            roots, agrees = _roots(found), not found.differs
    else:
        found = await _opened(child, item, limit_s, fresh=False)
        roots, agrees = _roots(found), False
    seconds = trio.current_time() - began
    # A false accusation costs half of the stake: what agrees with no result that is here is computed twice.
    again_s = min(limit_s, patience_for(seconds))
    if not agrees and _roots(await _opened(child, item, again_s, fresh=True)) != roots:
        raise TransientError(f"item {item.item} comes out in two ways on this machine")
    return Ran(roots, Effort(job.seconds + seconds, found.memory))


def why_no_game(
    chain: Chain, seen: Seen, effort: Callable[[Name, int], Effort], room: Room, pledges: Pledges
) -> str:
    """Say why no game could be played here about an item; if one could, pledge it.

    Blocking. Who commits may have to accuse: it runs the item once more, in what is left of the window then,
    and in a game after a restart, within a move's clock; it keeps that run's trace while the game lasts; and
    it needs the game's bond. All beside what is pledged already: all of it may have to be accused at once.

    `effort`: what an audit's item took here.
    """
    audit = seen.sight.audit
    others = [each for each in pledges.read(chain) if each.name != seen.name]
    clock = chain.network.seconds(time_to_accuse(chain, seen.sight.clocks.contest))
    mine, theirs = effort(seen.name, audit.item), [effort(each.name, each.item) for each in others]
    if lack := _slowness(audit.item, mine.seconds, clock, [each.seconds for each in theirs]):
        return lack
    playing = _playing(
        room, effort, {(seen.name[0], audit.item), *((each.name[0], each.item) for each in others)}
    )
    if lack := narrowness(room.memory, [mine.memory, *(each.memory for each in theirs)], playing):
        return lack
    own = bond_ahead(chain, seen.opened.bid, audit.items)
    outgoing = total(pledges.outgoing(chain))  # before the balance
    needed = Wei(own + sum(each.coin for each in others))
    coin = Wei(chain.balance(chain.address) - outgoing)
    if coin >= needed:
        pledges.promise(seen.name, audit.seed)
        return ""
    what = f"games about {1 + len(others)} audits may take bonds" if others else "a game may take a bond"
    return f"{what} of {COIN.about(needed)}, the wallet holds {COIN.about(coin)}"


def _slowness(item: int, seconds: float, clock: float, others: Sequence[float]) -> str:
    """Why this machine could not run an item, and those of other audits, in `clock` seconds; or empty.

    INVARIANT: their runs fit into it one after the other, and so in whatever order they are made.
    """
    if slow := slowness(item, seconds, clock):
        return slow
    if not all((seconds, *others)):
        return "how long what its audits drew takes is not known here any more"
    if (together := seconds + sum(others)) < clock:
        return ""
    return f"what {1 + len(others)} audits drew takes {together:.0f} s here, to accuse all are {clock:.0f} s"


def _playing(
    room: Room, effort: Callable[[Name, int], Effort], counted: Collection[tuple[LeaseId, int]]
) -> list[int]:
    """Return what games take that are under way about other items than these.

    After a restart one has run nothing yet: then what its audit noted counts, if it had one.
    """

    def noted(lease: LeaseId, item: int) -> int:
        return max(effort((lease, by_client), item).memory for by_client in (True, False))

    return [taken or noted(*each) for each, taken in room.games.items() if each not in counted]


def narrowness(memory: int, takes: Sequence[int], playing: Sequence[int] = ()) -> str:
    """Why games about items that take so much memory would not fit into this machine's; or empty."""
    if not all(takes):
        return "how much memory what its audits drew takes is not known here any more"
    if (together := sum((*takes, *playing))) <= memory:
        return ""
    what = f"games about {len(takes)} audits take" if len(takes) > 1 else "a game takes"
    beside = f" beside {len(playing)} under way" if playing else ""
    return f"{what} {together >> 20} MiB here{beside}, there are {memory >> 20} MiB for them"


def time_to_accuse(chain: Chain, contest: Blocks) -> Blocks:
    """Return what an item's run may take at most, so that a true accusation of it is always in time.

    A provider may reveal in the last reading of its clock; `contest` of the window is left then, also for who
    has just been restarted. It holds the run, which begins with the reveal, and the opening of the game, that
    nobody can keep out for longer than the chain's forced inclusion. The comparison is sent meanwhile: it and
    the opening, one after the other, fit as well, since a clock is at least two forced inclusions. And a game
    gives no more than a move's clock, after a restart.
    """
    left = contest - chain.network.forced_inclusion_blocks - MARGIN
    longer, as_long = _SLOWER
    return Blocks(max(min(chain.game_terms.move_clock, left * as_long // longer), 0))


async def _opened(child: Child, item: Item, within_s: float, *, fresh: bool) -> OpenTraceResult:
    args = OpenTraceArgs(item, fresh)
    found = await ask_within(child, args, OpenTraceResult, within_s)
    with reading(child, args.OP):
        _roots(found)
    return found


def _roots(found: OpenTraceResult | AccuseResult) -> Roots:
    return Roots(hash32(found.trace_root), hash32(found.item_root))


async def _result(rig: Rig, seen: Seen) -> PostedResult:
    bid: Bid = seen.opened.bid
    root = await rig.chain.run(lambda chain: chain.result(bid.lease_id()))
    return PostedResult(bid.lease_id(), bid, Hash32(root), seen.sight.window_end)


def reason_of(name: Name) -> str:
    """Return what an audit's artifacts are held for."""
    return f"audit {to_hex(name[0])} {'client' if name[1] else 'strangers'}"


def _held(seen: Seen) -> Hold:
    # As long as the audit can last, since what it finds has to be played: its end lets go earlier.
    return Hold(reason_of(seen.name), seen.sight.games_end)
