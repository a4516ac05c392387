"""Where other providers are, from their registrations on chain: so that gossip reaches everybody."""

import logging

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.net import Node, reachable_at
from protocol.types import ZERO_ADDRESS, Address, TransientError

log = logging.getLogger(__name__)

_EVERY_S = 15.0
_MOST = 1_000
"""Registrations cost their makers gas, but little: more of them than this are not kept in mind."""


async def follow_registrations(chain: AsyncChain, node: Node) -> None:
    """Teach the node every registered operator's addresses, now and as they change, until cancelled."""
    known: dict[Address, tuple[str, ...]] = {}
    while True:
        try:
            claims: dict[Address, list[tuple[str, ...]]] = {}
            for each in (await chain.run(Chain.registrations))[-_MOST:]:
                if each.registration is not None and each.operator not in (ZERO_ADDRESS, node.address):
                    claims.setdefault(each.operator, []).append(each.registration.addrs)
            for operator, said in claims.items():
                addrs = reachable_at(operator, said)
                if addrs and known.get(operator) != addrs:
                    known[operator] = addrs
                    node.learn(operator, addrs)
        except TransientError as error:
            log.debug("registrations cannot be read: %s", error)
        await trio.sleep(_EVERY_S)
