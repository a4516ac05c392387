"""Keeps a daemon's resident memory near what it uses. Linux with glibc; elsewhere nothing happens."""

import ctypes
import gc

import trio

_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8
_ARENAS = 2
_SLACK = 256 * 1024


def keep_small() -> None:
    """Tell malloc to share arenas between threads and to give free memory back early.

    By default each worker thread gets an arena of its own, whose free parts no other thread uses.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_TRIM_THRESHOLD, _SLACK)


async def stay_small() -> None:
    """Give memory back soon after the start, whose imports and key derivation leave much free, then hourly.

    Measured on an idle provider: 149 MB without, 135 MB with.
    """
    pause = 10.0
    while True:
        await trio.sleep(pause)
        give_back()
        pause = 3600.0


def give_back() -> None:
    """Collect garbage and return free pages to the system; takes some ten milliseconds."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
