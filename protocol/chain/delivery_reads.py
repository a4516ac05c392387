"""State of Delivery, typed; and the demands of a lease with their answers, read from the chain alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.delivery import CONTRACT, DeliveryCalls
from protocol.chain.dispute_reads import DisputeReads
from protocol.chain.fees import fee_now
from protocol.chain.node import Tag
from protocol.dispute.delivery import Spot, Status, Wanted, bond_of
from protocol.types import Address, BlockNo, Blocks, Hash32, InputError, LeaseId, Wei

_GWEI = 10**9


@dataclass(frozen=True, slots=True)
class DemandView:
    """A demand as the contract stores it. `bond` is what is left of it."""

    status: Status
    until: BlockNo
    bond: Wei
    demander: Address


@dataclass(frozen=True, slots=True)
class Queue:
    """Open demands of a lease: of its client and delegates, of strangers, and when it fell silent."""

    asked: int
    requested: int
    silent: int


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """What the deployment fixed for all demands."""

    demand_clock: Blocks
    tip: Wei
    data_fee: Wei


@dataclass(frozen=True, slots=True)
class SeenDemand:
    """One demand of a lease: what it asks for, how it stands, and its answer."""

    demand: Hash32
    wanted: Wanted
    spot: Spot
    now: DemandView
    answer: bytes | None
    """Out of the answering transaction's calldata; None while there is none."""


class DeliveryReads(DisputeReads):
    """Reads the demands of one deployment. `InputError` if it has no Delivery."""

    @cached_property
    def delivery(self) -> DeliveryCalls:
        """The calls of the deployment's Delivery."""
        address = self.deployment.delivery
        if address is None:
            raise InputError(
                f"deployment {self.deployment.name!r} of {self.network.name!r} has no Delivery",
                "outputs can be demanded only on a deployment with one",
            )
        return DeliveryCalls(address)

    def demands_now(self, demands: Sequence[Hash32], tag: Tag = "latest") -> tuple[DemandView, ...]:
        """Return many demands in one request, in order; status NONE where there is no such demand."""
        results = self.delivery.abi.results
        calls = [self._ask("demandOf", each) for each in demands]
        return tuple(self.node.views(calls, lambda each: _demand_view(results("demandOf", each)[0]), tag))

    def queue(self, lease: LeaseId) -> Queue:
        """Return how many demands of a lease are open."""
        return Queue(*self._delivery("queueOf", lease)[0])

    @cached_property
    def delivery_terms(self) -> DeliveryTerms:
        """What the deployment fixed for all demands."""
        _, _, clock, tip, data_fee = self._delivery("terms")[0]
        return DeliveryTerms(Blocks(clock), Wei(tip), Wei(data_fee))

    def demand_bond(self, size: int) -> Wei:
        """Return a bond that holds for a demand sent now, as `bond` does for a challenge; whole gwei."""
        price = fee_now(self.node, self.network.fees).max_fee
        return Wei(bond_of(size, price, self.delivery_terms.data_fee))

    def _ask(self, function: str, *args: Any) -> Call:
        calls = self.delivery
        return Call(calls.address, calls.abi.call_data(function, *args), f"{CONTRACT}.{function}")

    def _delivery(self, function: str, *args: Any) -> tuple[Any, ...]:
        return self.node.view(self._ask(function, *args), partial(self.delivery.abi.results, function))


def _demand_view(fields: tuple[Any, ...]) -> DemandView:
    status, until, gwei, demander = fields
    return DemandView(Status(status), BlockNo(until), Wei(gwei * _GWEI), Address(demander))
