"""What all roles share: pure rooms and adapters."""

import importlib
import sys


def _keep_recursion_limit() -> None:
    """Import what lifts Python's limit on recursion, once and before all others, and set the limit back.

    eth_account brings py_ecc, which lifts it to 100,000: then what a stranger nests that deep overruns the
    stack and ends the process, where it would have been an error.
    """
    limit = sys.getrecursionlimit()
    importlib.import_module("py_ecc")
    sys.setrecursionlimit(limit)


_keep_recursion_limit()
