"""Where a provider keeps what it must not lose."""

from pathlib import Path

from protocol.runtime import paths
from provider_node.config import ProviderConfig


def data_dir(config: ProviderConfig) -> Path:
    """Return the folder of journal and artifacts, made if it is not there."""
    path = Path(config.data_dir).expanduser() if config.data_dir else paths.role_dir("provider")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
