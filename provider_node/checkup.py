"""What `gavel doctor` says of the provider that runs here."""

from protocol.runtime.doctor import Finding
from protocol.types import InputError, TransientError
from provider_node.introduced import ADVICE


def check_daemon(network: str | None) -> Finding | None:
    """Ask the running daemon whether it can do its work; None where none runs."""
    from protocol.runtime.config import load_config
    from provider_node.config import ProviderConfig
    from provider_node.control import ask
    from provider_node.folder import data_dir

    flags = {"network": network} if network else {}
    try:
        row = ask(data_dir(load_config(ProviderConfig, "provider", None, flags).value), "status")
    except TransientError:
        return None
    except InputError as error:
        return Finding("provider", "warn", error.message, error.advice)
    if row["journal"] != "ok":
        advice = "it goes on by itself once there is room"
        return Finding("provider", "fail", f"its daemon does nothing: {row['journal']}", advice)
    if row["chain"] != "ok":
        return Finding("provider", "warn", f"its daemon waits for the chain: {row['chain']}")
    if row.get("registration", "ok") != "ok":
        return Finding("provider", "warn", f"clients may not find it: {row['registration']}", ADVICE)
    return Finding("provider", "ok", f"its daemon runs, at {row['height']}")
