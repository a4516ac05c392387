"""An auditor's moves as transactions, and in words."""

from protocol.chain.calls import Call, Due
from protocol.chain.client import Chain
from protocol.dispute.audits import (
    Abstain,
    Close,
    Commit,
    Draw,
    Finish,
    Move,
    Part,
    Redraw,
    Reveal,
    SettleLease,
    Stage,
    TakeReward,
    commitment,
)
from protocol.dispute.moves import Settle
from protocol.types import Amount, BrokenInvariant, Hash32
from watchtower.auditing.survey import Seen

SHARED = (Draw, Redraw, Finish, SettleLease, TakeReward)
"""Moves that others could make as well, or that can wait: they are paid out of the day's budget."""


_BURNT_BY_SILENCE = 8
"""An eighth of the stake."""
_BURNT_BY_ACCUSING = 2
"""Half of it."""


def call_of(chain: Chain, seen: Seen, move: Move, salt: Hash32) -> Call:
    """Return the transaction of a move."""
    calls, me = chain.audits, chain.address
    bid, (lease, by_client), seed = seen.opened.bid, seen.name, seen.sight.audit.seed
    match move:
        case Commit(int() as task, roots):
            sealed = commitment(roots, me, lease, seed, salt)
            return calls.commit(bid, by_client, task, seed, sealed, stated=roots.stated)
        case Abstain(task):
            return calls.abstain(bid, by_client, task, seed)
        case Reveal(int() as task, roots):
            return calls.reveal(lease, by_client, task, roots, salt)
        case Draw():
            return calls.draw(bid, by_client)
        case Redraw():
            return calls.redraw(bid, by_client)
        case Finish():
            return calls.finish(bid, by_client)
        case Close(shown):
            return calls.close(bid, by_client, shown)
        case SettleLease():
            return chain.disputes.move(Settle(bid))
        case TakeReward(task):
            return calls.take_reward(bid, by_client, task)
        case _:
            raise BrokenInvariant(f"an auditor sends no {type(move).__name__}")


def due_of(chain: Chain, seen: Seen, move: Commit | Abstain | Reveal) -> Due:
    """Return until when an answer has to be made, and what silence costs; blocking."""
    prices, audit = chain.audit_prices, seen.sight.audit
    lost = prices.stake // _BURNT_BY_SILENCE
    return chain.answer_due(audit, prices.stake_token, lost, opens=isinstance(move, Reveal))


def stake_due(chain: Chain, seen: Seen) -> Due:
    """Return until when a game has to be open about what the audit found, and what is lost else; blocking."""
    prices, end = chain.audit_prices, seen.sight.window_end
    lost = Amount(prices.stake // _BURNT_BY_ACCUSING)
    return Due.between(end - seen.sight.clocks.contest, end, chain.worth(prices.stake_token, lost))


def effect_of(seen: Seen, move: Move) -> str:
    """Name a transaction by its cause, so that it is sent once for a draw, also through a restart."""
    lease, by_client = seen.name
    step = type(move).__name__.lower()
    return f"auditor {lease.hex()} {by_client} {step} {seen.sight.audit.cause}"


def sentence_of(move: Move) -> str:
    """Say what was done."""
    match move:
        case Commit():
            return "committed to its own run"
        case Abstain():
            return "abstained, without pay or loss"
        case Reveal():
            return "revealed what its run came to"
        case Draw():
            return "drew item and auditors"
        case Redraw():
            return "the draw had expired: another block draws"
        case Finish():
            return "had the contract compare"
        case Close():
            return "had the contested audit decided"
        case SettleLease():
            return "settled the lease as convicted"
        case TakeReward():
            return "took its part of the conviction's reward"
        case _:
            raise BrokenInvariant(f"an auditor sends no {type(move).__name__}")


def waiting_for(seen: Seen, part: Part | None) -> str:
    """Say what is waited for where nothing is to be done."""
    audit, clocks = seen.sight.audit, seen.sight.clocks
    reveal_until = audit.commit_until + clocks.reveal
    match audit.stage:
        case Stage.CALLED:
            return f"the hash of block {audit.draw_block} draws"
        case Stage.DRAWN if part is Part.COMMITTED:
            return f"waits for the others to commit, until {audit.commit_until}"
        case Stage.DRAWN:
            return f"waits for the others to reveal, until {reveal_until}"
        case Stage.CONTESTED:
            return "it found another result than the provider: the lease's end decides"
        case Stage.SILENT:
            return "the provider is convicted of silence: its reward comes when that is settled"
        case _:
            return ""
