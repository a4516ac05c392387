"""Where the client's commands log: a file. The terminal shows what the user is told, and nothing else."""

from client_sdk.home import ClientHome
from protocol.runtime.logs import setup_logs
from protocol.runtime.settings import Settings


def log_to_file(settings: Settings, network: str) -> None:
    """Log to `logs/client.log` in the home of `network`; without handlers Python would write to stderr."""
    level = "debug" if settings.debug else "info"
    setup_logs("client", ClientHome.of(network).root / "logs", level, console=False)
