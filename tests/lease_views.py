"""What the contract answers about a lease, with zeros for whatever a test is not about."""

from typing import Any

from protocol.chain.views import LeaseState, LeaseView


def lease_view(state: LeaseState, **changes: Any) -> LeaseView:
    """Return a lease that stands at `state`."""
    zeros = dict.fromkeys(LeaseView.__slots__, 0)
    return LeaseView(**{**zeros, "output_root": bytes(32), **changes, "state": state})
