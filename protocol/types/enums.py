"""Enumerations that appear in messages and on chain. Zero is never a valid value."""

from enum import IntEnum, IntFlag


class LeaseClass(IntEnum):
    """What a lease owes: a job a result, a service nothing but its time."""

    JOB = 1
    SERVICE = 2


class Verification(IntEnum):
    """Which judge may convict; `NONE` means that nobody can."""

    NONE = 0
    TAPE = 1


class BidFlags(IntFlag):
    """Bits of `Bid.flags`."""

    PRIVATE = 1


class EnergyGrade(IntEnum):
    """How an energy figure came about, best first."""

    METERED = 1
    ESTIMATED = 2
    DECLARED = 3


class JobKind(IntEnum):
    """What runs."""

    TAPE = 1
