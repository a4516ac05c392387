import enum
from dataclasses import dataclass
from typing import Any, Literal, NewType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.runtime.codec import Codec
from protocol.types import BrokenInvariant, Wei

Name = NewType("Name", str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Leaf:
    name: Name
    wei: Wei
    data: bytes = b""


@dataclass(frozen=True)
class Node:
    children: "tuple[Leaf | Node, ...]"
    level: Level
    colour: Colour | None
    pair: tuple[int, str]
    flag: bool
    rate: float
    seen: frozenset[bytes]
    notes: dict[str, int]
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Renamed:
    label: str


leaves = st.builds(Leaf, st.text().map(Name), st.integers(-(1 << 300), 1 << 300).map(Wei), st.binary())
nodes = st.deferred(
    lambda: st.builds(
        Node,
        st.lists(leaves | nodes, max_size=3).map(tuple),
        st.sampled_from(Level),
        st.none() | st.sampled_from(Colour),
        st.tuples(st.integers(), st.text()),
        st.booleans(),
        st.floats(allow_nan=False),
        st.frozensets(st.binary(max_size=3)),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
        st.sampled_from(["a", "b"]),
    )
)
CODEC: Codec[Leaf | Node] = Codec(Leaf | Node)


@given(nodes | leaves)
def test_what_is_written_is_read(value: Leaf | Node) -> None:
    data = CODEC.encode(value)
    again = CODEC.decode(data)
    assert again == value
    assert CODEC.encode(again) == data


@settings(max_examples=40)
@given(nodes, st.data())
def test_a_damaged_record_is_refused_or_another_value_never_an_accident(value: Node, data: Any) -> None:
    encoded = bytearray(CODEC.encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        other = CODEC.decode(bytes(encoded))
    except BrokenInvariant:
        return
    assert isinstance(other, (Leaf, Node))


@pytest.mark.parametrize(
    "value",
    [
        Leaf(Name("x"), True),  # type: ignore[arg-type]
        Leaf(Name("x"), 1.0),  # type: ignore[arg-type]
        Leaf(b"x", Wei(1)),  # type: ignore[arg-type]
        Leaf(Name("x"), Wei(1), "text"),  # type: ignore[arg-type]
        Leaf(Name("x"), Wei(1), bytearray(b"x")),
        Renamed("not of this codec"),
    ],
)
def test_what_does_not_fit_its_type_is_refused_when_written(value: Any) -> None:
    with pytest.raises(BrokenInvariant):
        CODEC.encode(value)


@pytest.mark.parametrize(
    "body",
    [
        ["Leaf", {"name": "x", "wei": 1}],
        ["Leaf", {"name": "x", "wei": 1, "data": b"", "more": 1}],
        ["Other", {}],
        ["Leaf", {"name": "x", "wei": "1", "data": b""}],
        "Leaf",
        None,
    ],
)
def test_what_does_not_fit_is_refused_when_read(body: Any) -> None:
    with pytest.raises(BrokenInvariant):
        CODEC.decode(msgspec.msgpack.encode([1, body]))


def test_types_that_could_not_be_told_apart_are_refused_at_once() -> None:
    for hint in (int | Level, str | Literal["a"], tuple[int, ...] | frozenset[int], list[int], object):
        with pytest.raises(TypeError, match="codec cannot"):
            Codec(hint)


def test_an_old_record_is_migrated_step_by_step() -> None:
    def rename(body: Any) -> Any:
        return [body[0], {"label": body[1]["title"]}]

    def shout(body: Any) -> Any:
        return [body[0], {"label": body[1]["label"].upper()}]

    codec: Codec[Renamed] = Codec(Renamed, 3, {1: rename, 2: shout})
    assert codec.decode(msgspec.msgpack.encode([1, ["Renamed", {"title": "x"}]])) == Renamed("X")
    assert codec.decode(msgspec.msgpack.encode([2, ["Renamed", {"label": "x"}]])) == Renamed("X")
    assert codec.decode(codec.encode(Renamed("x"))) == Renamed("x")
    with pytest.raises(BrokenInvariant, match="newer"):
        codec.decode(msgspec.msgpack.encode([4, ["Renamed", {"label": "x"}]]))
    with pytest.raises(BrokenInvariant, match="no migration"):
        codec.decode(msgspec.msgpack.encode([0, ["Renamed", {"label": "x"}]]))
