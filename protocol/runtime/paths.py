"""Where a user's files lie: `$GAVEL_HOME`, by default `~/.gavel`."""

import os
from pathlib import Path

from protocol.types import DiskError, InputError

_ADVICE = "GAVEL_HOME names the folder of your files, by default ~/.gavel"


def home() -> Path:
    """Return the folder of this user's files, made private to its owner if it is not there yet."""
    return _named(os.environ.get("GAVEL_HOME") or "~/.gavel", _ADVICE)


def keys_dir() -> Path:
    """Return the folder of keystore files."""
    return _below("keys")


def logs_dir() -> Path:
    """Return the folder of log files."""
    return _below("logs")


def role_dir(role: str) -> Path:
    """Return the folder of one role's journal, artifacts and other state, e.g. `~/.gavel/provider`."""
    return _below(role)


def data_dir(role: str, named: str) -> Path:
    """Return the folder that the settings of a daemon name (`data_dir`), else its role's."""
    return _named(named, "data_dir names the folder of a daemon's files") if named else role_dir(role)


def config_file(role: str) -> Path:
    """Return where the role's config file is looked for, e.g. `~/.gavel/provider.yaml`."""
    return home() / f"{role}.yaml"


def _below(name: str) -> Path:
    return _made(home() / name, _ADVICE)


def _named(text: str, advice: str) -> Path:
    try:
        return _made(Path(text).expanduser(), advice)
    except RuntimeError as error:  # there is no user of that name, or it has no home
        raise InputError(f"{text}: {error}", advice) from error


def _made(path: Path, advice: str) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        if DiskError.is_behind(error):
            raise
        raise InputError(f"{path} cannot be a folder of Gavel's: {error.strerror}", advice) from error
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError(f"{path} cannot be read: Permission denied", advice)
    return path
