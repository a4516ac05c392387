"""`python -m scripts.cuda check [FOLDER]` | `prepare FOLDER` | `golden FOLDER`.

check: hold cuda:0 to the digests and to the CPU engine, measure it, print one JSON object last; exit code 1
if something differs. prepare: write the models' files into a folder. golden: make the digests again.
"""

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """See above."""
    verb, folder = arguments[0] if arguments else "", Path(arguments[1]) if len(arguments) > 1 else None
    if verb == "check":
        from scripts.cuda.check import check

        found = check(0, folder)
        print(json.dumps(found))
        return 0 if found["ok"] else 1
    if verb == "prepare" and folder:
        from scripts.cuda.models import prepare

        prepare(folder)
        return 0
    if verb == "golden" and folder:
        from scripts.cuda.golden import write

        write(folder)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
