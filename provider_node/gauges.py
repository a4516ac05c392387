"""What Prometheus sees of a provider; every figure is read when it is asked for."""

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from protocol.runtime.metrics import Metrics
from provider_node.watcher import KIND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from provider_node.parts import Parts


class Gauges(Collector):
    """Collects from the running parts."""

    def __init__(self, metrics: Metrics, parts: "Parts") -> None:
        self._parts = parts
        metrics.registry.register(self)

    def describe(self) -> "Iterable[Metric]":
        """Return nothing: names are told with the figures."""
        return ()

    def collect(self) -> "Iterable[Metric]":
        """Yield every figure."""
        parts = self._parts
        yield GaugeMetricFamily("gavel_chain_height", "Escrow's clock.", value=parts.watcher.height)
        yield GaugeMetricFamily("gavel_chain_up", "1 if the chain can be read.", not parts.watcher.trouble)
        yield GaugeMetricFamily("gavel_journal_up", "1 if decisions can be written.", not parts.loop.trouble)
        yield GaugeMetricFamily("gavel_peers", "Connected peers.", len(parts.node.peers()))
        yield GaugeMetricFamily("gavel_artifact_bytes", "Bytes in the store.", parts.store.used())
        yield GaugeMetricFamily("gavel_draining", "1 while no bids are made.", parts.market.draining)
        leases = GaugeMetricFamily("gavel_leases", "Leases by phase.", labels=["phase"])
        phases: dict[str, int] = {}
        for state in parts.loop.states(KIND).values():
            name = state.phase.name.lower()
            phases[name] = phases.get(name, 0) + 1
        for name, count in phases.items():
            leases.add_metric([name], count)
        yield leases
        answers = CounterMetricFamily("gavel_market", "Offers seen, bids made, declines.", labels=["what"])
        for what, count in parts.market.counts.items():
            answers.add_metric([what], count)
        yield answers
        sent = CounterMetricFamily("gavel_transactions", "Transactions mined.", labels=["call"])
        for what, count in parts.sending.counts.items():
            sent.add_metric([what], count)
        yield sent
        for room in parts.rooms:
            yield from room.metrics()
