"""The hasher that the worker uses for roots."""

from protocol.engines.cpu import FAST
from protocol.tape.merkle import Hasher

HASHER: Hasher = FAST
