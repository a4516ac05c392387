"""Rent computation: offer a job, take the best bid, get a checked result.

    async with Client.connect("local", wallet="alice") as client:
        lease = await client.submit("job.yaml", max_price="0.40")
        result = await lease.result()

The same works without `async` and `await`. Names are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client_sdk.client import Client
    from client_sdk.clients import AsyncClient, SyncClient
    from client_sdk.job import Check, Inputs, Job, Limits, load_job
    from client_sdk.leases import AsyncAuction, AsyncLease, SyncAuction, SyncLease
    from client_sdk.outcome import AuctionLostError, NoResultError, Quote, Result
    from client_sdk.progress import Progress
    from client_sdk.verify import Verification, verify_receipt
    from client_sdk.wallet import Wallet

__all__ = [
    "AsyncAuction",
    "AsyncClient",
    "AsyncLease",
    "AuctionLostError",
    "Check",
    "Client",
    "Inputs",
    "Job",
    "Limits",
    "NoResultError",
    "Progress",
    "Quote",
    "Result",
    "SyncAuction",
    "SyncClient",
    "SyncLease",
    "Verification",
    "Wallet",
    "load_job",
    "verify_receipt",
]

_HOMES = {
    "client": ("Client",),
    "clients": ("AsyncClient", "SyncClient"),
    "leases": ("AsyncAuction", "AsyncLease", "SyncAuction", "SyncLease"),
    "job": ("Check", "Inputs", "Job", "Limits", "load_job"),
    "outcome": ("AuctionLostError", "NoResultError", "Quote", "Result"),
    "progress": ("Progress",),
    "verify": ("Verification", "verify_receipt"),
    "wallet": ("Wallet",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"client_sdk.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
