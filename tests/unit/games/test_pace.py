"""Whoever has a clock running tries in every block, whatever was amiss in the one before."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.chain.deploy_terms import default_dispute_terms
from protocol.chain.networks_file import load_networks, shipped_network
from protocol.chain.rpc import PATIENCE_S, TIMEOUT_S
from protocol.games.pace import rest
from protocol.games.player import Turn
from protocol.runtime.metrics import Metrics
from protocol.types import TransientError
from watchtower.games import Games
from watchtower.standings import Standings

NETWORKS = ["local", "sepolia", "base-sepolia"]
LEAST_TRIES = 10


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rest_is_shorter_than_half_a_block(name: str) -> None:
    network = shipped_network(name)
    assert rest(network, 0) == network.look_s
    rests = [rest(network, failures) for failures in range(1, 100)]
    assert max(rests) <= network.seconds_per_block / 2
    assert min(rests) > 0


def test_a_clock_leaves_time_for_tries_even_while_every_node_hangs() -> None:
    for network in load_networks().values():
        clock = network.seconds(default_dispute_terms(network).move_clock)
        longest = len(network.rpc_urls) * TIMEOUT_S + PATIENCE_S
        assert LEAST_TRIES * (longest + rest(network, 99)) <= clock, network.name


class Failing:
    """A game in which every look fails, after a while, until it is over."""

    def __init__(self, takes_s: float, over_at: float) -> None:
        self.takes_s, self.over_at, self.tries = takes_s, over_at, list[float]()
        self.lease, self.item, self.due, self.suspect = bytes(32), 0, None, 3

    async def turn(self) -> Turn:
        self.tries.append(trio.current_time())
        await trio.sleep(self.takes_s)
        if trio.current_time() < self.over_at:
            raise TransientError("no node answers")
        none: Any = 0
        return Turn(none, none, (), "", over="over")


@pytest.mark.trio
@pytest.mark.parametrize("name", NETWORKS)
async def test_a_game_is_tried_in_every_block_while_all_fails(
    name: str, tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = shipped_network(name)
    block, blocks, began = network.seconds_per_block, 50, trio.current_time()

    def height() -> int:
        return int((trio.current_time() - began) // block)

    async def run(_: Any) -> int:
        return height()

    async def inline(work: Any, *args: Any) -> Any:
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)
    blocking: Any = SimpleNamespace(network=network)
    rig: Any = SimpleNamespace(chain=SimpleNamespace(run=run, blocking=blocking))
    nothing: Any = None
    player: Any = Failing(block * 0.4, began + block * blocks)
    games = Games(rig, nothing, Standings(tmp_path), nothing, Metrics())
    assert await games._until_over(player) == "over"
    tried = {int((each - began) // block) for each in player.tries}
    assert set(range(blocks)) <= tried
