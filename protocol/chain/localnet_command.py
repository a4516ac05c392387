"""What `gavel localnet` does around `run_localnet`: wallets, words, waiting."""

import signal
import time
from pathlib import Path
from types import FrameType

from protocol.chain.localnet import Localnet, run_localnet
from protocol.chain.networks import FURTHER
from protocol.chain.networks_file import user_file
from protocol.crypto import address_of
from protocol.runtime import keystore, paths
from protocol.runtime.settings import Settings
from protocol.types import InputError, TransientError, to_hex

WALLETS = (
    "local-deployer",
    "local-client",
    "local-owner-1",
    "local-operator-1",
    "local-owner-2",
    "local-operator-2",
    "local-owner-3",
    "local-operator-3",
    "local-watchtower",
    "local-spare",
)
"""Names of the accounts, in their order."""
_PASSWORD = "local"  # noqa: S105 - everybody knows these keys


def run(settings: Settings, *, block_time: int, port: int, state: Path | None, file: Path | None) -> None:
    """Run until Ctrl-C or SIGTERM."""
    target = file or user_file()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that put us in the background ignores SIGINT
        signal.signal(number, _interrupt)
    with run_localnet(
        block_time=block_time, port=port, accounts=len(WALLETS), state=state, networks_file=target
    ) as net:
        try:
            password_file = store_wallets(net.keys)
            settings.emit(_facts(net, target, password_file), _text(net, target, password_file))
            while net.anvil.process.poll() is None:
                time.sleep(0.2)
        except KeyboardInterrupt:
            return
        raise TransientError(f"anvil ended by itself with exit code {net.anvil.process.returncode}")


def store_wallets(keys: tuple[bytes, ...]) -> Path:
    """Put the accounts' keys among the user's wallets, unless they are there; return the password's file."""
    password_file = paths.home() / keystore.LOCAL_PASSWORD_FILE
    password_file.write_text(_PASSWORD + "\n")
    password_file.chmod(0o600)
    known = {key.name: key.address for key in keystore.list_keys()}
    for name, key in zip(WALLETS, keys, strict=True):
        if name not in known:
            keystore.store_key(name, key, _PASSWORD, light=True)
        elif known[name] != address_of(key):
            raise InputError(f"wallet {name} exists with another key", "rename it: localnet uses this name")
    return password_file


def _facts(net: Localnet, networks_file: Path, password_file: Path) -> dict[str, object]:
    made = net.deployment
    return {
        "url": net.url,
        "chain_id": net.network.chain_id,
        "escrow": made.escrow,
        "staking": made.staking,
        **{name: getattr(made, name) for name in FURTHER},
        "token": made.tokens[0].address,
        "networks_file": str(networks_file),
        "password_file": str(password_file),
        "wallets": {name: address_of(key) for name, key in zip(WALLETS, net.keys, strict=True)},
        "pid": net.anvil.process.pid,
    }


def _text(net: Localnet, networks_file: Path, password_file: Path) -> str:
    made = net.deployment
    contracts = "\n".join(f"  {line}" for line in made.table())
    wallets = "\n".join(
        f"  {to_hex(address_of(key))}  {name}" for name, key in zip(WALLETS, net.keys, strict=True)
    )
    pace = net.network.seconds_per_block
    return f"""local chain {net.network.chain_id} at {net.url}, a block every {pace} s
{contracts}
  token {to_hex(made.tokens[0].address)} ({made.tokens[0].symbol})
wallets, each with 10,000 coins and 1,000,000 {made.tokens[0].symbol}:
{wallets}
network "local" is in {networks_file} until this ends. In another terminal:
  export GAVEL_PASSWORD_FILE={password_file}
  gavel provider run --operator local-operator-1 --owner-wallet local-owner-1 \\
      --listen /ip4/127.0.0.1/tcp/0 --set stake.amount=100
and in a third:
  gavel job run examples/classify.yaml --network local --max-price 0.40
Ctrl-C ends it."""


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    raise KeyboardInterrupt
