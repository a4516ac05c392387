"""`gavel config`: what a role would run with, and where each value comes from."""

import dataclasses
from enum import Enum
from importlib.metadata import EntryPoint
from typing import Any

import click

from protocol.runtime.settings import Settings, pass_settings

GROUP = "gavel.config"
"""Entry points of this group name each role's schema, a dataclass for `load_config`."""


@click.group()
def config() -> None:
    """Show effective settings and where each came from."""


@config.command(short_help="Show all settings, and where each comes from.")
@click.argument("role", required=False)
@pass_settings
def show(settings: Settings, role: str | None) -> None:
    """Show the settings of ROLE (default: of all roles): value, and flag, environment, file or default."""
    schemas = _schemas()
    if role is not None and role not in schemas:
        raise click.UsageError(f"there is no role {role!r}; there are: {', '.join(sorted(schemas))}")
    names = [role] if role else sorted(schemas)
    found = {name: _effective(settings, name, schemas[name].load()) for name in names}
    blocks = [_table(name, found[name]) for name in names]
    settings.emit(found, "\n\n".join(blocks))


def _schemas() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _effective(settings: Settings, role: str, schema: type[Any]) -> list[dict[str, Any]]:
    from protocol.runtime.config import load_config

    has_network = any(each.name == "network" for each in dataclasses.fields(schema))
    flags = {"network": settings.network} if has_network else {}
    found = load_config(schema, role, settings.config, flags).settings
    return [{"name": s.name, "value": s.value, "source": s.source, "help": s.help} for s in found]


def _table(role: str, rows: list[dict[str, Any]]) -> str:
    from protocol.runtime.paths import config_file

    cells = [(row["name"], written(row["value"]), row["source"], row["help"]) for row in rows]
    widths = [max((len(row[i]) for row in cells), default=0) for i in range(3)]
    lines = [f"{role} (file: {config_file(role)})"]
    for name, value, source, help in cells:
        lines.append(f"  {name:{widths[0]}}  {value:{widths[1]}}  {source:{widths[2]}}  {help}".rstrip())
    return "\n".join(lines)


def written(value: Any) -> str:
    """Return a value as one would write it in the config file."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value) if value != "" else '""'
