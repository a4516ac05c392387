"""The figures of docs/provider.md, computed."""

import re
from pathlib import Path

from protocol.auction.clocks import Promise, load
from protocol.auction.defence import RAN_FACTOR, TRACE_FACTOR, reading_ms, trace_ms
from protocol.chain.deploy_terms import default_dispute_terms
from protocol.chain.localnet import _GAME
from protocol.chain.networks_file import load_network
from protocol.types import LeaseId

PAGE = Path(__file__).parents[3] / "docs" / "provider.md"
ROW = re.compile(r"^\| (\d+) items of ([\d.]+) s, (\d+) MB \| (\d+) \| (\d+) \| (\d+)(\+?) \|$", re.MULTILINE)
MANY = 200
NETWORKS = ("local", "sepolia", "base-sepolia")


def clocks(name: str) -> tuple[int, int]:
    """Return move clock and block, in ms."""
    network = load_network(name)
    move = _GAME["move_clock"] if name == "local" else default_dispute_terms(network).move_clock
    return move * network.seconds_per_block * 1_000, network.seconds_per_block * 1_000


def most(items: int, item_ms: int, megabytes: int, name: str) -> int:
    """Return how many such leases may be in their windows at once."""
    move, block = clocks(name)
    one = Promise(
        LeaseId(bytes(32)),
        items,
        trace_ms(item_ms),
        TRACE_FACTOR * -(-item_ms // block) * block,
        RAN_FACTOR * items * item_ms,
        reading_ms(megabytes * 10**6),
    )
    low, high = 0, MANY
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if load([one] * middle, move).fits else (low, middle - 1)
    return low


def test_the_page_says_how_many_leases_fit() -> None:
    rows = ROW.findall(PAGE.read_text())
    assert len(rows) == 3
    for items, seconds, megabytes, *counts, more in rows:
        job = (int(items), int(float(seconds) * 1_000), int(megabytes))
        found = [most(*job, name) for name in NETWORKS]
        assert found == [int(count) for count in counts], job
        assert (found[-1] == MANY) == bool(more), job
