"""Hypothesis strategies for messages: any value that the field types allow."""

from typing import Any

from hypothesis import strategies as st

from protocol.messages import Bid, Message
from protocol.messages.fields import Kind
from protocol.messages.message import field_kinds

_TEXT = st.text(max_size=40).filter(lambda s: not any(0xD800 <= ord(c) < 0xE000 for c in s))


def _values(kind: Kind) -> st.SearchStrategy[Any]:
    match kind.name:
        case "address":
            return st.binary(min_size=20, max_size=20)
        case "bytes32":
            return st.binary(min_size=32, max_size=32)
        case "bytes":
            return st.binary(max_size=100)
        case "string":
            return _TEXT
        case "string[]":
            return st.lists(_TEXT, max_size=4).map(tuple)
        case name:
            return st.integers(0, (1 << int(name.removeprefix("uint"))) - 1)


def raw_messages(cls: type[Message]) -> st.SearchStrategy[Message]:
    """Messages whose fields fit their types but may contradict each other."""
    return st.fixed_dictionaries({name: _values(kind) for name, kind in field_kinds(cls)}).map(
        lambda f: cls(**f)
    )


def bids() -> st.SearchStrategy[Bid]:
    """Bids that pass their own check."""
    fixed = {
        "lease_class": st.sampled_from([1, 2]),
        "verification": st.sampled_from([0, 1]),
        "flags": st.sampled_from([0, 1]),
    }
    every = {name: _values(kind) for name, kind in field_kinds(Bid)} | fixed

    def build(fields: dict[str, Any]) -> Bid:
        fields["top_up_cap"] = max(fields["top_up_cap"], fields["max_blocks"])
        return Bid(**fields)

    return st.fixed_dictionaries(every).map(build)
