"""The demo runs on a small machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.auction.traces import traces_flaw
from protocol.runtime.config import load_config
from provider_node.config import ProviderConfig
from provider_node.policy import at_once
from scripts.demo.stage import CHEAT, PROVIDERS, Provider, _provider_config, _write
from tests.unit.auction.test_defence import MEANS
from tests.unit.auction.test_traces import held

TRACE = 18 << 20
"""Bytes on disk of the trace of an item of magika."""
ITEMS = 1_200
"""More than the demo has files."""


@pytest.mark.parametrize("provider", [*PROVIDERS, CHEAT], ids=lambda each: each.name)
def test_its_providers_need_no_disk_for_the_traces_of_all_items(provider: Provider, tmp_path: Path) -> None:
    _write(file := tmp_path / "provider.yaml", _provider_config(provider, tmp_path))
    config = load_config(ProviderConfig, "provider", file, environ={}).value
    small = replace(MEANS, disk_bytes=256 << 20, at_once=at_once(config.defence))
    assert traces_flaw([held(items=ITEMS, value_bytes=TRACE)], small) == ""
