"""A provider whose result no outputs hash to: right values, and one more byte where there are none."""

from functools import cached_property
from typing import Any

import trio

from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.dispute.answers import Answering, answer
from protocol.dispute.delivery import Kind, Spot, Wanted
from protocol.dispute.delivery.names import step
from protocol.dispute.replay import replay
from protocol.dispute.trace import Trace
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.traces import TRACES
from protocol.messages import Bid, JobSpec
from protocol.store.artifacts import Artifacts
from protocol.tape.merkle import Tree, tree
from protocol.types import ArtifactId, Hash32
from tests.chain_helpers import OPERATOR
from tests.cheat.lies import Lies, Outside
from tests.cheat.trace import Lying
from tests.watch_rig import Provider

BEHIND_A_ROW = Outside(0, 2, 127)
"""Behind the end of the third row of the only node: with rows of 80 bytes, say."""
WORD = b"\7" * 24 + bytes(8)


class Padding(Lying):
    """A trace with that byte."""

    lies = Lies(always=(BEHIND_A_ROW,))


class Padded:
    """What such a provider posts and answers. `bad`: the item with the byte; None: a word behind the last."""

    def __init__(self, store: Artifacts, spec: JobSpec, bad: int | None) -> None:
        self._files = [str(store.path(ArtifactId(each))) for each in (spec.program, spec.inputs)]
        self._count, self._bad = spec.item_count, bad

    @classmethod
    def of(cls, provider: Provider, bad: int | None) -> "Padded":
        """What a provider made by hand posts."""
        return cls(provider.store, provider.job.spec, bad)

    @cached_property
    def traces(self) -> list[Trace]:
        """The traces of all items."""
        return [self._trace(item) for item in range(self._count)]

    def _trace(self, item: int) -> Trace:
        own = TRACES.get(Item(self._files[0], self._files[1], item))
        values: list[Any] = [bytes(own.raw(value)) for value in range(len(own.plan.types))]
        return (Padding if item == self._bad else Trace)(own.plan, item, values)

    @cached_property
    def items(self) -> Tree:
        """The tree over the items, whose root is posted."""
        behind = WORD if self._bad is None else b""
        return tree(b"".join(trace.item_root for trace in self.traces) + behind)

    def root_of(self, _: object) -> Hash32:
        """What is posted."""
        return self.items.root

    def deliver(self, wanted: Wanted, spot: Spot) -> bytes:
        """The answer to a demand."""
        trace = self.traces[spot.item]
        value = len(trace.plan.types) - trace.plan.tape.outputs + spot.output
        if wanted.kind is Kind.ROOTS:
            return b"".join(trace.output_roots)
        if wanted.kind is Kind.LEAVES:
            first = spot.index << spot.levels
            return b"".join(trace.leaf(value, first + at) for at in range(1 << spot.levels))
        over = self.items if wanted.kind is Kind.ITEMS else trace.tensor(value)
        _, down = step(wanted.kind, spot.levels)
        first = spot.index << down
        return b"".join(over.hash_at(spot.levels - down, first + at) for at in range(1 << down))

    async def defend(self, chain: Chain, bid: Bid) -> None:
        """Answer demands and games until cancelled."""
        while True:
            await trio.to_thread.run_sync(self._answer, chain, bid)
            await trio.sleep(0.05)

    def _answer(self, chain: Chain, bid: Bid) -> None:
        try:
            for each in chain.demands_of(bid.lease_id()):
                if each.now.status.open:
                    data = self.deliver(each.wanted, each.spot)
                    chain.send(chain.delivery.deliver(bid, each.wanted.kind, data))
            self._play(chain, bid)
        except Revert:
            pass  # somebody was quicker, or the lease is convicted

    def _play(self, chain: Chain, bid: Bid) -> None:
        games = chain.games_of(bid)
        for case in dict.fromkeys(game.case for game in games):
            trace, own = self.traces[case.item], {game.game for game in games if game.case == case}
            made = [each.made for each in in_order(games) if each.made and each.made.game in own]
            for view in replay(case, trace.plan.job, made).views.values():
                if view.phase.live and view.phase.provider_moves:
                    by = Answering(bid.owner, bid.struct_hash(), chain.address)
                    move = answer(case, view, trace, by)
                    if move is not None:
                        chain.send(chain.disputes.move(move))


def operator(provider: Provider) -> Chain:
    """The chain with the provider's key."""
    return provider.net.chain(OPERATOR)
