"""Whoever demands all outputs of a job on chain, level by level, from what the chain shows."""

from dataclasses import dataclass
from pathlib import Path

from protocol.chain.client import Chain
from protocol.dispute.delivery import Known, Shape, demands, learn
from protocol.engines.worker.delivering import demand_terms
from protocol.engines.worker.delivery_records import DemandTermsArgs
from protocol.engines.worker.game_wire import JOBS
from protocol.messages import Bid
from protocol.tape import DType, TensorType
from protocol.tape.roots import leaf_count
from protocol.types import Hash32


@dataclass
class Demander:
    """`folder` holds program and inputs; `root` is the posted result."""

    chain: Chain
    bid: Bid
    folder: Path
    root: Hash32
    items: int

    def __post_init__(self) -> None:
        args = DemandTermsArgs(str(self.folder / "program"), str(self.folder / "inputs"))
        self.terms = demand_terms(args)
        types = tuple(TensorType(DType(kind), shape) for kind, shape in self.terms.types)
        self.shape = Shape(self.items, types)

    def known(self) -> Known:
        """All that is on chain."""
        known = Known.of_result(self.root, self.shape.depth)
        for each in self.chain.demands_of(self.bid.lease_id()):
            if each.answer is not None:
                known = learn(known, each.wanted, each.spot, self.shape.depths, each.answer)
        return known

    def turn(self) -> bool:
        """Demand what can be demanded now; tell whether all is known."""
        known, made = self.known(), {each.demand for each in self.chain.demands_of(self.bid.lease_id())}
        wanted = [
            each
            for item in range(self.items)
            for output, kind in enumerate(self.shape.types)
            for each in demands(self.shape, known, item, output, range(leaf_count(kind)))
        ]
        for each in dict.fromkeys(wanted):
            if each.wanted.demand(self.bid.lease_id()) not in made:
                bond = self.chain.demand_bond(each.wanted.size)
                headers = [(header, tuple(map(Hash32, proof))) for header, proof in self.terms.headers]
                call = self.chain.delivery.demand(
                    self.bid, JOBS.decode(self.terms.job), each, bond, headers=headers
                )
                self.chain.send(call)
        return not wanted

    def collect(self) -> None:
        """Take what is left of the bonds."""
        for each in self.chain.demands_of(self.bid.lease_id()):
            self.chain.send(self.chain.delivery.collect(self.bid, each.wanted))
