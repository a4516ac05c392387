"""What a cheat does wrong, as text: parts joined by commas, such as `flip 3 5 0, swap 0 1`.

`$CHEAT_LIES` is a JSON list of such texts. An item names its lie by the first word of its first input:
`MARK` and the lie's place in the list. Every other item is executed and defended honestly. With
`$CHEAT_FLIP=node:byte:bit` that one flip is made in every item.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MARK = 0x11E0_0000
"""Of no number that other tapes are likely to be given."""


@dataclass(frozen=True)
class Flip:
    """One bit of one node's output, as soon as it is computed: all behind it follows from the false value.

    `node` counts the tape's nodes, negative ones from the end; `byte` those of its output.
    """

    node: int
    byte: int
    bit: int


@dataclass(frozen=True)
class Given:
    """One bit of an input or a constant, wherever it is read; `value` counts the tape's values."""

    value: int
    byte: int
    bit: int


@dataclass(frozen=True)
class Outside:
    """A byte outside of a node's shape that is not zero."""

    node: int
    leaf: int
    byte: int


@dataclass(frozen=True)
class Beyond:
    """A trace with too many nodes: something stands where there are none."""


@dataclass(frozen=True)
class Missing:
    """A trace with too few nodes: nothing stands where the last one is."""


@dataclass(frozen=True)
class Swap:
    """A trace with two nodes of one type in each other's place."""

    first: int
    second: int


@dataclass(frozen=True)
class Silent:
    """No move of this name (of `protocol.dispute.moves`) is made."""

    move: str


@dataclass(frozen=True)
class Foreign:
    """Moves of this name show what belongs to another tree."""

    move: str


@dataclass(frozen=True)
class Count:
    """A trace is posted with so many hashes more (less, if negative) than were asked for."""

    more: int


@dataclass(frozen=True)
class Withheld:
    """Outputs are served to nobody. Demands are answered."""


@dataclass(frozen=True)
class Hidden:
    """The job's inputs are served to nobody."""


@dataclass(frozen=True)
class Mute:
    """The demand for these leaves of an output is not answered, all others are; -1, -1: none is."""

    output: int
    index: int


Part = Flip | Given | Outside | Beyond | Missing | Swap | Silent | Foreign | Count | Withheld | Hidden | Mute
Lie = tuple[Part, ...]
_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (Flip, Given, Outside, Beyond, Missing, Swap, Silent, Foreign, Count, Withheld, Hidden, Mute)
}


def parse(text: str) -> Lie:
    """Read a lie; the empty text is the honest one."""
    return tuple(_part(each.split()) for each in text.split(",") if each.strip())


def _part(words: Sequence[str]) -> Part:
    kind, *arguments = words
    return _KINDS[kind](*(int(word) if word.lstrip("-").isdigit() else word for word in arguments))


@dataclass(frozen=True)
class Lies:
    """Which item is lied about, and how. `always`: the lie of every item."""

    table: tuple[Lie, ...] = ()
    always: Lie = ()

    @classmethod
    def told(cls) -> "Lies":
        """Return what the environment says."""
        if flip := os.environ.get("CHEAT_FLIP"):
            return cls(always=(Flip(*map(int, flip.split(":"))),))
        return cls(tuple(map(parse, json.loads(os.environ["CHEAT_LIES"]))))

    def of(self, first_input: Any) -> Lie:
        """Return the lie of an item, by the bytes of its first input."""
        if self.always:
            return self.always
        place = int.from_bytes(bytes(memoryview(first_input).cast("B")[:4]), "little") - MARK
        return self.table[place] if 0 <= place < len(self.table) else ()
