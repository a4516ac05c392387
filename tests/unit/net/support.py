"""What the tests of the network share: keys, nodes over loopback, and waiting without sleeping."""

import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import trio

from protocol.net import Accept, NetSettings, Node, open_node, topic
from protocol.net.verdict import Verdict
from protocol.types import Address

ESCROW = Address(bytes(19) + b"\x07")
OFFERS = topic(31337, ESCROW, "offers")


def key(name: str) -> bytes:
    """A private key that is the same in every run."""
    return hashlib.sha256(name.encode()).digest()


def accept_all(_sender: Address, _payload: bytes) -> Verdict:
    return Accept()


@asynccontextmanager
async def nodes(count: int, settings: NetSettings | None = None) -> AsyncIterator[list[Node]]:
    """Run `count` nodes; the first one is the others' bootstrap peer."""
    settings = settings or NetSettings()
    async with AsyncExitStack() as stack:
        made: list[Node] = []
        for index in range(count):
            bootstrap = made[0].addrs if made else ()
            made.append(
                await stack.enter_async_context(
                    open_node(key(f"node {index}"), replace(settings, bootstrap=bootstrap))
                )
            )
        await until(lambda: len(made[0].peers()) == count - 1)
        yield made


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `condition()` holds; the deadline is far above what it takes, to fail and not to hang."""
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.005)


def free_port() -> int:
    """A port that nothing listens on now: for a node that has to come back under the same address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def has_ipv6() -> bool:
    """Tell whether this machine can listen on its IPv6 loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
