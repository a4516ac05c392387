"""Reads YAML that people wrote: plain values only, no key twice, errors in one line with the place."""

import re
from pathlib import Path
from typing import Any

import yaml

from protocol.types import InputError

_MAX_BYTES = 1 << 20
_BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently take the last, and anchors.

    Anchors are refused because a few lines of them expand to gigabytes.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        found = None if self.check_event(yaml.AliasEvent) else super().compose_node(parent, index)
        if found is None or self.anchors:
            raise yaml.YAMLError("anchors and aliases are not allowed")
        return found

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"expected a name, got {key!r}", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"field {key} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# What people write without quotes is text. An address is no number without its zeros and capitals, and of
# YAML 1.1's words for true and false those two alone are taken, as YAML 1.2 has it: NO is Norway.
_Loader.yaml_implicit_resolvers = {
    **{
        first: [(tag, form) for tag, form in known if tag != _BOOL or first in "tTfF"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    },
    "0": [
        ("tag:yaml.org,2002:str", re.compile(r"0x[0-9a-fA-F_]+$")),
        *yaml.SafeLoader.yaml_implicit_resolvers["0"],
    ],
}


def read_yaml(path: Path) -> Any:
    """Return what the file holds; `InputError` with path and line if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path} is longer than {_MAX_BYTES} bytes")
    try:
        return yaml.load(data, _Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: {error}".replace("\n", " ")) from None
    except ValueError as error:  # a date or a number that Python does not hold
        raise InputError(f"{path}: {error}") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deep") from None
