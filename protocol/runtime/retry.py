"""When to try again after a `TransientError`."""

import random

from protocol.types import BrokenInvariant, InputError, TransientError


def backoff(attempt: int, first: float = 0.5, most: float = 60.0) -> float:
    """Return the seconds to wait after failed attempt number `attempt`, from 0.

    They double up to `most`, and half of them is random. The random half keeps many clients of one RPC node
    from coming back at the same moment.
    """
    pause = min(most, first * 2.0 ** min(attempt, 30))
    return pause * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing


def worst(error: BaseException) -> BaseException:
    """Return the gravest single error inside nested exception groups, or `error` itself.

    Grave is what `TransientError` and `InputError` are not: a handler whose nursery failed twice must not be
    retried for the lesser reason.
    """
    if not isinstance(error, BaseExceptionGroup):
        return error

    def gravity(each: BaseException) -> int:
        ranks = ((BrokenInvariant, 3), (InputError, 1), (TransientError, 0))
        return next((rank for cls, rank in ranks if isinstance(each, cls)), 2)

    return max((worst(each) for each in error.exceptions), key=gravity)
