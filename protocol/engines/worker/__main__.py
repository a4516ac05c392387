"""Run as `python -m protocol.engines.worker`: serve requests on stdin until it closes."""

from protocol.engines.worker.serve import main

main()
