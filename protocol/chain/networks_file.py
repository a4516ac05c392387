"""Loading networks: the shipped file, the user's file merged over it, and writing a deployment back."""

import errno
import os
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from protocol.chain.networks import FURTHER, Deployment, Network
from protocol.chain.networks_schema import read_network
from protocol.runtime import paths
from protocol.runtime.yaml_file import read_yaml
from protocol.types import InputError, to_hex

VERSION = 1
SHIPPED = Path(__file__).with_name("networks.yaml")


def user_file() -> Path:
    """Return where the user's networks file is looked for: `$GAVEL_NETWORKS`, or in `$GAVEL_HOME`."""
    return Path(os.environ.get("GAVEL_NETWORKS") or paths.home() / "networks.yaml")


def load_networks(extra: Path | None = None) -> dict[str, Network]:
    """Return every known network by name: the shipped file with `extra` merged over it.

    `extra` is `user_file()` unless named, and then must exist. `InputError` for anything malformed.
    """
    merged, sources = _read(SHIPPED), {}
    over = extra or user_file()
    if over.exists() or extra is not None or "GAVEL_NETWORKS" in os.environ:
        for name, fields in _read(over).items():
            if not isinstance(fields, dict):
                raise InputError(f"{over}: networks.{name} must be a mapping, found {str(fields)[:60]!r}")
            merged[name] = _over(merged.get(name, {}), fields)
            sources[name] = str(over)
    return {
        name: read_network(name, value, sources.get(name, str(SHIPPED))) for name, value in merged.items()
    }


def _over(below: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return `below` with `fields` over it, mappings within field by field too."""
    return below | {
        name: _over(found, value)
        if isinstance(value, dict) and isinstance(found := below.get(name), dict)
        else value
        for name, value in fields.items()
    }


def load_network(name: str, extra: Path | None = None) -> Network:
    """Return the network called `name`; `InputError` lists those that exist."""
    networks = load_networks(extra)
    if name not in networks:
        raise InputError(f"network {name!r} is unknown", f"known are: {', '.join(sorted(networks))}")
    return networks[name]


def shipped_network(name: str) -> Network:
    """Return a network as it is shipped, whatever the user changed."""
    return read_network(name, _read(SHIPPED)[name], str(SHIPPED))


def newest(network: Network) -> Deployment:
    """Return the deployment that new bids and leases use; `InputError` if the network has none."""
    if not network.deployments:
        fix = (
            "run `gavel localnet`"
            if network.name == "local"
            else f"run `gavel deploy --network {network.name}`"
        )
        raise InputError(f"network {network.name!r} has no contracts in {network.source}", fix)
    return network.deployments[0]


def write_deployment(file: Path, name: str, deployment: Deployment, **fields: object) -> None:
    """Put `deployment` first in the list of network `name` in `file`, and set plain `fields` beside it.

    The file is made if it is missing. Older deployments stay, unless they have the same escrow. Comments at
    the head survive, others do not. The write is atomic: a crash leaves the old file.
    """
    networks = _read(file) if file.exists() else {}
    entry: dict[str, Any] = networks.setdefault(name, {})
    if not isinstance(entry, dict):
        raise InputError(f"{file}: networks.{name} must be a mapping, found {str(entry)[:60]!r}")
    entry.update(fields)
    known = entry.get("deployments", _read(SHIPPED).get(name, {}).get("deployments", []))
    made = deployment_yaml(deployment)
    entry["deployments"] = [made, *(d for d in known if d.get("escrow") != made["escrow"])]
    _write(file, networks)


def require_writable(file: Path) -> None:
    """Raise `InputError` unless `file` can be written now: ask before money is spent on what goes into it."""
    _draft(file, _read(file) if file.exists() else {}).unlink()


def drop_network(file: Path, name: str) -> None:
    """Forget network `name` in `file`, as a local chain does that keeps no state."""
    networks = _read(file) if file.exists() else {}
    if networks.pop(name, None) is not None:
        _write(file, networks)


def deployment_yaml(deployment: Deployment) -> dict[str, Any]:
    """Return a deployment as it stands in the file."""
    return {
        "name": deployment.name,
        "escrow": to_hex(deployment.escrow),
        "staking": to_hex(deployment.staking),
        "block": int(deployment.block),
        "tokens": [
            {"symbol": t.symbol, "address": to_hex(t.address), "decimals": t.decimals}
            for t in deployment.tokens
        ],
        **{name: to_hex(address) for name in FURTHER if (address := getattr(deployment, name)) is not None},
    }


def _read(file: Path) -> dict[str, Any]:
    root = read_yaml(file)
    if not isinstance(root, dict) or set(root) != {"version", "networks"}:
        raise InputError(f"{file}: the top must have exactly two fields, 'version' and 'networks'")
    if root["version"] != VERSION:
        raise InputError(f"{file}: version must be {VERSION}, found {str(root['version'])[:60]!r}")
    networks = root["networks"]
    if not isinstance(networks, dict) or not all(isinstance(name, str) for name in networks):
        raise InputError(f"{file}: networks must be a mapping from names to networks")
    return networks


def _write(file: Path, networks: dict[str, Any]) -> None:
    draft = _draft(file, networks)
    try:
        draft.replace(file.resolve())
    except OSError as error:
        draft.unlink()
        raise _unwritable(file, error) from error


def _draft(file: Path, networks: dict[str, Any]) -> Path:
    """Write what is to become `file` beside it, on the disk, and return where."""
    lines = file.read_text().splitlines() if file.exists() else []
    head = takewhile(lambda line: line.startswith("#"), lines)
    body = yaml.safe_dump({"version": VERSION, "networks": networks}, sort_keys=False, width=110)
    target = file.resolve()
    draft = target.with_name(target.name + f".{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w") as out:
            out.write("\n".join([*head, body]))
            out.flush()
            os.fsync(out.fileno())
        # A file that may not be written to is not replaced behind its owner's back either.
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return draft
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write networks file {file}: {error.strerror}",
        "name another with --networks or GAVEL_NETWORKS, or make room",
    )
