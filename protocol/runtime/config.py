"""One config file per role: flag over environment over file over default; strict, and tells where from.

A role states its schema as a frozen dataclass of `option`s, nested by section:

    @dataclass(frozen=True)
    class Store:
        quota: int = option(64 << 30, "bytes of artifacts to keep", unit="bytes")

    @dataclass(frozen=True)
    class ProviderConfig:
        wallet: str = option("default", "name of the operator's key")
        store: Store = field(default_factory=Store)

The file is YAML (`store: {quota: 64 GiB}`), the environment variable of `store.quota` in role `provider` is
`GAVEL_PROVIDER_STORE_QUOTA`, and flags are given by their dotted name. Field types: str, int, float, bool,
Path, Enum (by name), Literal, tuple[X, ...], dict[str, X], sections, and X | None. Fields that do not fit
each other are a `ValueError` of `__post_init__`.
"""

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from protocol.runtime import paths
from protocol.runtime.values import Malformed, bounded, from_text, from_yaml
from protocol.types import InputError

T = TypeVar("T")


def option(
    default: Any,
    help: str,
    unit: str = "",
    parse: Callable[[str], Any] | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """Return a dataclass field with a default and one line of help.

    `unit="bytes"` lets an int be written as "64 GiB", `unit="seconds"` a float as "5 min". `parse` makes
    the value from its text and raises `ValueError` saying what is expected. Numbers are refused below
    `least` and above `most`.
    """
    metadata = {"help": help, "unit": unit, "parse": parse, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Setting:
    """One effective value: its dotted name, value, where it came from, and the help of its field."""

    name: str
    value: Any
    source: str
    help: str


@dataclass(frozen=True)
class Config(Generic[T]):
    """The effective configuration of a role."""

    value: T
    settings: tuple[Setting, ...]


def load_config(
    schema: type[T],
    role: str,
    path: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config[T]:
    """Return the configuration of `role`.

    `path` is the file that the user named; without it `$GAVEL_HOME/<role>.yaml` is read if it is there.
    `flags` maps dotted names to values; None means that the flag was not given. Raises `InputError` with
    file (or flag or variable), field and expected type in one line.
    """
    file = _read_file(path or paths.config_file(role), must_exist=path is not None)
    environment = os.environ if environ is None else environ
    prefix = f"GAVEL_{role.upper()}_"
    layers = _Layers(
        file=file,
        environ={name: text for name, text in environment.items() if name.startswith(prefix)},
        flags={name: value for name, value in (flags or {}).items() if value is not None},
        prefix=prefix,
        file_name=str(path or paths.config_file(role)),
    )
    settings: list[Setting] = []
    value: T = _section(schema, (), file, layers, settings)
    layers.refuse_unused()
    return Config(value, tuple(settings))


@dataclass
class _Layers:
    """Where values may come from; what nobody asked for stays in `environ` and `flags`."""

    file: dict[str, Any]
    environ: dict[str, str]
    flags: dict[str, Any]
    prefix: str
    file_name: str
    names: list[str] = dataclasses.field(default_factory=list)

    def refuse_unused(self) -> None:
        for name in self.environ:
            known = [self.prefix + each.replace(".", "_").upper() for each in self.names]
            raise InputError(f"unknown environment variable {name}" + _near(name, known))
        for name in self.flags:
            raise InputError(f"unknown setting {name}" + _near(name, self.names))


def _section(
    schema: type[Any], path: tuple[str, ...], file: Any, layers: _Layers, settings: list[Setting]
) -> Any:
    where = f"{layers.file_name}: field {'.'.join(path)}" if path else layers.file_name
    if file is None:
        file = {}
    if not isinstance(file, dict):
        raise InputError(f"{where}: expected a section of named fields, got {type(file).__name__}")
    hints = get_type_hints(schema)
    fields = {f.name: f for f in dataclasses.fields(schema)}
    for key in file:
        if key not in fields:
            dotted = ".".join((*path, str(key)))
            raise InputError(f"{layers.file_name}: unknown field {dotted}" + _near(str(key), fields))
    values = {}
    for name, field in fields.items():
        below, hint = (*path, name), hints[name]
        if dataclasses.is_dataclass(hint):
            values[name] = _section(hint, below, file.get(name), layers, settings)  # type: ignore[arg-type]
            continue
        values[name], source = _value(field, hint, below, file, layers)
        settings.append(Setting(".".join(below), values[name], source, field.metadata.get("help", "")))
    try:
        return schema(**values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def _value(
    field: "dataclasses.Field[Any]",
    hint: Any,
    path: tuple[str, ...],
    section: dict[str, Any],
    layers: _Layers,
) -> tuple[Any, str]:
    dotted = ".".join(path)
    layers.names.append(dotted)
    variable = layers.prefix + "_".join(path).upper()
    text = layers.environ.pop(variable, None)
    flag = layers.flags.pop(dotted, None)
    try:
        if flag is not None:
            source = where = f"flag {dotted}"
            if isinstance(flag, tuple):  # an option that was given several times
                return from_yaml(hint, list(flag), field.metadata), source
            return (from_text if isinstance(flag, str) else bounded)(hint, flag, field.metadata), source
        if text is not None:
            source = where = f"environment {variable}"
            return from_text(hint, text, field.metadata), source
        if field.name in section:
            source, where = f"file {layers.file_name}", f"{layers.file_name}: field {dotted}"
            return from_yaml(hint, section[field.name], field.metadata), source
    except Malformed as error:
        raise InputError(f"{where}: expected {error.expected}, got {error.got}") from None
    if field.default is not dataclasses.MISSING:
        return field.default, "default"
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory(), "default"
    raise InputError(
        f"{dotted} is not set", f"set it in {layers.file_name}, or in the environment as {variable}"
    )


def _read_file(path: Path, must_exist: bool) -> dict[str, Any]:
    from protocol.runtime.yaml_file import read_yaml

    if not must_exist and not path.exists():
        return {}
    document = read_yaml(path)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path}: expected a map of fields, got {type(document).__name__}")
    return document


def _near(name: str, known: Mapping[str, Any] | list[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
