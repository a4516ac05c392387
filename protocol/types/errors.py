"""The roots of every error that Gavel raises on purpose. What derives from none of them is a bug."""

import errno

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


def one_line(text: str) -> str:
    """The text with everything that is not printable made visible.

    Messages quote names out of strangers' files and answers: a line break would forge a second line, an
    escape would reach the terminal.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class GavelError(Exception):
    """Base of all; `advice` says what to do about it and may be empty. Both are one printable line."""

    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        self.message, self.advice = one_line(message), one_line(advice)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} ({self.advice})" if self.advice else self.message


class InputError(GavelError):
    """A user, a file or a peer is wrong: refuse, say what and why. Retrying the same will fail again."""

    exit_code = 2


class OutOfMemoryError(InputError):
    """This process may not take as much memory as this needs: with a higher limit it may do."""


class TransientError(GavelError):
    """The world is not ready (RPC down, peer gone, child died): the adapter may try again."""

    exit_code = 3


DISK_ADVICE = "make room on the disk, or check it; then try again"


class DiskError(TransientError):
    """The disk is full or failing. What was to be written was not, and can be once there is room."""

    @staticmethod
    def is_behind(error: OSError) -> bool:
        """Say whether an error of the system is of this kind."""
        return error.errno in _DISK


class BrokenInvariant(GavelError):  # noqa: N818 - named after what it says, not after being an error
    """Our own state contradicts itself: stop the process before it does harm."""

    exit_code = 4
