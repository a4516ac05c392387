"""Delivery on demand: what to demand of a posted result, and what answers it. Pure."""

from protocol.dispute.delivery.answers import Outputs, answer
from protocol.dispute.delivery.assembling import gather, missing, tensors
from protocol.dispute.delivery.costs import Estimate, estimate, estimate_way
from protocol.dispute.delivery.difference import towards_difference
from protocol.dispute.delivery.knowledge import Known, learn
from protocol.dispute.delivery.names import Kind, Spot, Status, Wanted, node_of, step
from protocol.dispute.delivery.planning import (
    Demand,
    DemandItems,
    DemandOutput,
    DemandRoots,
    Shape,
    beyond,
    demands,
    next_demand,
)
from protocol.dispute.delivery.posted import MAGIC as POSTED_MAGIC
from protocol.dispute.delivery.posted import PostedItem, PostedRoots, posted_roots
from protocol.dispute.delivery.prices import BIG_OUTPUT, answer_gas, bond_of

__all__ = [
    "BIG_OUTPUT",
    "POSTED_MAGIC",
    "Demand",
    "DemandItems",
    "DemandOutput",
    "DemandRoots",
    "Estimate",
    "Kind",
    "Known",
    "Outputs",
    "PostedItem",
    "PostedRoots",
    "Shape",
    "Spot",
    "Status",
    "Wanted",
    "answer",
    "answer_gas",
    "beyond",
    "bond_of",
    "demands",
    "estimate",
    "estimate_way",
    "gather",
    "learn",
    "missing",
    "next_demand",
    "node_of",
    "posted_roots",
    "step",
    "tensors",
    "towards_difference",
]
