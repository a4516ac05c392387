"""`gavel config`: what a role would run with, and where each value comes from."""

from importlib.metadata import EntryPoint
from typing import Any

import click

from protocol.runtime.settings import Settings, pass_settings

GROUP = "gavel.config"
"""Entry points of this group name each role's schema, a dataclass for `load_config`."""


@click.group()
def config() -> None:
    """Show effective settings and where each came from."""


@config.command()
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

    found = load_config(schema, role, settings.config).settings
    return [{"name": s.name, "value": s.value, "source": s.source, "help": s.help} for s in found]


def _table(role: str, rows: list[dict[str, Any]]) -> str:
    from protocol.runtime.paths import config_file

    widths = [max((len(str(row[key])) for row in rows), default=0) for key in ("name", "value")]
    lines = [f"{role} ({config_file(role)})"]
    for row in rows:
        name, value = str(row["name"]).ljust(widths[0]), str(row["value"]).ljust(widths[1])
        lines.append(f"  {name}  {value}  [{row['source']}]")
    return "\n".join(lines)
