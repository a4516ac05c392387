"""What Gavel knows about each chain: the schema of networks.yaml. docs/networks.md explains it."""

from dataclasses import dataclass
from enum import StrEnum

from protocol.types import Address, BlockNo, Blocks, Wei, to_hex

MWEI = 10**6
_LONGEST_LOOK_S = 0.5
_LOCAL = "local"
FURTHER = ("referee", "disputes", "delivery", "audits")
"""Contracts that a deployment may be without, in the order of the file; each a field of `Deployment`."""


class Clock(StrEnum):
    """What the Escrow of a network counts time in (ERC-6372)."""

    BLOCK = "block"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True, slots=True)
class Fees:
    """What gas may cost (EIP-1559): max fee = base fee x multiplier + tip, never above `maximum`."""

    base_fee_multiplier: int
    priority: Wei
    maximum: Wei


@dataclass(frozen=True, slots=True)
class Token:
    """An ERC-20 that a deployment takes; its place in `Deployment.tokens` is `Bid.token`."""

    symbol: str
    address: Address
    decimals: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """One set of contracts. A new version is a new deployment; open leases end on the old one."""

    name: str
    escrow: Address
    staking: Address
    block: BlockNo
    """Chain's block number at which the first of them was created: no log is older."""
    tokens: tuple[Token, ...]
    referee: Address | None = None
    disputes: Address | None = None
    """Judge of tapes by games; None: nobody can prove a result wrong here."""
    delivery: Address | None = None
    """Judge of tapes by delivery on demand."""
    audits: Address | None = None
    """Judge of tapes by paid audits."""

    def table(self) -> list[str]:
        """Return a line for each contract but the tokens."""
        fields = [(name, getattr(self, name)) for name in ("escrow", "staking", *FURTHER)]
        return [f"{name.capitalize()} {to_hex(at)}" for name, at in fields if at is not None]

    @property
    def contracts(self) -> tuple[Address, ...]:
        """All that stands here, tokens too."""
        further = (getattr(self, name) for name in FURTHER)
        tokens = (token.address for token in self.tokens)
        return (self.escrow, self.staking, *(each for each in further if each is not None), *tokens)


@dataclass(frozen=True, slots=True)
class Network:
    """One chain."""

    name: str
    chain_id: int
    rpc_urls: tuple[str, ...]
    """Tried in this order; the first that answers is used."""
    confirmations: int
    """Blocks on top of one before its logs count. 1: the block itself is enough."""
    clock: Clock
    seconds_per_block: int
    fees: Fees
    data_fee_wei_per_byte: Wei
    """What the chain charges for a byte of calldata beyond gas (rollups)."""
    forced_inclusion_blocks: Blocks
    """Clock units after which nobody can keep a transaction out (RULES 15)."""
    bootstrap: tuple[str, ...]
    """Multiaddrs of peers to start from."""
    deployments: tuple[Deployment, ...]
    """Newest first."""
    source: str
    """The file that had the last word on this network."""

    @property
    def look_s(self) -> float:
        """How long whoever follows the newest block rests between two looks."""
        return min(_LONGEST_LOOK_S, self.seconds_per_block / 4)

    @property
    def may_restart(self) -> bool:
        """Whether the chain may begin anew. Of others block 0 is not asked for: not all nodes have it."""
        return self.name == _LOCAL

    def seconds(self, span: Blocks) -> int:
        """Return what a span of the Escrow's clock is in seconds."""
        return span if self.clock is Clock.TIMESTAMP else span * self.seconds_per_block

    def span(self, seconds: float) -> Blocks:
        """Return the smallest span of the Escrow's clock that is at least `seconds` long."""
        unit = 1 if self.clock is Clock.TIMESTAMP else self.seconds_per_block
        return Blocks(int(-(-seconds // unit)))
