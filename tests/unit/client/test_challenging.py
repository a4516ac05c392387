"""A challenge goes on for as long as a bond is in its game."""

from types import SimpleNamespace
from typing import Any

import pytest

from client_sdk.challenge import _to_the_end
from protocol.games.player import Turn
from protocol.types import BlockNo, InputError, TransientError

pytestmark = pytest.mark.trio


def turn(**changes: Any) -> Turn:
    return Turn(BlockNo(1), BlockNo(1), (), "", **changes)


class Looks:
    """A player whose looks come to this, one after the other."""

    def __init__(self, *looks: Turn | Exception, bound: bool) -> None:
        self.looks, self.bound, self.lease = iter(looks), bound, b""
        heads = iter(range(100))
        network = SimpleNamespace(look_s=0.1, seconds_per_block=1)

        async def run(_: object) -> int:
            return next(heads)

        self.chain = SimpleNamespace(run=run, blocking=SimpleNamespace(network=network))

    async def turn(self) -> Turn:
        look = next(self.looks)
        if isinstance(look, Exception):
            raise look
        return look


UNFIT = InputError("the item does not fit in the worker's memory")


@pytest.mark.parametrize("first", [UNFIT, turn(refused="the wallet holds 0 coin")])
async def test_nothing_but_its_end_ends_a_live_game(first: Any, autojump_clock: object) -> None:
    said = list[str]()
    live: Any = Looks(first, UNFIT, TransientError("no node"), turn(over="it is over"), bound=True)
    assert (await _to_the_end(live, said.append)).text == "it is over"
    assert said.count(f"cannot go on yet: {UNFIT.message}") == 1, "once"
    none: Any = Looks(first, turn(over="it is over"), bound=False)
    with pytest.raises(InputError):
        await _to_the_end(none, said.append)
