"""The room of audits: it has no machines, since the chain alone says what is owed."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily, Metric

from protocol.games.audit_runs import AuditRuns
from protocol.runtime.child import ChildOptions
from protocol.types import to_hex
from provider_node import policy
from provider_node.auditing.answering import Auditing
from provider_node.defence.items import Items
from provider_node.executors.tape import default_threads
from provider_node.folder import data_dir
from provider_node.memory import divided
from provider_node.room import Room

if TYPE_CHECKING:
    from provider_node.parts import Parts


def auditing(parts: "Parts") -> Room:
    """Return the room. Where the deployment has no Audits, nothing is audited, and it does nothing."""
    config = parts.config.defence
    executing = ChildOptions(
        memory=divided(parts.config, parts.host).traces,
        most=parts.host.memory,
    )
    threads = config.threads or default_threads(1)
    block_ms = policy.block_ms(parts.chain.blocking.network)
    items = Items(parts.loop, parts.jobs.files, threads, config.device, block_ms)
    desk = Auditing(
        parts.chain,
        parts.loop,
        parts.watcher,
        parts.sending,
        items,
        executing,
        parts.identity.operator_key,
        AuditRuns(data_dir(parts.config) / "audits"),
        parts.running,
    )
    return Room(
        tasks=(desk.run,) if parts.chain.blocking.deployment.audits else (),
        status=partial(_status, desk),
        metrics=partial(_metrics, desk),
    )


def _status(desk: Auditing) -> dict[str, Any]:
    return {
        "audits": [
            {
                "lease": to_hex(lease),
                "by": "its client" if by_client else "strangers",
                "stage": sight.audit.stage.name.lower(),
                "item": sight.audit.item,
            }
            for (lease, by_client), sight in desk.seen.items()
        ],
        "audits_trouble": desk.trouble,
    }


def _metrics(desk: Auditing) -> "Iterable[Metric]":
    yield GaugeMetricFamily("gavel_audits_open", "Audits of our results that are not over.", len(desk.seen))
