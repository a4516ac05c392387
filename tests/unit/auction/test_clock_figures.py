"""The figures of docs/provider.md, computed."""

import re
from collections.abc import Callable
from pathlib import Path

from protocol.auction.clocks import Promise, load
from protocol.auction.defence import RAN_FACTOR, TRACE_FACTOR, Means, again_ms, reading_ms, trace_ms
from protocol.auction.traces import traces_flaw
from protocol.chain.deploy_terms import default_dispute_terms
from protocol.chain.localnet import _GAME
from protocol.chain.networks_file import load_network
from protocol.types import Blocks, LeaseId

PAGE = Path(__file__).parents[3] / "docs" / "provider.md"
ROW = re.compile(r"^\| (\d+) items of ([\d.]+) s, (\d+) MB \| (\d+) \| (\d+) \| (\d+)(\+?) \|$", re.MULTILINE)
MANY = 200
NETWORKS = ("local", "sepolia", "base-sepolia")


TRACES = re.compile(
    r"(\d+) MiniLM items \((\d+) MB each\).*for (\d+) leases of the second row.*for\n(\d+) on"
)
DISK = 64 << 30


def clocks(name: str) -> tuple[int, int]:
    """Return move clock and block, in ms."""
    network = load_network(name)
    move = _GAME["move_clock"] if name == "local" else default_dispute_terms(network).move_clock
    return move * network.seconds_per_block * 1_000, network.seconds_per_block * 1_000


def lease(items: int, item_ms: int, megabytes: int, block: int) -> Promise:
    """Return what such a lease may ask for. More than one trace finds no room."""
    return Promise(
        LeaseId(bytes(32)),
        items,
        trace_ms(item_ms),
        TRACE_FACTOR * -(-item_ms // block) * block,
        RAN_FACTOR * items * item_ms,
        reading_ms(megabytes * 10**6),
        value_bytes=DISK,
        again_ms=again_ms(trace_ms(item_ms), item_ms),
    )


def most(fits: Callable[[int], bool]) -> int:
    """Return how many leases may be in their windows at once."""
    low, high = 0, MANY
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def by_clocks(items: int, item_ms: int, megabytes: int, name: str) -> int:
    move, block = clocks(name)
    one = lease(items, item_ms, megabytes, block)
    return most(lambda count: load([one] * count, move).fits)


def by_traces(items: int, item_ms: int, megabytes: int, name: str) -> int:
    network = load_network(name)
    terms, block = default_dispute_terms(network), network.seconds(Blocks(1)) * 1_000
    means = Means(terms.move_clock, terms.increment, block, memory_bytes=1, disk_bytes=DISK)
    one = lease(items, item_ms, megabytes, block)
    return most(lambda count: not traces_flaw([one] * count, means))


def test_the_page_says_how_many_leases_fit() -> None:
    rows = ROW.findall(PAGE.read_text())
    assert len(rows) == 3
    for items, seconds, megabytes, *counts, more in rows:
        job = (int(items), int(float(seconds) * 1_000), int(megabytes))
        found = [by_clocks(*job, name) for name in NETWORKS]
        assert found == [int(count) for count in counts], job
        assert (found[-1] == MANY) == bool(more), job


def test_the_page_says_what_traces_take() -> None:
    page = PAGE.read_text()
    found = TRACES.search(page)
    assert found
    kept, megabytes, *counts = map(int, found.groups())
    assert kept == DISK // (megabytes * 10**6) // 100 * 100
    items, seconds, size, *_ = ROW.findall(page)[1]
    job = (int(items), int(float(seconds) * 1_000), int(size))
    assert [by_traces(*job, name) for name in NETWORKS[1:]] == counts
