"""Deploys the contracts: python -m scripts.deploy --network NAME --wallet NAME, as `gavel deploy`."""

import sys

from protocol.runtime.cli import main

if __name__ == "__main__":
    main(["deploy", *sys.argv[1:]])
