"""What a watchtower looks at and may spend, out of its configuration; what is wrong there is named."""

import secrets
import time
from pathlib import Path

from protocol.dispute.purse import COIN, Limits
from protocol.store.files import write_whole
from protocol.types import InputError, Wei, parse_address
from watchtower.config import WatchtowerConfig
from watchtower.folders import data_dir
from watchtower.judge import WHOLE_SHARE, Policy
from watchtower.spending import Spending


def policy(config: WatchtowerConfig) -> Policy:
    """Return the policy of a configuration. `InputError` says which field is wrong."""
    if not 0 <= config.share_percent <= 100:
        raise InputError(f"share_percent must be between 0 and 100, not {config.share_percent}")
    if config.parallel < 1:
        raise InputError(f"parallel must be at least 1, not {config.parallel}")
    owners = frozenset(parse_address(text, "an entry of providers") for text in config.providers)
    share = round(config.share_percent * WHOLE_SHARE / 100)
    return Policy(_secret(data_dir(config)), share, owners)


def _secret(folder: Path) -> bytes:
    file = folder / "secret"
    if not file.exists():
        write_whole(file, secrets.token_bytes(32))
    return file.read_bytes()


def limits(config: WatchtowerConfig) -> Limits:
    """Return what games may cost. `InputError` says which field is no sum of coin."""
    names = ("bond_per_game", "bond_per_day", "gas_per_game", "gas_per_day")
    return Limits(*(Wei(COIN.parse(getattr(config, name), name)) for name in names))


def demand_budget(config: WatchtowerConfig) -> Wei:
    """Return what demanding one result's outputs may cost. `InputError` if it is no sum of coin."""
    return Wei(COIN.parse(config.demand_budget, "demand_budget"))


def idle_gas(config: WatchtowerConfig) -> Spending:
    """Return what ending others' games may cost. `InputError` if it is no sum of coin."""
    per_day = Wei(COIN.parse(config.idle_gas_per_day, "idle_gas_per_day"))
    return Spending(data_dir(config) / "idle-gas.json", per_day, "idle_gas_per_day", time.time)
