"""The `gavel` command. Sub-commands come from the entry-point group `gavel.commands`, imported when called.

The root's help takes each command's first line out of its source text, so that `gavel --help` imports none of
them.
"""

import difflib
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import click

from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.render import render_error
from protocol.runtime.settings import Settings, common_options, pass_settings
from protocol.runtime.waiting import told

GROUP = "gavel.commands"


class LazyGroup(click.Group):
    """A group whose commands are found through entry points."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._found: dict[str, EntryPoint] | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all names, in order."""
        return sorted({*self.commands, *self._entries()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        command = super().get_command(ctx, cmd_name)
        entry = self._entries().get(cmd_name)
        if command is not None or entry is None:
            return command
        loaded = entry.load()
        if not isinstance(loaded, click.Command):
            raise click.ClickException(f"entry point {entry.value} of {GROUP} is no click command")
        _add_common(loaded)
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; an unknown one is an error with the nearest name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not close:
                raise
            text = f"No such command {args[0]!r}. Did you mean {close[0]!r}?"
            raise click.UsageError(text, error.ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        from protocol.runtime.summary import summary_of

        rows = []
        for name in self.list_commands(ctx):
            known = self.commands.get(name)
            rows.append((name, known.get_short_help_str() if known else summary_of(self._entries()[name])))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _entries(self) -> dict[str, EntryPoint]:
        if self._found is None:
            from importlib.metadata import entry_points

            self._found = {entry.name: entry for entry in entry_points(group=GROUP)}
        return self._found


def _tell_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        found = version("gavel")
        context.ensure_object(Settings).emit({"version": found}, f"gavel {found}")
        context.exit()


@click.group(
    cls=LazyGroup,
    params=[*common_options()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--version", is_flag=True, expose_value=False, callback=_tell_version, help="Show the version and exit."
)
def root() -> None:
    """Gavel: a compute market where nobody has to be trusted."""


@root.command(short_help="Print the completion script of a shell")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_settings
def completion(settings: Settings, shell: str) -> None:
    """Print the completion script of a shell; for bash: eval "$(gavel completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is not None:
        script = found(root, {}, "gavel", "_GAVEL_COMPLETE").source()
        settings.emit({"shell": shell, "script": script}, script)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of `ExitCode`; an error is one line on stderr."""
    sys.exit(invoke(sys.argv[1:] if args is None else args))


def invoke(args: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    settings = Settings()
    try:
        with told(settings.say):
            result = root.main(
                list(args), "gavel", complete_var="_GAVEL_COMPLETE", standalone_mode=False, obj=settings
            )
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except SystemExit as stop:  # how click ends after it answered the shell's completion
        return stop.code if isinstance(stop.code, int) else ExitCode.OK
    except click.UsageError as error:
        # Arguments after the fault were not read.
        settings.json |= "--json" in args
        return render_error(error, settings)
    except BaseException as error:
        return render_error(error, settings)
    # Commands that end with an ExitCode return it; everything else is a success.
    return result if isinstance(result, int) else 0


def _add_common(command: click.Command) -> None:
    """Give the command, and those below it, the common options that they do not declare themselves."""
    taken = {name for param in command.params for name in param.opts}
    for option in common_options():
        if not taken.intersection(option.opts):
            command.params.append(option)
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _add_common(each)


_add_common(completion)

if __name__ == "__main__":
    main()
