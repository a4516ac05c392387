"""One watchtower at a time has a data folder: two would share what each thinks it alone writes."""

import os
from pathlib import Path

import pytest
import trio

from protocol.chain.networks_file import shipped_network
from protocol.runtime.metrics import Metrics
from protocol.store.owning import own
from protocol.types import InputError
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch


@pytest.mark.trio
async def test_a_second_watchtower_on_the_same_folder_is_told_who_has_it(tmp_path: Path) -> None:
    config = WatchtowerConfig(data_dir=str(tmp_path))
    first = own(tmp_path / "lock", "the folder", "")
    try:
        with pytest.raises(InputError, match=f"^{tmp_path} is in use by process {os.getpid()} "):
            with trio.fail_after(5):
                await watch(config, shipped_network("local"), b"\x01" * 32, Metrics())
    finally:
        os.close(first)
