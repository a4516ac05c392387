"""Dataclasses to bytes and back, for the journal: tagged by class name, typed, versioned and strict.

A codec is built once from a root type (a dataclass, a union of dataclasses, or any type below) and refuses
types it could not tell apart when reading. On disk: msgpack of `[version, body]`, where a dataclass is
`[name, {field: value}]`, an enum its value, a tuple or frozenset a list, and an int beyond 64 bits an
extension of type 1 (signed, big-endian). Reading checks every value against its annotation: a missing,
unknown or mistyped field is a `BrokenInvariant`, since only this program writes the journal.
"""

import dataclasses
import enum
import types
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from protocol.types.errors import BrokenInvariant, GavelError

T = TypeVar("T")

_BIG = 1
_I64 = range(-(1 << 63), 1 << 64)
_SCALARS = (bool, int, bytes, str, float, type(None))


class Codec(Generic[T]):
    """Writes and reads values of one root type.

    `migrations[v]` turns the body of version v into that of version v + 1, on plain msgpack values; reading
    applies them up to `version`. A version without a way forward is a `BrokenInvariant`.
    """

    def __init__(
        self, root: Any, version: int = 1, migrations: Mapping[int, Callable[[Any], Any]] | None = None
    ) -> None:
        self._root = root
        self._version = version
        self._migrations = dict(migrations or {})
        self._fields: dict[type, dict[str, Any]] = {}
        self._prepare(root)

    def encode(self, value: T) -> bytes:
        """Return the bytes of `value`; the same value always gives the same bytes."""
        plain = _to_plain(value)
        # Checked on the way in, so that the journal never holds what a restart could not read.
        self._read(self._root, plain, type(value).__name__)
        try:
            return msgspec.msgpack.encode([self._version, plain])
        except ValueError as error:  # text with a lone surrogate, which a peer's JSON may hold
            raise BrokenInvariant(f"{type(value).__name__} cannot be written: {error}") from error

    def decode(self, data: bytes) -> T:
        """Return the value that `data` holds, migrated; `BrokenInvariant` if it does not fit."""
        try:
            version, body = msgspec.msgpack.decode(data, type=tuple[int, Any])
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise BrokenInvariant(f"journal record is no msgpack pair: {error}") from None
        while version < self._version:
            upgrade = self._migrations.get(version)
            if upgrade is None:
                raise BrokenInvariant(f"no migration from record version {version}")
            body, version = upgrade(body), version + 1
        if version > self._version:
            raise BrokenInvariant(
                f"record version {version} is newer than this program's {self._version}", "upgrade gavel"
            )
        value: T = self._read(self._root, body, "record")
        return value

    def _prepare(self, hint: Any) -> None:
        """Walk the types below `hint` once: collect fields, refuse what cannot be read back unambiguously."""
        hint = _bare(hint)
        if hint in _SCALARS or hint is None or _is_enum(hint) or get_origin(hint) is Literal:
            return
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if hint not in self._fields:
                hints = get_type_hints(hint)
                self._fields[hint] = {f.name: hints[f.name] for f in dataclasses.fields(hint)}
                for each in self._fields[hint].values():
                    self._prepare(each)
            return
        if _is_union(hint):
            shapes = [_shape(_bare(arm)) for arm in get_args(hint)]
            if len(set(shapes)) != len(shapes):
                raise TypeError(f"codec cannot tell apart the arms of {hint}")
        elif get_origin(hint) not in (tuple, frozenset, dict):
            raise TypeError(f"codec cannot hold {hint!r}")
        for arm in get_args(hint):
            if arm is not Ellipsis:
                self._prepare(arm)

    def _read(self, hint: Any, plain: Any, where: str) -> Any:
        hint = _bare(hint)
        if _is_union(hint):
            return self._read(_arm(hint, plain, where), plain, where)
        if hint is None or hint is type(None):
            return _expect(plain is None, plain, hint, where)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return self._read_record(hint, plain, where)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            try:
                return hint(_int(plain))
            except ValueError:
                raise _mismatch(plain, hint, where) from None
        origin = get_origin(hint)
        if origin is Literal:
            return _expect(plain in get_args(hint), plain, hint, where)
        if origin is not None:
            return self._read_container(origin, get_args(hint), plain, where)
        value = _int(plain)
        # bool is an int in Python; a field that says int must not hold True.
        return _expect(type(value) is hint, value, hint, where)

    def _read_record(self, cls: type, plain: Any, where: str) -> Any:
        if not (isinstance(plain, (list, tuple)) and len(plain) == 2 and plain[0] == cls.__name__):
            raise _mismatch(plain, cls, where)
        fields, body = self._fields[cls], plain[1]
        if not isinstance(body, dict) or body.keys() != fields.keys():
            raise BrokenInvariant(f"{where}: fields of {cls.__name__} do not match: {sorted(body)}")
        values = {name: self._read(fields[name], body[name], f"{where}.{name}") for name in fields}
        try:
            return cls(**values)
        except (GavelError, ValueError) as error:
            raise BrokenInvariant(f"{where}: {cls.__name__} refuses its fields: {error}") from error

    def _read_container(self, origin: Any, args: tuple[Any, ...], plain: Any, where: str) -> Any:
        if origin is dict:
            _expect(isinstance(plain, dict), plain, origin, where)
            return {self._read(args[0], k, where): self._read(args[1], v, where) for k, v in plain.items()}
        _expect(isinstance(plain, (list, tuple)), plain, origin, where)
        if origin is frozenset or args[-1] is Ellipsis:
            return origin(self._read(args[0], item, f"{where}[{i}]") for i, item in enumerate(plain))
        _expect(len(plain) == len(args), plain, origin, where)
        return tuple(
            self._read(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(args, plain, strict=True))
        )


