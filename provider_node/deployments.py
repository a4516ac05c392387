"""Which contracts a provider works on: the newest, unless leases are still open on older ones.

A lease lives and ends on the contracts that it was opened on. So after a new deployment the daemon first
serves what is open on the old one, without bidding there, and then moves.
"""

from protocol.chain.networks import Deployment, Network
from protocol.chain.networks_file import newest
from protocol.store.journal import Journal
from protocol.types import InputError, to_hex

_NOTE = "provider.escrow"


def choose_deployment(network: Network, journal: Journal) -> Deployment:
    """Return the deployment to work on, and remember it. Blocking.

    Raises `InputError` if leases are open on contracts that networks.yaml no longer names, or if the network
    has none.
    """
    latest = newest(network)
    used = journal.recall(_NOTE)
    if used is not None and used != latest.escrow and any(not each.ended for each in journal.records()):
        for each in network.deployments:
            if each.escrow == used:
                return each
        raise InputError(
            f"leases are open on Escrow {to_hex(used)}, which {network.source} does not name any more",
            f"add it again below deployments of {network.name}, until they are over",
        )
    journal.remember(_NOTE, latest.escrow)
    return latest
