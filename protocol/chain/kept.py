"""What was read of the chain, in a file, so that the next process need not read it again. Only a cache."""

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.chain.networks import Deployment, Network
from protocol.runtime import paths
from protocol.store.files import write_whole
from protocol.types import TransientError

log = logging.getLogger(__name__)

_EVERY_S = 30.0


@dataclass
class Kept:
    """One file of a deployment, shared by all roles of a user: whoever writes last wins.

    A chain that may begin anew has none. A file that is damaged, or cannot be written, only costs time.
    """

    path: Path | None
    _written: float = field(default=float("-inf"))

    @classmethod
    def of(cls, network: Network, deployment: Deployment, name: str) -> "Kept":
        """Return the file called `name` of a deployment, in `$GAVEL_HOME`."""
        if network.may_restart:
            return cls(None)
        file = f"{network.chain_id}-{deployment.escrow.hex()}-{name}.json"
        return cls(paths.role_dir("chain") / file)

    def load(self) -> Any:
        """Return what was saved last, or None."""
        if self.path is None:
            return None
        try:
            return json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s is read anew from the chain: %s", self.path, error)
            return None

    @property
    def is_due(self) -> bool:
        """Whether saving is worth it again: a flood must not write a file at every look."""
        return self.path is not None and time.monotonic() - self._written >= _EVERY_S

    def save(self, value: Any) -> None:
        """Replace what is stored."""
        if self.path is None:
            return
        self._written = time.monotonic()
        try:
            write_whole(self.path, json.dumps(value).encode())
        except (OSError, TransientError) as error:
            log.debug("%s cannot be written: %s", self.path, error)
