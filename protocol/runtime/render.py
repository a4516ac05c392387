"""One line for every error: what is wrong and what to do, never a traceback unless asked for."""

import json
import os
import sys
import traceback

import click

from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings
from protocol.types import BrokenInvariant, DiskError, GavelError, InputError, TransientError
from protocol.types.errors import DISK_ADVICE


def render_error(error: BaseException, settings: Settings) -> int:
    """Print `error` to stderr in one line (one JSON object under --json) and return the exit code for it.

    Of an exception group the gravest error is shown.
    """
    error = _single(error)
    if settings.debug and not isinstance(error, (click.ClickException, click.Abort, KeyboardInterrupt)):
        traceback.print_exception(error)
    kind, message, advice, code = _describe(error)
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has enough of it (`gavel market | head`); Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    if settings.json:
        print(
            json.dumps({"error": {"kind": kind, "message": message, "advice": advice}}),
            file=sys.stderr,
        )
    else:
        text = f"{message} ({advice})" if advice else message
        print(f"gavel: {text}", file=sys.stderr)
    return code


def _describe(error: BaseException) -> tuple[str, str, str, int]:
    match error:
        case GavelError():
            kinds = ((InputError, "input"), (TransientError, "transient"), (BrokenInvariant, "broken"))
            kind = next((name for cls, name in kinds if isinstance(error, cls)), "error")
            return kind, _line(error.message), _line(error.advice), error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            command = error.ctx.command_path
            return "input", f"{command} needs a command", f"{command} --help lists them", ExitCode.INPUT
        case click.NoSuchOption() if error.option_name[1:2] in {*"0123456789."}:
            return (
                "input",
                f"no number here may be negative: one begins with {error.option_name}",
                "",
                ExitCode.INPUT,
            )
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "gavel"
            return "input", _line(error.format_message()), f"see {command} --help", ExitCode.INPUT
        case click.ClickException():
            return "input", _line(error.format_message()), "", ExitCode.INPUT
        case KeyboardInterrupt() | click.Abort():
            return "interrupted", "interrupted", "", ExitCode.INTERRUPTED
        case BrokenPipeError():
            return "output", "output closed", "", ExitCode.OK
        case OSError() if DiskError.is_behind(error):
            where = f"{error.filename2 or error.filename}: " if error.filename else ""
            return "transient", _line(f"{where}{error.strerror}"), DISK_ADVICE, ExitCode.TRANSIENT
        case _:
            advice = "this is a bug; run again with --debug and report the traceback"
            return "bug", _line(f"{type(error).__name__}: {error}"), advice, ExitCode.BUG


def _single(error: BaseException) -> BaseException:
    if not isinstance(error, BaseExceptionGroup):
        return error
    from protocol.runtime.retry import worst

    return worst(error)


def _line(text: str) -> str:
    """Return `text` on one line, with control characters that a peer may have put in made harmless."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
