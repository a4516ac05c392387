"""The cast and their files: wallets, configs, a job file; all below one temporary folder."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from protocol.chain.localnet import Localnet
from protocol.crypto import address_of
from protocol.runtime.keystore import store_key
from protocol.types import Address
from scripts.demo.processes import gavel

PASSWORD = "demo"  # of throw-away keys on a throw-away chain


@dataclass(frozen=True)
class Provider:
    """One bidder: its price of an hour, where it stands, and how clean its electricity is."""

    name: str
    price: str
    region: str
    zone: str
    carbon: int


PROVIDERS = (
    Provider("alice", "0.90", "eu-north", "SE", 25),
    Provider("bob", "0.60", "eu-central", "DE", 380),
    Provider("carol", "1.40", "eu-west", "FR", 55),
)
CHEAT = Provider("mallory", "0.10", "eu-west", "IE", 280)
"""Cheapest of all, and lies. It comes when the honest job is done."""


@dataclass(frozen=True)
class Stage:
    """Where everything lies and who is who."""

    home: Path
    client: Address
    owners: dict[str, Address]
    operators: dict[str, Address]
    watchtower: Address

    def parties(self, deployer: Address, disputes: Address) -> dict[str, tuple[Address, ...]]:
        """Return every party with its addresses; the contract that holds bonds and rewards is one."""
        return {
            "client": (self.client,),
            **{name: (self.owners[name], self.operators[name]) for name in self.owners},
            "watchtower": (self.watchtower,),
            "deployer": (deployer,),
            "Disputes": (disputes,),
        }

    def env(self) -> dict[str, str]:
        """Return the environment of every process, without settings of the user's own Gavel."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GAVEL_")}
        return kept | {"GAVEL_HOME": str(self.home), "GAVEL_PASSWORD_FILE": str(self.home / "password")}


def build(home: Path, net: Localnet) -> Stage:
    """Store wallets for funded accounts and write each daemon's config."""
    (home / "password").write_text(PASSWORD)
    (home / "password").chmod(0o600)
    keys = iter(net.keys[1:])
    client = _wallet("client", next(keys))
    owners, operators = {}, {}
    for provider in (*PROVIDERS, CHEAT):
        owners[provider.name] = _wallet(f"{provider.name}-owner", next(keys))
        operators[provider.name] = _wallet(f"{provider.name}-operator", next(keys))
    tower = _wallet("watchtower", next(keys))
    stage = Stage(home, client, owners, operators, tower)
    for provider in (*PROVIDERS, CHEAT):
        _write(home / f"{provider.name}.yaml", _provider_config(provider, home))
    everyone = [f"0x{owner.hex()}" for owner in owners.values()]
    _write(
        home / "watchtower.yaml",
        {
            "network": "local",
            "share_percent": 0.0,
            "providers": everyone,
            "data_dir": str(home / "watchtower"),
        },
    )
    return stage


def provider_command(stage: Stage, provider: Provider) -> list[str]:
    """Return the command that runs a provider."""
    return gavel("provider", "run", "--config", str(stage.home / f"{provider.name}.yaml"))


def cheat_command(stage: Stage) -> list[str]:
    """Return the command that runs the provider that lies: the same daemon over a lying worker."""
    config = str(stage.home / f"{CHEAT.name}.yaml")
    return [sys.executable, "-m", "tests.cheat.provider", "provider", "run", "--config", config]


def watchtower_command(stage: Stage) -> list[str]:
    """Return the command that runs the watchtower."""
    return gavel("watchtower", "run", "--config", str(stage.home / "watchtower.yaml"))


def write_job(home: Path, job: dict[str, object]) -> Path:
    """Write a job file; return its path."""
    path = home / "job.yaml"
    _write(path, job)
    return path


def _provider_config(provider: Provider, home: Path) -> dict[str, object]:
    return {
        "network": "local",
        "operator": f"{provider.name}-operator",
        "owner_wallet": f"{provider.name}-owner",
        "region": provider.region,
        "grid_zone": provider.zone,
        "carbon_grams_per_kwh": provider.carbon,
        "data_dir": str(home / provider.name),
        "net": {"listen": ["/ip4/127.0.0.1/tcp/0"]},
        "machine": {"threads": 1},
        # The local chain's clocks are half a minute long, the demo's client is no enemy, and not every disk
        # has room for the traces of a thousand items.
        "defence": {"slow_inputs": False, "challenged_at_once": 8},
        "price": {"cpu_per_hour": provider.price, "completion_fee": "0.001"},
        "stake": {"amount": "1000"},
    }


def _wallet(name: str, key: bytes) -> Address:
    store_key(name, key, PASSWORD, light=True)
    return address_of(key)


def _write(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False))
