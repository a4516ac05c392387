"""`gavel` on a disk of a few megabytes, of which no gigabyte is left free: `python -m tests.small_disk`."""

from protocol.runtime.cli import main

if __name__ == "__main__":
    from provider_node import disk

    disk.SPARE = 0
    main()
