"""Runs a local chain with the contracts: python -m scripts.localnet. The same as `gavel localnet`."""

import sys

from protocol.runtime.cli import main

if __name__ == "__main__":
    main(["localnet", *sys.argv[1:]])
