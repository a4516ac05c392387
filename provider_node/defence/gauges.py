"""What Prometheus sees of the games; every figure is read when it is asked for."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from protocol.dispute.defence import OWING
from protocol.dispute.defence_types import Defence

if TYPE_CHECKING:
    from protocol.auction.clocks import Load
    from provider_node.defence.answering import Answering
    from provider_node.defence.purse import Purse

States = Callable[[], dict[bytes, Defence]]


def game_metrics(
    states: States, answering: "Answering", purse: "Purse", clocks: Callable[[], "Load"]
) -> Iterable[Metric]:
    """Yield every figure."""
    games = list(states().values())
    phases = GaugeMetricFamily("gavel_games", "Games about our results by phase.", labels=["phase"])
    for name in sorted({state.phase.name.lower() for state in games}):
        phases.add_metric([name], sum(state.phase.name.lower() == name for state in games))
    yield phases
    left = [state.deadline - answering.watcher.height for state in games if state.phase in OWING]
    yield GaugeMetricFamily(
        "gavel_game_least_blocks_left", "Of our clocks that run; -1 if none does.", min(left, default=-1)
    )
    yield GaugeMetricFamily(
        "gavel_game_runs_waiting", "Challenged items that are to be executed.", answering.runs.waiting
    )
    yield GaugeMetricFamily(
        "gavel_clocks_percent", "Of the time that all promises, challenged at once, leave.", clocks().percent
    )
    yield CounterMetricFamily(
        "gavel_game_contradictions", "Runs that contradicted a posted result.", answering.alarms
    )
    yield GaugeMetricFamily(
        "gavel_suspended", "1 if no new jobs are taken after a contradiction.", answering.suspended
    )
    yield GaugeMetricFamily("gavel_operator_coin_wei", "Coin of the operator.", purse.held)
    yield GaugeMetricFamily("gavel_operator_coin_low", "1 if games could not all be answered.", purse.low)
    yield GaugeMetricFamily("gavel_coin_won_wei", "Left to the owner by lost games.", purse.won)
