"""Forward migrations of what the provider's journal holds about a lease."""

from typing import Any

_Added = dict[str, tuple[str, ...]]
_TIMES: _Added = {
    "ProviderLease": ("item_ms", "trace_ms"),
    "Result": ("over_ms",),
    "DidCheck": ("item_ms", "trace_ms"),
}
_READING: _Added = {"ProviderLease": ("reading_ms",), "DidCheck": ("reading_ms",)}
_TRACES: _Added = {
    "ProviderLease": ("trace_bytes", "value_bytes"),
    "DidCheck": ("trace_bytes", "value_bytes"),
    "Result": ("slow_ms",),
}


def with_times(body: Any) -> Any:
    """From version 1 to 2: what items take is told. 0 is what a lease without a figure has."""
    return _with(_TIMES, body)


def with_reading(body: Any) -> Any:
    """From version 2 to 3: what reading the program takes is told. 0: what its bytes tell."""
    return _with(_READING, body)


def with_traces(body: Any) -> Any:
    """From version 3 to 4: what traces take in memory and on disk, and slow items. 0: not known."""
    return _with(_TRACES, body)


def _with(added: _Added, body: Any) -> Any:
    if isinstance(body, dict):
        return {name: _with(added, each) for name, each in body.items()}
    if not isinstance(body, (list, tuple)):
        return body
    found = [_with(added, each) for each in body]
    if len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], dict):
        found[1] = dict.fromkeys(added.get(found[0], ()), 0) | found[1]
    return found
