"""Folders of JSON files that say one thing each: a damaged one keeps nobody from what the others say."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from protocol.types import InputError

T = TypeVar("T")
Told = Callable[[InputError], None]


def refuse(error: InputError) -> None:
    """Be told of a damaged file by its error."""
    raise error


def intact(paths: Iterable[Path], read: Callable[[Path], T], told: Told) -> tuple[T, ...]:
    """Return what the files say, oldest first; `told` gets an error for each that cannot be read."""
    found = list[tuple[float, T]]()
    for path in paths:
        try:
            found.append((path.stat().st_mtime, read(path)))
        except FileNotFoundError:
            continue  # forgotten since it was listed
        except OSError as error:
            told(InputError(f"{path} cannot be read: {error.strerror}"))
        except InputError as error:
            told(error)
    return tuple(each for _, each in sorted(found, key=lambda pair: pair[0]))
