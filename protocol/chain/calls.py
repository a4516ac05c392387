"""What is sent to the chain, as values: a call before it, a receipt after it."""

from dataclasses import dataclass, replace

from protocol.types import Address, BlockNo, Hash32, Wei

NOTHING = Wei(0)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract. A contract wallet (ERC-1271) sends it by its own means; `Sender` for a key."""

    to: Address | None
    """None creates a contract."""
    data: bytes
    what: str
    """The function's name, for people."""
    value: Wei = NOTHING
    spare: int = 0
    """Gas beyond a node's estimate: what is cheap in the newest block may be dearer in a later one."""

    def paying(self, value: Wei) -> "Call":
        """Return this call with native coin attached."""
        return replace(self, value=value)


@dataclass(frozen=True, slots=True)
class Log:
    """One raw log of a mined transaction."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: BlockNo
    """The chain's block number, which is not the Escrow's clock where that counts seconds."""
    block_hash: Hash32
    index: int
    tx: Hash32


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """A transaction that is in a block and succeeded."""

    tx: Hash32
    block: BlockNo
    gas_used: int
    fee: Wei
    """All that the sender paid beyond `Call.value`."""
    created: Address | None
    logs: tuple[Log, ...]
