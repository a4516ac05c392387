"""What a watchtower's operator can set: `watchtower.yaml`, environment and flags."""

from dataclasses import dataclass
from typing import Literal

from protocol.auction.money import sum_setting
from protocol.runtime import forms
from protocol.runtime.config import option


@dataclass(frozen=True)
class WatchtowerConfig:
    """The whole file."""

    network: str = option("local", "network of networks.yaml")
    wallet: str = option("watchtower", "wallet that plays games, and is this node's identity on the network")
    password_file: str = option("", "file with the wallet's password")
    share_percent: float = option(
        5.0, "part of all results that is re-run, drawn unpredictably", least=0, most=100
    )
    providers: tuple[str, ...] = option(
        (), "owner addresses whose every result is re-run", parse=forms.address
    )
    parallel: int = option(1, "re-runs at a time; up to five more where windows press", least=1)
    threads: int = option(1, "processor threads of one re-run", least=1)
    device: str = option("cpu", "what re-runs are made on: cpu, or cuda:0 and so on", parse=forms.device)
    memory: int = option(4 << 30, "bytes that one re-run may use", unit="bytes", least=1 << 20)
    games_memory: int = option(
        0,
        "bytes that games about all audits it is bound to may take; 0: three quarters of the machine's",
        unit="bytes",
        least=0,
    )
    item_seconds: float = option(600.0, "longest time that one item may take", unit="seconds", least=1)
    attempts: int = option(5, "tries to fetch a result's artifacts before it is called unavailable", least=1)
    challenge: bool = option(True, "prove wrong results on chain; false: only report them")
    bond_per_game: str = option("1", "largest bond of one game, in coin of the chain", parse=sum_setting)
    bond_per_day: str = option("5", "most bonds of games opened within a day, in coin", parse=sum_setting)
    gas_per_game: str = option(
        "0.2", "most that a game's million gas may cost when it is opened, in coin", parse=sum_setting
    )
    gas_per_day: str = option("1", "the same for all games opened within a day, in coin", parse=sum_setting)
    end_idle: bool = option(True, "end games and demands of others whose clock ran out, settle convictions")
    idle_gas_per_day: str = option("0.05", "most coin that this may cost within a day", parse=sum_setting)
    demand_budget: str = option(
        "0.05", "most coin for demanding one result's outputs on chain; 0: never", parse=sum_setting
    )
    audit_gas_per_day: str = option(
        "0.1", "most coin for moves in audits that others could make too, in a day", parse=sum_setting
    )
    max_bytes: int = option(16 << 30, "largest artifact that is fetched", unit="bytes", least=1)
    least_rate: int = option(
        64 << 10, "bytes a second below which a provider is not waited for", unit="bytes", least=1
    )
    stall_seconds: float = option(
        30.0, "time without a byte after which it is not either", unit="seconds", least=1
    )
    quota: int = option(32 << 30, "bytes of artifacts to keep", unit="bytes", least=1 << 20)
    data_dir: str = option("", "verdicts and artifacts; empty: watchtower in GAVEL_HOME")
    listen: tuple[str, ...] = option(
        ("/ip4/127.0.0.1/tcp/0",), "multiaddrs to listen on", parse=forms.multiaddr
    )
    bootstrap: tuple[str, ...] = option(
        (), "peers to start from, beside those of the network", parse=forms.multiaddr
    )
    metrics_port: int = option(
        0, "port of /metrics and /healthz on loopback; 0: the system chooses", least=0, most=65535
    )
    log_level: Literal["debug", "info", "warning", "error"] = option("info", "what is logged")
