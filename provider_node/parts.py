"""What the daemon is made of, for whoever has to look at it."""

from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.games.line import Line
from protocol.net import Node
from protocol.runtime.hardware import Hardware
from protocol.runtime.loop import Loop
from protocol.store.artifacts import Artifacts
from protocol.store.journal import Journal
from provider_node.config import ProviderConfig
from provider_node.identity import Identity
from provider_node.jobs import Jobs
from provider_node.ledger import Ledger
from provider_node.market import Market
from provider_node.orphans import Orphans
from provider_node.room import Room
from provider_node.sending import Sending
from provider_node.watcher import Watcher
from provider_node.workers import Workers


@dataclass(frozen=True)
class Base:
    """What is opened before anything runs."""

    config: ProviderConfig
    identity: Identity
    chain: AsyncChain
    journal: Journal
    store: Artifacts

    @property
    def superseded(self) -> bool:
        """Whether there are newer contracts, and this run only ends leases on old ones."""
        return self.chain.blocking.deployment != self.chain.blocking.network.deployments[0]


@dataclass
class Parts:
    """Everything that runs on one deployment."""

    base: Base
    host: Hardware
    node: Node
    workers: Workers
    loop: Loop
    watcher: Watcher
    sending: Sending
    jobs: Jobs
    ledger: Ledger
    market: Market
    orphans: Orphans
    running: Line = field(default_factory=Line)
    """Runs of items for games and for audits: they share the memory that there is for defending results."""
    rooms: tuple[Room, ...] = ()
    metrics_port: int = 0
    drained_by_owner: bool = False
    restarted: bool = False
    """Whether the chain has become another one: a new run finds out what that means."""
    stop: trio.Event = field(default_factory=trio.Event)

    @property
    def config(self) -> ProviderConfig:
        """The effective configuration."""
        return self.base.config

    @property
    def identity(self) -> Identity:
        """Keys and addresses."""
        return self.base.identity

    @property
    def chain(self) -> AsyncChain:
        """The chain, sending as the operator."""
        return self.base.chain

    @property
    def store(self) -> Artifacts:
        """The artifacts."""
        return self.base.store

    @property
    def living(self) -> int:
        """How much is still to be brought to its end, over all rooms."""
        return sum(room.living() for room in self.rooms)
