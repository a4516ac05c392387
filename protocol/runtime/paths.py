"""Where a user's files lie: `$GAVEL_HOME`, by default `~/.gavel`."""

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of this user's files, made private to its owner if it is not there yet."""
    path = Path(os.environ.get("GAVEL_HOME") or "~/.gavel").expanduser()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def keys_dir() -> Path:
    """Return the folder of keystore files."""
    return _below("keys")


def logs_dir() -> Path:
    """Return the folder of log files."""
    return _below("logs")


def role_dir(role: str) -> Path:
    """Return the folder of one role's journal, artifacts and other state, e.g. `~/.gavel/provider`."""
    return _below(role)


def config_file(role: str) -> Path:
    """Return where the role's config file is looked for, e.g. `~/.gavel/provider.yaml`."""
    return home() / f"{role}.yaml"


def _below(name: str) -> Path:
    path = home() / name
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
