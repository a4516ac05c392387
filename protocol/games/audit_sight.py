"""One audit as `protocol.dispute.audits` wants to see it, read from the chain alone."""

from dataclasses import replace

from protocol.chain.audit_events import Revealed
from protocol.chain.client import Chain
from protocol.chain.events import topic_of
from protocol.chain.views import LeaseState
from protocol.crypto import keccak256
from protocol.dispute.audits import Answer, Audit, Part, Roots, Sight, Stage
from protocol.dispute.delivery import PostedItem, PostedRoots
from protocol.dispute.names import Case
from protocol.dispute.records import Conviction
from protocol.messages import Bid
from protocol.types import ZERO_HASH, BlockNo, Blocks, Hash32, InputError, LeaseId

_SALT = b"gavel.audit.salt.v1"


def read_sight(chain: Chain, bid: Bid, by_client: bool) -> Sight | None:
    """Return the audit as of the newest block, without one's own run; None if there is none or it is over.

    Blocking.
    """
    lease = bid.lease_id()
    audit = chain.audit(lease, by_client)
    if audit.stage in (Stage.NONE, Stage.OVER):
        return None
    view, verdict = chain.lease(lease), chain.verdict(lease)
    shown = _shown(chain, lease, by_client, audit)
    trace = chain.trace_root(Case(lease, bid.job_hash, audit.item, shown.item)) if shown else ZERO_HASH
    sight = Sight(
        audit=audit,
        tasks=chain.audit_tasks(lease, by_client),
        clocks=chain.audit_clocks,
        now=chain.clock(),
        block=chain.draw_height(),
        window_end=BlockNo(view.last_beat + bid.challenge_window),
        holds=view.freezes,
        shown=shown,
        game_trace=trace,
        convicted=verdict.how is not Conviction.NONE or view.state is LeaseState.CONVICTED,
        settled=verdict.settled,
        ran=Blocks(view.last_beat - view.started_at),
    )
    if verdict.how is Conviction.NONE:
        return sight
    return replace(sight, claim_until=BlockNo(verdict.since + chain.game_terms.claim_period))


def is_public(chain: Chain, lease: LeaseId, by_client: bool, item: int, own: Roots) -> bool:
    """Say whether the provider has shown in the lease's other audit that a drawn item comes to `own`.

    An auditor that commits then is not paid for agreeing (ADR 053). Who finds something else accuses, and is
    paid as ever. What a game has shown says less: a trace, by the number of its item alone, while false
    outputs stand behind none. Blocking.
    """
    other = chain.audit(lease, not by_client)
    return other.answer is Answer.REVEALED and other.item == item and other.found == own.found


def is_contested(chain: Chain, lease: LeaseId, item: int) -> bool:
    """Say whether an audit of the item waits for what the provider shows in a game. Blocking."""
    if chain.deployment.audits is None:
        return False
    audits = chain.audits_now([(lease, True), (lease, False)])
    return any(each.stage is Stage.CONTESTED and each.item == item for each in audits)


def contested_traces(chain: Chain, lease: LeaseId, item: int) -> tuple[Hash32 | None, ...] | None:
    """Return what the provider revealed in the audits in which this key's accusation about an item stands.

    None if none does: a re-org may have taken it away. A trace is None while its event is not confirmed.
    Blocking.
    """
    found = list[Hash32 | None]()
    for by_client in (True, False):
        audit = chain.audit(lease, by_client)
        if audit.stage is not Stage.CONTESTED or audit.item != item:
            continue
        tasks = chain.audit_tasks(lease, by_client)
        if any(task.auditor == chain.address and task.part is Part.ACCUSING for task in tasks):
            shown = _shown(chain, lease, by_client, audit)
            found.append(None if shown is None else shown.trace)
    return tuple(found) or None


def revealed_items(chain: Chain, bid: Bid, root: Hash32) -> PostedRoots:
    """Return the items that the provider has proven under the result `root` in audits. Blocking.

    All that a game about such an item takes of the posted outputs: nobody has to be asked for them. What one
    audit shows, or a re-org takes away, voids nothing of the other.
    """
    items: dict[int, PostedItem] = {}
    for by_client in (True, False) if chain.deployment.audits is not None else ():
        audit = chain.audit(bid.lease_id(), by_client)
        events = _openings(chain, bid.lease_id(), by_client, audit)
        for sent in chain.node.transactions([event.at.tx for event in events]):
            # Whoever else revealed the same, by whatever contract, shows nothing by it.
            shown = chain.audits.parse_reveal(sent.data) if sent.to == chain.audits.address else None
            if shown is not None and _is_under(root, audit.item, shown):
                items[audit.item] = shown
    return PostedRoots(root, items)


def _is_under(root: Hash32, number: int, item: PostedItem) -> bool:
    try:
        PostedRoots(root, {number: item})
    except InputError:
        return False  # a re-org came between: the next look will know
    return True


def salt_of(key: bytes, seed: Hash32) -> Hash32:
    """Return the salt of a commitment: made from the sender's key, so that nothing has to be remembered.

    Each draw has its own: what was revealed to one that a re-org undid says nothing about another.
    """
    return keccak256(_SALT + key + seed)


def _shown(chain: Chain, lease: LeaseId, by_client: bool, audit: Audit) -> Roots | None:
    events = _openings(chain, lease, by_client, audit)
    return Roots(events[0].trace_root, events[0].item_root) if events else None


def _openings(chain: Chain, lease: LeaseId, by_client: bool, audit: Audit) -> list[Revealed]:
    """Events of what the provider opened, by whomever: its owner may be an auditor of it, too."""
    if audit.answer is not Answer.REVEALED:
        return []
    topics = (topic_of(chain.audits.abi, "Revealed"), lease, int(by_client).to_bytes(32, "big"))
    events = (each for each in chain.scanner.all(topics) if isinstance(each, Revealed))
    return [each for each in events if keccak256(each.trace_root + each.item_root) == audit.found]
