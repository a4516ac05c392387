"""Calls of Delivery, as values, and answers back. Who may call what, and when, stands in IDelivery.sol."""

from collections.abc import Sequence
from typing import Any

from protocol.chain.calls import NOTHING, Call
from protocol.chain.codec import Abi
from protocol.dispute.calls import values_of
from protocol.dispute.delivery import Demand, DemandItems, DemandOutput, DemandRoots, Kind, Wanted
from protocol.dispute.names import Job
from protocol.messages import Bid
from protocol.types import Address, Hash32, InputError, Wei

CONTRACT = "Delivery"
Header = tuple[bytes, tuple[Hash32, ...]]
"""An output's node header, and the siblings from it up to the program's nodes."""


class DeliveryCalls:
    """Encodes the calls of one Delivery contract, and decodes answers."""

    def __init__(self, address: Address) -> None:
        self.address, self.abi = address, Abi.shipped(CONTRACT)

    def demand(
        self,
        bid: Bid,
        job: Job,
        demand: Demand,
        bond: Wei,
        *,
        headers: Sequence[Header] = (),
        delegates: Sequence[Address] = (),
    ) -> Call:
        """Demand an answer. `headers`: of all outputs; `delegates`: all of the bid, if the sender is one."""
        wanted, spot, siblings = demand.wanted, demand.spot, demand.siblings
        front = (values_of(bid), values_of(job), tuple(delegates))
        match demand:
            case DemandItems():
                return self._call("demandItems", *front, wanted.node, spot.index, siblings).paying(bond)
            case DemandRoots():
                return self._call("demandRoots", *front, spot.item, wanted.node, siblings).paying(bond)
            case DemandOutput():
                header, proof = headers[spot.output]
                output = (spot.item, demand.item_siblings, demand.roots, spot.output, header, proof)
                rest = (output, wanted.node, spot.index, siblings)
                return self._call("demandOutput", *front, *rest).paying(bond)

    def deliver(self, bid: Bid, kind: Kind, data: bytes) -> Call:
        """Answer. To be sent from the operator's plain key, not through a wallet contract."""
        return self._call("deliver", values_of(bid), int(kind), data)

    def timeout(self, bid: Bid, wanted: Wanted) -> Call:
        """Convict the provider of silence, once the clock has run out."""
        return self._call("timeout", values_of(bid), values_of(wanted))

    def collect(self, bid: Bid, wanted: Wanted) -> Call:
        """Take what is left of the sender's own demand."""
        return self._call("collect", values_of(bid), values_of(wanted))

    def burn_fee(self, bid: Bid, job: Job, headers: Sequence[Header]) -> Call:
        """Let the completion fee of a large output burn, with as much of the client's credits (RULES 24)."""
        sizes = tuple((output, *header) for output, header in enumerate(headers))
        return self._call("burnFee", values_of(bid), values_of(job), sizes)

    def parse_answer(self, data: bytes) -> tuple[Kind, bytes] | None:
        """Return what an answer's calldata shows; None if it is no answer."""
        try:
            called = self.abi.called(data)
        except InputError:
            return None
        if called is None or called[0] != "deliver":
            return None
        _, kind, shown = called[1]
        return Kind(kind), bytes(shown)

    def _call(self, function: str, *values: Any) -> Call:
        return Call(self.address, self.abi.call_data(function, *values), f"{CONTRACT}.{function}", NOTHING)
