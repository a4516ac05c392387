"""What the `gavel` program calls: a Ctrl-C while commands are imported is said like any other."""

import sys


def main() -> None:
    """Run the command line and exit; see `cli.main`."""
    try:
        from protocol.runtime import cli

        cli.main()
    except KeyboardInterrupt:
        # Nothing that says so in better ways may be there yet.
        said = '{"error": {"kind": "interrupted", "message": "interrupted", "advice": ""}}'
        print(said if "--json" in sys.argv else "gavel: interrupted", file=sys.stderr)
        sys.exit(130)
