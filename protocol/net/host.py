"""One libp2p host: TCP, Noise, yamux, and nothing else that a peer could negotiate."""

from __future__ import annotations

import logging
import sys
from typing import cast

from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.swarm import Swarm
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.rcmgr.manager import ResourceLimits, new_resource_manager
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from multiaddr import Multiaddr

from protocol.net.settings import NetSettings
from protocol.net.workarounds.connector import IdleConnector
from protocol.net.workarounds.identify import ask_nobody
from protocol.net.workarounds.reads import EagerNoise
from protocol.net.workarounds.yamux import PROTOCOL as YAMUX
from protocol.net.workarounds.yamux import BoundMuxers, BoundYamux
from protocol.types.errors import InputError

_PER_PEER = 8
"""Connections of one key."""


def parse_addr(text: str) -> Multiaddr:
    """Parse a multiaddr; InputError names the text."""
    try:
        return Multiaddr(text)
    except Exception as error:
        raise InputError(
            f"{text!r} is not a multiaddr", "write it like /ip4/203.0.113.7/tcp/4001/p2p/16Uiu2..."
        ) from error


def build_host(keys: KeyPair, settings: NetSettings) -> IHost:
    """Return a host that is not running yet.

    Stock hosts also accept plaintext, TLS and secio: a peer could choose to be unauthenticated.
    """
    noise = EagerNoise(keys, noise_privkey=new_x25519().private_key)
    host = new_host(
        key_pair=keys,
        sec_opt={NOISE: noise},
        muxer_opt={YAMUX: BoundYamux},
        connection_config=ConnectionConfig(
            max_connections=settings.max_peers + settings.handshakes + settings.dialled,
            high_watermark=settings.max_peers,
            low_watermark=0,
            min_connections=0,
            dial_timeout=settings.dial_timeout_s,
            outbound_upgrade_timeout=settings.dial_timeout_s,
            inbound_upgrade_timeout=settings.dial_timeout_s,
        ),
        resource_manager=new_resource_manager(
            # It keeps the place of every dial that is cancelled in its handshake, as by its deadline: the
            # swarm counts the connections that there are, and `InboundDoor` the handshakes.
            limits=ResourceLimits(max_connections=sys.maxsize, max_streams=2 * settings.streams.total),
            # Nor may it count what the door lets in: its own defaults are 256 of each kind.
            connection_limits=ConnectionLimits(max_established_per_peer=_PER_PEER),
            enable_memory_limits=False,
            enable_memory_pooling=False,
            enable_circuit_breaker=False,
            enable_graceful_degradation=False,
            enable_metrics=False,
        ),
        announce_addrs=[parse_addr(text) for text in settings.announce] or None,
    )
    ask_nobody(host)
    # The dialler has its own back-off; a dial that waits inside the swarm blocks the next address.
    swarm = swarm_of(host)
    swarm.retry_config = RetryConfig(max_retries=0)
    swarm.upgrader.muxer_multistream = BoundMuxers()
    swarm.auto_connector = IdleConnector(swarm)
    return host


def swarm_of(host: IHost) -> Swarm:
    """Return the host's swarm, whose interface in libp2p.abc lacks half of what it can do."""
    return cast(Swarm, host.get_network())


def quiet_library_logs() -> None:
    """Keep libp2p's logs to what is wrong with this node: by default it reports each peer that leaves."""
    for name in ("libp2p", "multiaddr", "aioquic", "async_service"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
