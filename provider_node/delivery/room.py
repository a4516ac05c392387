"""The room of demands: it has no machines, since the chain alone says what is owed."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from protocol.runtime.child import ChildOptions
from protocol.types import to_hex
from provider_node.delivery.answering import Delivering
from provider_node.delivery.bench import Bench
from provider_node.memory import divided
from provider_node.room import Room

if TYPE_CHECKING:
    from provider_node.parts import Parts

_IDLE_S = 60.0


def delivering(parts: "Parts") -> Room:
    """Return the room. Where the deployment has no Delivery, nothing is demanded, and it does nothing."""
    memory = divided(parts.config, parts.host).demands
    bench = Bench(ChildOptions(memory=memory, most=parts.host.memory, idle_s=_IDLE_S))
    desk = Delivering(parts.chain, parts.loop, parts.watcher, parts.sending, parts.jobs.files, bench)
    return Room(
        tasks=(bench.run, desk.run) if parts.chain.blocking.deployment.delivery else (),
        status=partial(_status, desk),
        metrics=partial(_metrics, desk),
    )


def _status(desk: Delivering) -> dict[str, Any]:
    return {
        "demands": [
            {
                "demand": to_hex(each.demand),
                "lease": to_hex(lease),
                "demander": to_hex(each.now.demander),
                "kind": each.wanted.kind.name.lower(),
                "bytes": each.wanted.size,
                "blocks_left": max(until - desk.watcher.height, 0),
            }
            for until, lease, each in desk.open_demands()
        ],
        "demands_answered": len(desk.done),
        "demands_fees_wei": desk.fees,
        "demands_repaid_wei": desk.repaid,
        "demands_trouble": desk.trouble,
    }


def _metrics(desk: Delivering) -> "Iterable[Metric]":
    owed = [until - desk.watcher.height for until, _, _ in desk.open_demands()]
    yield GaugeMetricFamily("gavel_demands_open", "Demands that we owe an answer to.", len(owed))
    yield GaugeMetricFamily(
        "gavel_demand_least_blocks_left", "Of their clocks; -1 if none runs.", min(owed, default=-1)
    )
    yield CounterMetricFamily("gavel_demands_answered", "Demands answered.", len(desk.done))
    yield CounterMetricFamily("gavel_demands_fees_wei", "Fees of answers.", desk.fees)
    yield CounterMetricFamily("gavel_demands_repaid_wei", "Repaid out of bonds.", desk.repaid)
