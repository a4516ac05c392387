"""What a provider's owner can set: `provider.yaml`, environment and flags; see `docs/provider.md`."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from protocol.auction.money import sum_or_empty, sum_setting
from protocol.runtime import forms
from protocol.runtime.config import option


@dataclass(frozen=True)
class PriceConfig:
    """What is asked and which terms are accepted. Sums are whole tokens as text, exact: "0.25"."""

    token: str = option("", "symbol of the token that is taken; the deployment's first if empty")
    cpu_per_hour: str = option("0.10", "price of one hour of this machine's processor", parse=sum_setting)
    cuda_per_hour: str = option(
        "", "price of one hour of one GPU; empty: GPUs are not offered", parse=sum_or_empty
    )
    minimum: str = option("0", "least price of a whole job", parse=sum_setting)
    completion_fee: str = option("0", "paid with the result, on top of the stream", parse=sum_setting)
    margin_percent: int = option(0, "added to the hour's price and its energy", least=0, most=10_000)
    energy_per_kwh: str = option("0", "price of a kilowatt hour, passed on to clients", parse=sum_setting)
    bond: str = option("0", "least bond beyond the token's reserve", parse=sum_setting)
    grace: int = option(20, "blocks between heartbeats that are still paid", least=1)
    start_blocks: int = option(30, "blocks to fetch, check and start, beyond the transfer itself", least=1)
    result_blocks: int = option(20, "blocks to post, beyond the run itself", least=1)
    safety_percent: int = option(300, "how far estimates are stretched into deadlines", least=100)
    top_up_percent: int = option(
        100, "most that top-ups may reach, in percent of the funded blocks", least=100
    )
    bid_blocks: int = option(10, "blocks that a bid stays open after the auction", least=1)
    auction_seconds: int = option(120, "longest auction that is bid in", unit="seconds", least=1)
    window_min: int = option(1, "shortest challenge window that is accepted, blocks", least=1)
    window_max: int = option(
        0, "longest window, and lock of the bond, blocks; 0: what the deployment allows", least=0
    )
    max_items: int = option(1 << 20, "most items in one job", least=1)
    private: bool = option(True, "take private jobs, which no outsider watches")


@dataclass(frozen=True)
class StakeConfig:
    """What the daemon stakes by itself at start; needs `owner_wallet`."""

    amount: str = option(
        "", "stake is raised to this many whole tokens; empty: left as it is", parse=sum_or_empty
    )
    max_per_lease: str = option(
        "", "most that one lease may lock; empty: the whole stake", parse=sum_or_empty
    )
    max_locked: str = option("", "most that all leases may lock; empty: the whole stake", parse=sum_or_empty)

    def __post_init__(self) -> None:
        if self.max_locked and Decimal(self.max_per_lease or 0) > Decimal(self.max_locked):
            raise ValueError(f"max_per_lease {self.max_per_lease} is more than max_locked {self.max_locked}")


@dataclass(frozen=True)
class LeaseConfig:
    """How leases are run."""

    slots: int = option(1, "jobs at a time", least=1)
    beat_blocks: int = option(0, "blocks between heartbeats on chain; 0: a third of the grace", least=0)
    withdraw_blocks: int = option(
        0, "blocks between withdrawals of advances; 0: everything at the end", least=0
    )
    run_attempts: int = option(3, "how often a dying child is started again", least=1)
    start_margin: int = option(
        4, "blocks before the start deadline at which an unready job is given up", least=0
    )
    keep_blocks: int = option(1_000, "blocks beyond the window for which artifacts are served", least=0)
    open_bids: int = option(200, "most bids that may be open at a time", least=1)
    open_bids_per_client: int = option(20, "most of them for one client", least=1)


@dataclass(frozen=True)
class MachineConfig:
    """What this machine lends. Zero and empty mean: what is detected."""

    threads: int = option(0, "processor threads per job; 0: all, shared by the slots", least=0)
    memory: int = option(
        0, "bytes that all jobs together may use; 0: half of what is free", unit="bytes", least=0
    )
    bandwidth: int = option(
        12_500_000, "bytes per second that transfers are planned with", unit="bytes", least=1
    )
    watts: int = option(0, "power drawn under load, if it cannot be measured; 0: estimated", least=0)
    cuda: bool = option(True, "offer GPUs that are found and priced")
    devices: tuple[str, ...] = option(
        (), "devices to use, e.g. cuda:0; empty: all that are found", parse=forms.device
    )


def _all_or_number(text: str) -> str:
    if text != "all" and not (text.isdecimal() and int(text)):
        raise ValueError('"all", or a number of at least 1')
    return text


@dataclass(frozen=True)
class DefenceConfig:
    """How items are executed again when a result is challenged."""

    threads: int = option(0, "processor threads; 0: all", least=0)
    memory: int = option(
        0, "bytes for it; 0: what jobs leave. Jobs that need more are refused", unit="bytes", least=0
    )
    device: str = option("", "where, e.g. cpu; empty: where the job ran", parse=forms.device)
    disk: int = option(64 << 30, "bytes of traces to keep while games last", unit="bytes", least=1 << 20)
    challenged_at_once: str = option(
        "all",
        "runs for challenges and audits, over all leases, that may be due at once: all, or a number",
        parse=_all_or_number,
    )
    slow_inputs: bool = option(True, "refuse jobs that slow inputs could keep from being defended in time")


@dataclass(frozen=True)
class NetConfig:
    """How the node is reached."""

    listen: tuple[str, ...] = option(
        ("/ip4/0.0.0.0/tcp/4001",), "multiaddrs to listen on", parse=forms.multiaddr
    )
    announce: tuple[str, ...] = option(
        (), "multiaddrs told to others instead of the listening ones", parse=forms.multiaddr
    )
    bootstrap: tuple[str, ...] = option(
        (), "peers to start from, beside those of the network", parse=forms.multiaddr
    )


@dataclass(frozen=True)
class ProviderConfig:
    """The whole file."""

    network: str = option("local", "network of networks.yaml")
    operator: str = option("operator", "wallet of the operator key: signs bids, runs leases, pays gas")
    password_file: str = option("", "file with the operator wallet's password")
    owner: str = option(
        "",
        "address that stakes and is paid; empty: that of owner_wallet, else the operator",
        parse=forms.address_or_wallet,
    )
    owner_wallet: str = option("", "wallet of the owner, if the daemon shall register and stake by itself")
    owner_password_file: str = option("", "file with the owner wallet's password; password_file if empty")
    region: str = option("", "where the machine stands, for clients to choose by, e.g. eu-central")
    grid_zone: str = option("", "electricity zone, e.g. DE or US-CAL-CISO")
    carbon_grams_per_kwh: int = option(0, "carbon intensity of that zone", least=0)
    data_dir: str = option("", "journal and artifacts; empty: provider in GAVEL_HOME")
    quota: int = option(64 << 30, "bytes of artifacts to keep", unit="bytes", least=1 << 20)
    metrics_port: int = option(
        0, "port of /metrics and /healthz on loopback; 0: the system chooses", least=0, most=65535
    )
    log_level: Literal["debug", "info", "warning", "error"] = option("info", "what is logged")
    net: NetConfig = field(default_factory=NetConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)
    lease: LeaseConfig = field(default_factory=LeaseConfig)
    defence: DefenceConfig = field(default_factory=DefenceConfig)
    price: PriceConfig = field(default_factory=PriceConfig)
    stake: StakeConfig = field(default_factory=StakeConfig)

    def __post_init__(self) -> None:
        if self.grid_zone and not self.carbon_grams_per_kwh:
            from protocol.runtime.grid import zones

            if self.grid_zone not in zones():
                known = ", ".join(sorted(zones()))
                raise ValueError(
                    f"field grid_zone: expected one of {known}, or carbon_grams_per_kwh of its own, "
                    f"got {self.grid_zone!r:.40}"
                )
