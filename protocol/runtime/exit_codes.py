"""What a process of Gavel says by its exit code; `docs/operating.md` lists them."""

from enum import IntEnum

from protocol.types import BrokenInvariant, InputError, TransientError


class ExitCode(IntEnum):
    """Exit codes of every `gavel` command."""

    OK = 0
    NO = 1
    """The command worked and the answer is no: a receipt does not verify, a check of doctor fails."""
    INPUT = InputError.exit_code
    """The user, a file or a peer is wrong; trying the same again will fail again."""
    TRANSIENT = TransientError.exit_code
    """Something out there is not ready; trying later may work."""
    BROKEN = BrokenInvariant.exit_code
    """Our own state contradicts itself; keep the files and report it."""
    BUG = 70
    """An error that nobody foresaw; please report it with the traceback that --debug shows."""
    INTERRUPTED = 130
    """Ended by Ctrl-C."""
    TERMINATED = 143
    """Ended by SIGTERM (a daemon ends with 0: stopping it is no failure)."""