def _to_plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _to_plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = {f.name: _to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [type(value).__name__, body]
    if isinstance(value, frozenset):
        # Sorted by encoding: equal sets must give equal bytes.
        return sorted((_to_plain(item) for item in value), key=msgspec.msgpack.encode)
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        items = [(_to_plain(k), _to_plain(v)) for k, v in value.items()]
        return dict(sorted(items, key=lambda item: msgspec.msgpack.encode(item[0])))
    if isinstance(value, int) and not isinstance(value, bool) and value not in _I64:
        return msgspec.msgpack.Ext(_BIG, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, _SCALARS):
        return value
    raise BrokenInvariant(f"the journal cannot hold a {type(value).__name__}")


def _int(plain: Any) -> Any:
    if isinstance(plain, msgspec.msgpack.Ext) and plain.code == _BIG:
        return int.from_bytes(plain.data, "big", signed=True)
    return plain


def _bare(hint: Any) -> Any:
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.Enum)


def _shape(hint: Any) -> str:
    """Name what a value of this type looks like in msgpack, as far as a union needs it."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return f"record {hint.__name__}"
    if _is_enum(hint):
        return type(next(iter(hint)).value).__name__
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0]).__name__
    origin = get_origin(hint)
    if origin in (tuple, frozenset):
        return "list"
    return "dict" if origin is dict else "NoneType" if hint is None else str(hint.__name__)


def _arm(hint: Any, plain: Any, where: str) -> Any:
    """Return the arm of a union that `plain` was written from."""
    value = _int(plain)
    shapes = {_shape(_bare(arm)): arm for arm in get_args(hint)}
    if isinstance(value, (list, tuple)):
        tagged = f"record {value[0]}" if value and isinstance(value[0], str) and len(value) == 2 else ""
        found = shapes.get(tagged, shapes.get("list"))
    else:
        found = shapes.get(type(value).__name__)
    if found is None:
        raise _mismatch(plain, hint, where)
    return found


def _expect(holds: bool, value: Any, hint: Any, where: str) -> Any:
    if not holds:
        raise _mismatch(value, hint, where)
    return value


def _mismatch(plain: Any, hint: Any, where: str) -> BrokenInvariant:
    name = getattr(hint, "__name__", str(hint))
    return BrokenInvariant(f"{where}: expected {name}, got {plain!r:.80}")
