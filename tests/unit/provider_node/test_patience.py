"""What comes back by itself is waited for; what does not is told at once."""

import pytest
import trio

from protocol.types import InputError, TransientError
from provider_node.patience import patiently

pytestmark = pytest.mark.trio


async def test_it_is_asked_until_it_answers_and_each_reason_is_said_once(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [TransientError(why) for why in ("down", "down", "busy", "busy")]
    began = trio.current_time()

    async def ask() -> str:
        if errors:
            raise errors.pop(0)
        return "here"

    assert await patiently(ask, "a node") == "here"
    assert [each.message for each in caplog.records] == [
        "waiting for a node: down",
        "waiting for a node: busy",
    ]
    assert trio.current_time() - began > 1, "nobody is asked without pause"


async def test_what_will_not_pass_is_not_waited_for() -> None:
    async def ask() -> None:
        raise InputError("no such network")

    with pytest.raises(InputError, match="no such network"):
        await patiently(ask)
