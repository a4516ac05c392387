"""Faults of py-libp2p 0.8.1 and what this project does about each: one file and one test per fault.

Each test in `tests/integration/test_net_workarounds.py` also shows the fault in the stock library, so
that a file here can be deleted as soon as its test says that the library was mended.
"""
