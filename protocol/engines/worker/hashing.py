"""The hasher that the worker uses for roots."""

from protocol.tape.merkle import PLAIN, Hasher

HASHER: Hasher = PLAIN
