"""Requests to a node: public ones refuse batches that are too long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.node import Node

MOST = 100


@dataclass
class Counting:
    """An RPC that answers each call with its own calldata, and remembers how many came at once."""

    sizes: list[int] = field(default_factory=list)

    def read(
        self, parse: Callable[[list[str]], Any], *requests: tuple[str, Sequence[Any]], sure: bool
    ) -> Any:
        """Answer."""
        self.sizes.append(len(requests) + 1)  # with the block number that goes along
        return parse([params[0]["data"] for _, params in requests])


def test_many_calls_go_in_batches_that_public_nodes_take() -> None:
    rpc = Counting()
    calls = [Call(bytes(20), number.to_bytes(4), "view") for number in range(2 * MOST + 1)]
    found = Node(rpc).views(calls, bytes)  # type: ignore[arg-type]
    assert found == [call.data for call in calls]
    assert max(rpc.sizes) <= MOST
    assert Node(rpc).views([], bytes) == []  # type: ignore[arg-type]
