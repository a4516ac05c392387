"""The execution worker: a child process that lowers, checks, runs and compares tape programs.

Started as `python -m protocol.engines.worker`; `interface` holds what it can be asked, and is all that a
daemon imports of this room (it needs no numerical library).
"""
