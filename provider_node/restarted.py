"""A local chain that was started anew: nothing of the journal is true there, and no bid of it can be opened.

Its contracts stand where the old ones stood, so only the first block tells it from the old one.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.networks import Network
from protocol.store.journal import Journal
from protocol.types import GavelError, Hash32, TransientError

if TYPE_CHECKING:
    from provider_node.parts import Parts

log = logging.getLogger(__name__)

_NOTE = "provider.genesis"
_SETTLES_S = 30.0


class ChainRestartedError(Exception):
    """The journal is of a chain that is gone."""


def genesis_of(chain: Chain) -> Hash32:
    """Return the hash of the chain's first block. Blocking."""
    return chain.node.genesis()


def require_same(journal: Journal, network: Network, genesis: Hash32) -> None:
    """Raise `ChainRestartedError` if a journal is of an older local chain; note the chain of a fresh one.

    Other chains do not begin anew: a node that says so lies, and must not stop who has leases to defend.
    """
    if not network.may_restart:
        return
    known = journal.recall(_NOTE)
    if known is None:
        journal.remember(_NOTE, genesis)
    elif known != genesis:
        raise ChainRestartedError


def set_aside(journal: Path) -> Path:
    """Move a closed journal away, so that the next one begins empty; return where it lies now."""
    number = 1
    while (target := journal.with_name(f"{journal.stem}-{number}{journal.suffix}")).exists():
        number += 1
    for end in ("-wal", "-shm", ""):
        beside = journal.with_name(journal.name + end)
        if beside.exists():
            beside.rename(target.with_name(target.name + end))
    log.warning("the local chain was started anew: what was bid and leased before is void, see %s", target)
    return target


async def _settled(chain: AsyncChain, pause_s: float) -> None:
    """Wait for the contracts, which come after the chain; not for ever, as they may stand elsewhere."""
    with trio.move_on_after(_SETTLES_S):
        while True:
            with suppress(GavelError):
                await chain.run(Chain.check)
                return
            await trio.sleep(pause_s)


async def leave_if_restarted(parts: "Parts") -> None:
    """End the daemon's run once the local chain has become another one; until cancelled."""
    watcher, chain = parts.watcher, parts.chain
    if not chain.blocking.network.may_restart:
        return
    before, was_down = watcher.height, False
    while True:
        await trio.sleep(watcher.poll_s)
        suspicious = watcher.height < before or (was_down and not watcher.trouble)
        before, was_down = watcher.height, bool(watcher.trouble)
        if not suspicious:
            continue
        try:
            genesis = await chain.run(genesis_of)
            require_same(parts.base.journal, chain.blocking.network, genesis)
        except TransientError:
            was_down = True
        except ChainRestartedError:
            log.warning("the chain was started anew")
            await _settled(chain, watcher.poll_s)
            parts.restarted = True
            parts.stop.set()
            return
