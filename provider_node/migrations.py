"""Forward migrations of what the provider's journal holds about a lease."""

from typing import Any

_TIMES = {
    "ProviderLease": ("item_ms", "trace_ms"),
    "Result": ("over_ms",),
    "DidCheck": ("item_ms", "trace_ms"),
}


def with_times(body: Any) -> Any:
    """From version 1 to 2: what items take is told. 0 is what a lease without a figure has."""
    if isinstance(body, dict):
        return {name: with_times(each) for name, each in body.items()}
    if not isinstance(body, (list, tuple)):
        return body
    found = [with_times(each) for each in body]
    if len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], dict):
        found[1] = dict.fromkeys(_TIMES.get(found[0], ()), 0) | found[1]
    return found
