"""A watchtower does not start on a device that is not there."""

import pytest

from protocol.types import InputError
from watchtower.config import WatchtowerConfig
from watchtower.rerun import prove


@pytest.mark.trio
async def test_a_device_that_is_not_here_is_refused_at_the_start() -> None:
    with pytest.raises(InputError, match="no device 'cuda:99' here"):
        await prove(WatchtowerConfig(device="cuda:99"))
    await prove(WatchtowerConfig(device="cpu"))
