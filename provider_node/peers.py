"""Where other providers are, from their registrations on chain: so that gossip reaches everybody."""

import logging

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.net import Node
from protocol.types import ZERO_ADDRESS, Address, InputError, to_hex

log = logging.getLogger(__name__)

_EVERY_S = 15.0


async def follow_registrations(chain: AsyncChain, node: Node) -> None:
    """Teach the node every registered operator's addresses, now and as they change, until cancelled."""
    known: dict[Address, tuple[str, ...]] = {}
    while True:
        found = await chain.run(Chain.registrations)
        # Of an operator that signed for several owners, as when it moved, the newest word counts alone.
        newest = {each.operator: each.addrs for each in found if each.addrs}
        known = {operator: addrs for operator, addrs in known.items() if operator in newest}
        for operator, addrs in newest.items():
            if operator not in (ZERO_ADDRESS, node.address) and known.get(operator) != addrs:
                known[operator] = addrs
                _learn(node, operator, addrs)
        await trio.sleep(_EVERY_S)


def _learn(node: Node, operator: Address, addrs: tuple[str, ...]) -> None:
    try:
        node.learn(operator, addrs)
    except InputError as error:
        log.info("provider %s registered addresses of no use: %s", to_hex(operator), error)
