"""How often whoever follows a clock on the chain looks, and tries again."""

from protocol.chain.networks import Network
from protocol.runtime.retry import backoff

_BLOCKS = 3
"""As many as a transaction may miss before it is replaced."""


def rest(network: Network, failures: int) -> float:
    """Return how many seconds to rest after so many failed tries in a row (0: after a look that went well).

    Never more than half a block: whatever was amiss, each new block may be the one to move in, so every block
    sees a try begin while nodes answer or refuse within the other half.
    """
    if not failures:
        return network.look_s
    return backoff(failures, first=network.look_s, most=network.seconds_per_block / 2)


def patience(network: Network) -> float:
    """Return for how many seconds a transaction is waited for before one looks again at what is due.

    One that is stuck below the base fee must not keep its sender from what has a clock by now.
    """
    return _BLOCKS * network.seconds_per_block
