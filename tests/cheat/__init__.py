"""Providers that cheat. No part of what is shipped: tests and the demo convict them.

`worker`: an execution worker that flips one bit of one intermediate value, in every run and in every trace.
`provider`: the provider daemon over that worker.
"""
