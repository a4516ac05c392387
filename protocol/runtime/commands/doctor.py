"""`gavel doctor`: whether this machine can do its part, and what to do if not."""

from dataclasses import asdict

import click

from protocol.runtime.settings import Settings, pass_settings

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command()
@pass_settings
def doctor(settings: Settings) -> int:
    """Check this machine and its network, with advice."""
    from protocol.runtime.commands.chain_views import check_anvil, check_network
    from protocol.runtime.doctor import LOCAL, examine
    from protocol.runtime.exit_codes import ExitCode

    chain = {"anvil": check_anvil, "network": lambda: check_network(settings.network)}
    findings = examine({**LOCAL, **chain})
    lines = []
    for each in findings:
        advice = f" ({each.advice})" if each.advice else ""
        lines.append(f"{_MARKS[each.level]}  {each.check:9} {each.detail}{advice}")
    settings.emit([asdict(each) for each in findings], "\n".join(lines))
    failed = any(each.level == "fail" for each in findings)
    return ExitCode.NO if failed else ExitCode.OK
