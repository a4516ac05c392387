"""`gavel doctor`: whether this machine can do its part, and what to do if not."""

from dataclasses import asdict
from functools import partial
from importlib.metadata import EntryPoint, entry_points

import click

from protocol.runtime.doctor import LOCAL, Check, Finding, examine
from protocol.runtime.settings import Settings, pass_settings

GROUP = "gavel.checks"
"""Entry points of this group are what roles add: `check(network)`, a `Finding` or None."""
_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def roles_checks(network: str | None) -> dict[str, Check]:
    """Return what roles add, by name."""
    return {entry.name: partial(_asked, entry, network) for entry in entry_points(group=GROUP)}


def _asked(entry: EntryPoint, network: str | None) -> Finding | None:
    found: Finding | None = entry.load()(network)
    return found


@click.command()
@pass_settings
def doctor(settings: Settings) -> int:
    """Check this machine and its network, with advice."""
    from protocol.runtime.commands.chain_views import check_anvil, check_network
    from protocol.runtime.exit_codes import ExitCode

    chain = {"anvil": check_anvil, "network": lambda: check_network(settings.network)}
    findings = examine({**LOCAL, **chain, **roles_checks(settings.network)})
    lines = []
    for each in findings:
        advice = f" ({each.advice})" if each.advice else ""
        lines.append(f"{_MARKS[each.level]}  {each.check:9} {each.detail}{advice}")
    settings.emit([asdict(each) for each in findings], "\n".join(lines))
    failed = any(each.level == "fail" for each in findings)
    return ExitCode.NO if failed else ExitCode.OK
