"""Where a client keeps things: artifacts, lowered models, and one folder per job."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.runtime import paths
from protocol.store.files import write_whole
from protocol.store.owning import own
from protocol.types import Address, InputError


@dataclass(frozen=True)
class JobFolder:
    """One job's folder: its journal, a summary for people and other processes, results, receipt."""

    path: Path

    @property
    def id(self) -> str:
        """The job's id, eight hex digits."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The journal of its machines."""
        return self.path / "journal.db"

    @property
    def result(self) -> Path:
        """Where result files go."""
        return self.path / "result"

    @property
    def receipt(self) -> Path:
        """The receipt file."""
        return self.path / "receipt.json"

    @property
    def evidence(self) -> Path:
        """What a challenge starts from, also where the provider signed no receipt."""
        return self.path / "evidence.json"

    def read(self, name: str) -> dict[str, Any]:
        """Return one of the folder's JSON files; empty if it is not there yet."""
        try:
            found = json.loads((self.path / f"{name}.json").read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InputError(f"{self.path / name}.json is damaged", "move the job's folder away")
        return found

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Replace one of the folder's JSON files, atomically."""
        write_whole(self.path / f"{name}.json", json.dumps(value, indent=1, sort_keys=True).encode())


@dataclass(frozen=True)
class ClientHome:
    """The folder of one client on one network."""

    root: Path

    @classmethod
    def of(cls, network: str, root: Path | None = None) -> "ClientHome":
        """Return the home for `network`, by default in `$GAVEL_HOME/client`."""
        base = root or paths.role_dir("client")
        home = cls(base / network)
        for name in ("jobs", "models"):
            (home.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        return home

    @property
    def artifacts(self) -> Path:
        """The artifact store."""
        return self.root / "artifacts"

    @property
    def models(self) -> Path:
        """Lowered models, by the hash of what they came from."""
        return self.root / "models"

    def new_job(self) -> JobFolder:
        """Make a folder for a new job."""
        folder = JobFolder(self.root / "jobs" / secrets.token_hex(4))
        folder.path.mkdir(mode=0o700)
        return folder

    def jobs(self) -> list[JobFolder]:
        """Return all jobs, oldest first."""
        found = [JobFolder(each) for each in (self.root / "jobs").iterdir() if (each / "job.json").is_file()]
        return sorted(found, key=lambda each: (each.read("job").get("created", 0), each.id))

    @contextmanager
    def claim(self, peer: Address) -> Iterator[None]:
        """Be the one process that has `peer` as its network identity; `InputError` if another one is.

        Two nodes of one key would get each other's answers.
        """
        handle = own(
            self.root / f"node-{peer.hex()}.lock",
            f"wallet 0x{peer.hex()}",
            "one client runs many jobs at once; for a second process use another wallet",
        )
        try:
            yield
        finally:
            os.close(handle)

    def job(self, name: str) -> JobFolder:
        """Return the job whose id or lease begins with `name`; "last" is the newest with a lease.

        A newer one that won no bid is what nobody asks about who has a lease under way.
        """
        jobs = self.jobs()
        if name == "last" and jobs:
            return next((each for each in reversed(jobs) if each.read("job").get("lease")), jobs[-1])
        wanted = name.lower().removeprefix("0x")
        found = [
            each
            for each in jobs
            if each.id.startswith(wanted) or each.read("job").get("lease", "").startswith("0x" + wanted)
        ]
        if len(found) != 1:
            what = f"{len(found)} jobs begin with {name!r}" if found else f"there is no job {name!r}"
            raise InputError(what, "gavel job list shows them")
        return found[0]
