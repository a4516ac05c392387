"""From what was seen of audits to what `status` shows."""

from protocol.auction.money import Unit
from protocol.chain.client import Chain
from protocol.dispute.audits import Part
from protocol.types import Address, to_hex
from watchtower.auditing.notes import AuditNote, AuditorNote
from watchtower.auditing.survey import Ending, Look, Seen


def audit_note(seen: Seen, part: Part | None, doing: str, chain: Chain) -> AuditNote:
    """Return the note of an audit that is not over."""
    audit, bid = seen.sight.audit, seen.opened.bid
    unit = unit_of(chain, bid.token)
    return AuditNote(
        lease=to_hex(seen.name[0]),
        owner=to_hex(bid.owner),
        by=payer_of(by_client=seen.name[1]),
        stage=audit.stage.name.lower(),
        item=audit.item if seen.sight.tasks and part is not None else -1,
        part="" if part is None else part.name.lower(),
        doing=doing,
        over=False,
        fee=chain.audit_fee(bid, audit.items),
        reward=0,
        symbol=unit.symbol,
        decimals=unit.decimals,
    )


def ending_note(ending: Ending, doing: str, chain: Chain) -> AuditNote:
    """Return the note of an audit that is over, for this auditor at least."""
    if ending.abstained and not doing:
        # Told by another process.
        doing = "abstained: the job could not be had or run here in time, or agreeing was not paid"
    elif ending.copied:
        doing = "what it agreed with was public when its commitment came: that is not paid"
    unit = unit_of(chain, ending.token)
    return AuditNote(
        lease=to_hex(ending.name[0]),
        owner=to_hex(ending.owner),
        by=payer_of(by_client=ending.name[1]),
        stage="over",
        item=ending.item,
        part="done",
        doing=doing if not ending.fee else "",
        over=True,
        fee=ending.fee,
        reward=ending.reward,
        symbol=unit.symbol,
        decimals=unit.decimals,
    )


def auditor_note(chain: Chain, me: Address, look: Look) -> AuditorNote:
    """Return how this watchtower stands as an auditor; blocking."""
    auditor, unit = look.auditor, unit_of(chain, chain.audit_prices.stake_token)
    owed = [unit_of(chain, i).about(sum_) for i, sum_ in enumerate(look.owed) if sum_]
    enrolled = bool(auditor.since) and not auditor.left_at
    stake = unit.about(auditor.stake)
    if not auditor.since:
        text = "not enrolled, so no audit draws it: gavel watchtower enrol"
    elif enrolled:
        text = f"enrolled since {auditor.since} with a stake of {stake}, {auditor.busy} audits under way"
    else:
        until = auditor.left_at + chain.audit_prices.leave_delay
        text = f"out of the list since {auditor.left_at}; gavel watchtower leave takes the stake of {stake} "
        text += f"after {until}" + (f", when {auditor.busy} audits are over" if auditor.busy else "")
    text += f"; {', '.join(owed)} to be withdrawn" if owed else ""
    return AuditorNote(look.head.number, to_hex(me), enrolled, stake, ", ".join(owed), text)


def payer_of(*, by_client: bool) -> str:
    """Say who paid for an audit."""
    return "its client" if by_client else "strangers"


def unit_of(chain: Chain, token: int) -> Unit:
    """Return how a listed token is written."""
    listed = chain.deployment.tokens[token]
    return Unit(listed.symbol, listed.decimals)
