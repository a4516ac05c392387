"""Where a provider keeps what it must not lose."""

from pathlib import Path

from protocol.runtime import paths
from provider_node.config import ProviderConfig


def data_dir(config: ProviderConfig) -> Path:
    """Return the folder of journal and artifacts, made if it is not there."""
    return paths.data_dir("provider", config.data_dir)
