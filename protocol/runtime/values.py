"""One configuration value: from YAML or from text to the type of its field."""

import enum
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NewType, Union, get_args, get_origin

_UNITS: dict[str, dict[str, float]] = {
    "bytes": {"": 1.0, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    | {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40},
    "seconds": {"": 1.0, "S": 1, "MS": 0.001, "MIN": 60, "H": 3600, "D": 86400},
}
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
_NUMBER = re.compile(
    r"\s*([-+]?[0-9](?:_?[0-9]){0,99}(?:\.[0-9]{1,99})?(?:[eE][-+]?[0-9]{1,4})?)\s*([A-Za-z]*)\s*"
)
"""What Python reads too, and of a length that it does: it makes no number of thousands of digits."""
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Malformed(Exception):  # noqa: N818 - a private signal between here and the loader
    """The value does not have the type that the field expects."""

    def __init__(self, expected: str, got: Any) -> None:
        super().__init__(expected)
        self.expected, self.got = expected, repr(got)[:80]


def from_yaml(hint: Any, raw: Any, metadata: Mapping[str, Any]) -> Any:
    """Return `raw`, as YAML gave it, in the type `hint`; `Malformed` if it does not fit."""
    hint = _bare(hint)
    if get_origin(hint) in (Union, types.UnionType):
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        return None if raw is None else from_yaml(arms[0], raw, metadata)
    origin = get_origin(hint)
    if origin is tuple and isinstance(raw, list):
        return tuple(from_yaml(get_args(hint)[0], item, metadata) for item in raw)
    if origin is dict and isinstance(raw, dict):
        return {key: from_yaml(get_args(hint)[1], item, metadata) for key, item in raw.items()}
    if origin in (tuple, dict) or raw is None or isinstance(raw, (list, dict)):
        raise Malformed(describe(hint, metadata), raw)
    if metadata.get("parse") or isinstance(raw, str):
        return _scalar(hint, str(raw), metadata)
    if hint is float and type(raw) is int:
        raw = float(raw)
    if type(raw) is not hint:
        raise Malformed(describe(hint, metadata), raw)
    return bounded(hint, raw, metadata)


def from_text(hint: Any, text: str, metadata: Mapping[str, Any]) -> Any:
    """Return the value that a flag or environment variable spells; lists are comma-separated."""
    hint = _bare(hint)
    if get_origin(hint) in (Union, types.UnionType):
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        return None if text == "" else from_text(arms[0], text, metadata)
    if get_origin(hint) is tuple:
        items = [each.strip() for each in text.split(",") if each.strip()]
        return tuple(from_text(get_args(hint)[0], item, metadata) for item in items)
    if get_origin(hint) is dict:
        pairs = [each.partition("=") for each in text.split(",") if each.strip()]
        if not all(separator for _, separator, _ in pairs):
            raise Malformed(describe(hint, metadata), text)
        return {key.strip(): from_text(get_args(hint)[1], item.strip(), metadata) for key, _, item in pairs}
    return _scalar(hint, text, metadata)


def describe(hint: Any, metadata: Mapping[str, Any]) -> str:
    """Return in words what a field of this type expects."""
    hint = _bare(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return describe(next(arm for arm in args if arm is not type(None)), metadata) + " or nothing"
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        return f"a list, each item {describe(args[0], metadata)}"
    if origin is dict:
        return f"a map of names, each value {describe(args[1], metadata)}"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(each.name.lower() for each in hint)
    unit = metadata.get("unit")
    example = {"bytes": ' of bytes, such as "64 GiB"', "seconds": ' of seconds, such as "5 min"'}
    return _NAMES.get(hint, str(hint)) + example.get(unit or "", "") + _bounds(metadata)


def _scalar(hint: Any, text: str, metadata: Mapping[str, Any]) -> Any:
    if parse := metadata.get("parse"):
        try:
            return parse(text)
        except ValueError as error:
            raise Malformed(str(error) or describe(hint, metadata), text) from None
    if get_origin(hint) is Literal:
        for choice in get_args(hint):
            if str(choice) == text:
                return choice
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        for member in hint:
            if member.name.lower() == text.lower():
                return member
    elif hint is bool:
        if text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
    elif hint is str:
        return text
    elif hint is Path:
        return Path(text).expanduser()
    elif hint in (int, float):
        return bounded(hint, _number(hint, text, metadata), metadata)
    raise Malformed(describe(hint, metadata), text)


def bounded(hint: Any, value: Any, metadata: Mapping[str, Any]) -> Any:
    """Return a number that lies within its field's bounds, anything else as it is; `Malformed` otherwise."""
    least, most = metadata.get("least"), metadata.get("most")
    # Written so that not-a-number is refused too.
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        raise Malformed(describe(hint, metadata), value)
    return value


def _bounds(metadata: Mapping[str, Any]) -> str:
    least, most = metadata.get("least"), metadata.get("most")
    if least is None:
        return "" if most is None else f", at most {most}"
    return f", at least {least}" if most is None else f", from {least} to {most}"


def _number(hint: type, text: str, metadata: Mapping[str, Any]) -> Any:
    match = _NUMBER.fullmatch(text)
    factors = _UNITS.get(metadata.get("unit", ""), {"": 1.0})
    if match is None or match[2].upper() not in factors:
        raise Malformed(describe(hint, metadata), text)
    factor = factors[match[2].upper()]
    if hint is float:
        return float(match[1]) * factor
    if "." in match[1] or "e" in match[1].lower():
        raise Malformed(describe(hint, metadata), text)
    return int(match[1]) * int(factor)  # never through float: sums of money have more than 53 bits


def _bare(hint: Any) -> Any:
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint
