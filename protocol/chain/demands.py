"""The demands of a lease with their answers, read from the chain alone: all that either side needs."""

import threading
from collections import OrderedDict

from protocol.chain.delivery_events import Delivered, Demanded
from protocol.chain.delivery_reads import DeliveryReads, SeenDemand
from protocol.chain.events import topic_of
from protocol.chain.scan import Scanner
from protocol.dispute.delivery import Kind, Status, node_of
from protocol.types import BlockNo, Hash32, InputError, LeaseId, TransientError

_REMEMBERED = 4_096
"""Answers kept: their transactions' hashes fix them."""


class DemandReader:
    """Reads demands of one deployment. Thread-safe; blocking."""

    def __init__(self, reads: DeliveryReads, scanner: Scanner) -> None:
        self._reads, self._scanner = reads, scanner
        self._known: OrderedDict[Hash32, tuple[Kind, bytes] | None] = OrderedDict()
        self._lock = threading.Lock()

    def of_lease(self, lease: LeaseId, since: BlockNo | None = None) -> tuple[SeenDemand, ...]:
        """Return every demand ever made of a lease, oldest first, as of the newest block.

        `since`: a block not after the first one's. `TransientError` if a re-org came between: ask again.
        """
        last = self._reads.block_number()
        first = since if since is not None else self._reads.deployment.block
        abi = self._reads.delivery.abi
        topics = (topic_of(abi, "Demanded"), topic_of(abi, "Delivered"))
        events = self._scanner.between(first, last, (topics, None, lease))
        asked = [event for event in events if isinstance(event, Demanded)]
        views = self._reads.demands_now([each.demand for each in asked], last) if asked else ()
        answers = self._answers([event for event in events if isinstance(event, Delivered)])
        found = []
        for event, view in zip(asked, views, strict=True):
            if view.status is Status.NONE:
                raise TransientError("the chain changed while its demands were read")
            answer = answers.get(event.demand)
            if answer is not None and node_of(event.wanted.kind, answer) != event.wanted.node:
                raise TransientError("the chain changed while its demands were read")
            found.append(SeenDemand(event.demand, event.wanted, event.spot, view, answer))
        return tuple(found)

    def _answers(self, events: list[Delivered]) -> dict[Hash32, bytes]:
        """The answers by demand. Only plain calls answer: a transaction's own calldata is the answer."""
        with self._lock:
            missing = sorted({event.at.tx for event in events} - self._known.keys())
        read = dict(zip(missing, self._reads.node.transactions(missing), strict=True)) if missing else {}
        calls = self._reads.delivery
        with self._lock:
            for tx, sent in read.items():
                self._known[tx] = calls.parse_answer(sent.data) if sent.to == calls.address else None
            shown = {event.demand: self._known[event.at.tx] for event in events}
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        unread = [demand for demand, answer in shown.items() if answer is None]
        if unread:
            raise InputError(f"the answer to demand 0x{unread[0].hex()} is in no plain call of Delivery")
        return {demand: answer[1] for demand, answer in shown.items() if answer is not None}
