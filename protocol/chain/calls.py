"""What is sent to the chain, as values: a call before it, a receipt after it."""

from dataclasses import dataclass, replace

from protocol.types import Address, BlockNo, Hash32, Wei

NOTHING = Wei(0)


@dataclass(frozen=True, slots=True)
class Due:
    """A clock that runs against whoever makes a call, and what its silence costs (`fees.ceiling`)."""

    presses: BlockNo
    """Reading of the Escrow's clock at which half of the time is gone: from then on the call may be dear."""
    worth: Wei | None
    """What is lost at the clock's end, in native coin; None: nobody knows the token's price."""

    @classmethod
    def between(cls, since: int, until: int, worth: Wei | None) -> "Due":
        """Return what a clock that began at `since` and ends at `until` asks for."""
        return cls(BlockNo((since + until) // 2), worth)


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

    due: Due | None = None
    """What its being late costs; None: it may wait until gas is cheap."""

    def by(self, due: Due) -> "Call":
        """Return this call with what its being late costs."""
        return replace(self, due=due)

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
