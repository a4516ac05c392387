"""`gavel doctor` holds this machine's clock to the newest block: gossip is dropped by clocks that are off."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.client import Chain
from protocol.chain.node import BlockHead
from protocol.runtime.commands import chain_views
from protocol.runtime.doctor import Finding
from protocol.types import BlockNo, Hash32

NOW = 1_800_000_000
HEAD = BlockHead(BlockNo(7), Hash32(bytes(32)), Hash32(bytes(32)), NOW)


def found(monkeypatch: pytest.MonkeyPatch, off_s: int, may_restart: bool = False) -> Finding:
    """Return what is found of a network whose newest block is that much off this machine's clock."""
    network = SimpleNamespace(chain_id=1, may_restart=may_restart)
    node = SimpleNamespace(head=lambda: replace(HEAD, timestamp=NOW + off_s))
    chain: Any = SimpleNamespace(network=network, node=node, check=lambda: None)
    monkeypatch.setattr("protocol.chain.networks_file.load_network", lambda _: network)
    monkeypatch.setattr(Chain, "connect", lambda _: chain)
    monkeypatch.setattr("time.time", lambda: float(NOW))
    return chain_views.check_network("sepolia")


@pytest.mark.parametrize("off_s", [30, 0, -12, -300])
def test_a_clock_that_is_right_is_well(monkeypatch: pytest.MonkeyPatch, off_s: int) -> None:
    assert found(monkeypatch, off_s) == Finding("network", "ok", "sepolia: chain 1, block 7")


@pytest.mark.parametrize(
    ("off_s", "said"),
    [(31, "31 s ahead of this machine's clock"), (-301, "301 s old"), (3_600, "3600 s ahead")],
)
def test_a_clock_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch, off_s: int, said: str) -> None:
    told = found(monkeypatch, off_s)
    assert (told.level, said in told.detail) == ("warn", True)
    assert "NTP" in told.advice


def test_a_local_chain_may_have_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, 86_400, may_restart=True).level == "ok"
