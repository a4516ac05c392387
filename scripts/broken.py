"""Contracts broken on purpose, and the tests that see it: python -m scripts.broken [--between] [NAME ...].

Works in a copy of the tree, which is removed at the end. Each entry of tests/broken.yaml is built there and
its tests are run; one that passes ends in exit code 1. `--between` runs those between processes as well.
ONE+OTHER builds both at once, which is quicker; choose such as do not hide each other.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "broken.yaml"
LINKED = (".venv", "contracts/node_modules")
KEPT = ("contracts/out", "contracts/cache")
"""What was built already is not built again."""
SAID = ("E  ", "| AssertionError", "| trio.TooSlowError", "[FAIL")
"""How the lines begin that say why a test failed."""
BUILT = "protocol/engines/cpu/_kernels*.so"


@dataclass(frozen=True)
class Breakage:
    """One entry."""

    name: str
    broken: str
    old: str
    new: str
    fails: tuple[str, ...]
    between: tuple[str, ...]


def listed() -> tuple[Breakage, ...]:
    """Return the list."""
    entries: list[dict[str, Any]] = yaml.safe_load(LIST.read_text())
    return tuple(
        Breakage(**{**each, "fails": tuple(each["fails"]), "between": tuple(each["between"])})
        for each in entries
    )


def place(root: Path, breakage: Breakage) -> Path:
    """Return the file of the contracts that holds what is broken; `ValueError` unless it is in one place."""
    texts = {file: file.read_text() for file in sorted((root / "contracts" / "src").rglob("*.sol"))}
    found = [file for file, text in texts.items() for _ in range(text.count(breakage.old))]
    if len(found) != 1:
        raise ValueError(f"{breakage.name}: `{breakage.old}` stands in {len(found)} places, not one")
    return found[0]


def copy(to: Path) -> None:
    """Copy what git knows or would know, and what was built of it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in [*names, *(str(file.relative_to(ROOT)) for file in ROOT.glob(BUILT))]:
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for name in KEPT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name)
    for name in LINKED:
        (to / name).symlink_to(ROOT / name)


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the copy, with the copy's modules."""
    env = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


def sees(root: Path, test: str) -> str:
    """Return what a test says that fails, nothing if it passes; `RuntimeError` if it does not run."""
    file, _, name = test.partition("::")
    if file.endswith(".sol"):
        path = file.removeprefix("contracts/")
        done = run(
            root, "scripts/contracts", "forge", "test", "--match-path", path, "--match-test", rf"^{name}\("
        )
        failed, passed = "[FAIL" in done.stdout, "[PASS]" in done.stdout
    else:
        python = str(root / ".venv" / "bin" / "python")
        done = run(root, python, "-m", "pytest", "-n0", "-m", "soak or not soak", test)
        # A test that does not come to its own lines has seen nothing: that is an error, and no failure.
        failed, passed = (
            bool(re.search(r"^(=+ )?\d+ failed\b", done.stdout, re.MULTILINE)),
            done.returncode == 0,
        )
    if failed == passed:
        raise RuntimeError(f"{test} does not run: {(done.stdout + done.stderr)[-3000:]}")
    said = [line.strip() for line in done.stdout.splitlines() if line.lstrip().startswith(SAID)]
    return (said[0] if said else "failed")[:400] if failed else ""


def play(root: Path, group: Sequence[Breakage], between: bool) -> int:
    """Break, build, test, mend; return how many tests did not see it."""
    whole: dict[Path, str] = {}
    missed = 0
    try:
        for each in group:
            file = place(root, each)
            text = file.read_text()
            whole.setdefault(file, text)
            file.write_text(text.replace(each.old, each.new))
        done = run(root, "scripts/contracts", "build")
        if done.returncode:
            raise RuntimeError(f"does not compile: {(done.stdout + done.stderr)[-3000:]}")
        for each in group:
            for test in (*each.fails, *(each.between if between else ())):
                said = sees(root, test)
                missed += not said
                print(f"{each.name}: {each.broken}: {test}: {said or 'NOT SEEN'}", flush=True)
        return missed
    finally:
        for file, text in whole.items():
            file.write_text(text)


def main() -> None:
    """Play all, or those that are named."""
    parser = argparse.ArgumentParser(prog="broken", description=__doc__.splitlines()[0] if __doc__ else None)
    known = {each.name: each for each in listed()}
    parser.add_argument("name", nargs="*", help=", ".join(known))
    parser.add_argument("--between", action="store_true", help="tests between processes as well")
    args = parser.parse_args()
    groups = [name.split("+") for name in args.name or known]
    if unknown := {name for group in groups for name in group} - set(known):
        parser.error(f"no entry is called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="gavel-broken-") as folder:
        copy(Path(folder))
        missed = sum(play(Path(folder), [known[name] for name in group], args.between) for group in groups)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
