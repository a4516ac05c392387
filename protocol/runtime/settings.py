"""What every command knows: the options that stand before or after any sub-command, and how to answer.

    @click.command()
    @pass_settings
    def status(settings: Settings) -> None:
        settings.emit({"leases": 3}, "3 leases")

`--network`, `--config`, `--json` and `--debug` need not be declared: the root adds them to every command that
does not declare its own.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass
class Settings:
    """The common options of one call of `gavel`."""

    network: str | None = None
    config: Path | None = None
    json: bool = False
    debug: bool = False

    def emit(self, value: Any, human: str | None = None) -> None:
        """Print the answer: `value` as one line of JSON under --json, else `human` (or the value as text).

        Bytes become hex with 0x, and integers beyond 2^53 text, since many JSON readers would round them.
        """
        if self.json:
            click.echo(json.dumps(_plain(value), separators=(", ", ": ")))
        else:
            click.echo(str(value) if human is None else human)

    def say(self, text: str) -> None:
        """Print a line about progress to stderr, so that stdout holds only the answer; not under --json."""
        if not self.json:
            print(text, file=sys.stderr, flush=True)

    def agreed(self, question: str, otherwise: str) -> bool:
        """Ask before something is spent. Where nobody can be asked it is no, and `otherwise` is said."""
        if self.json or not sys.stdin.isatty():
            self.say(f"nobody to ask: {otherwise}")
            return False
        return click.confirm(question, err=True)


pass_settings = click.make_pass_decorator(Settings, ensure=True)


def common_options() -> list[click.Option]:
    """Return fresh instances of the common options; each stores what it got in the root's `Settings`."""

    def store(context: click.Context, option: click.Parameter, value: Any) -> None:
        settings = context.find_root().ensure_object(Settings)
        if option.name is not None and value:
            setattr(settings, option.name, value)

    def make(*names: str, **attributes: Any) -> click.Option:
        # Eager: an answer that ends the command at once, as that of --version, has to know.
        return click.Option(list(names), expose_value=False, is_eager=True, callback=store, **attributes)

    file = click.Path(path_type=Path, dir_okay=False)
    return [
        make("--network", metavar="NAME", help="Network of networks.yaml, e.g. local."),
        make("--config", type=file, help="Config file instead of the one in $GAVEL_HOME."),
        make("--json", is_flag=True, help="Answer as one line of JSON."),
        make("--debug", is_flag=True, help="Show tracebacks and debug logs."),
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 53:
        return str(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
