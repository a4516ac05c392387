"""Whoever makes blocks can do more than that: copy what waits, hold it up, or see gas become dear.

Each is called before a block is made (`tests.adversary_rig.Pulse`).
"""

from dataclasses import dataclass, field
from typing import Any

from protocol.chain.localnet import Localnet
from protocol.dispute.records import Phase
from protocol.messages import Bid
from protocol.types import Address

_NO_ROOM, _ROOM = 20_000, 30_000_000
"""Block gas limits: less than any transaction takes; anvil's own."""
_GWEI = 10**9


def waiting(net: Localnet) -> list[dict[str, Any]]:
    """The calls of Disputes that the next block could hold."""
    disputes = f"0x{net.chain().disputes.address.hex()}"
    pool = net.anvil.call("txpool_content")["pending"]
    return [tx for each in pool.values() for tx in each.values() if (tx["to"] or "").lower() == disputes]


@dataclass
class Copier:
    """Sends every call of Disputes that a victim sends, as its own and for a higher tip: it comes first."""

    net: Localnet
    account: int
    victim: Address
    copied: set[str] = field(default_factory=set)

    def __call__(self) -> None:
        me, victim = f"0x{self.net.chain(self.account).address.hex()}", f"0x{self.victim.hex()}"
        for tx in waiting(self.net):
            if tx["from"].lower() == victim and tx["input"] not in self.copied:
                self.copied.add(tx["input"])
                fees = {
                    "maxFeePerGas": hex(int(tx["maxFeePerGas"], 16) + 10 * _GWEI),
                    "maxPriorityFeePerGas": hex(10 * _GWEI),
                }
                same = {name: tx[name] for name in ("to", "input", "value")}
                self.net.anvil.call(
                    "eth_sendTransaction", {"from": me, "gas": hex(3_000_000), **same, **fees}
                )


@dataclass
class LastBlock:
    """Leaves every move of a lease's only game out until the last block in which it counts."""

    net: Localnet
    bid: Bid
    held: int = 0

    def __call__(self) -> None:
        if not waiting(self.net):
            return
        chain = self.net.chain()
        live = [game.now for game in chain.games_of(self.bid) if game.now.phase.live]
        if len(live) != 1:
            return
        last = live[0].moved_at + live[0].mover_left
        if (before := last - chain.block_number() - 1) > 0:
            self.held += 1
            self.net.anvil.call("evm_setBlockGasLimit", hex(_NO_ROOM))
            self.net.anvil.mine(before)
            self.net.anvil.call("evm_setBlockGasLimit", hex(_ROOM))


@dataclass
class Spike:
    """Keeps the base fee at a level, at `factor` times that from the opening of a game to its claim."""

    net: Localnet
    bid: Bid
    level: int = _GWEI
    factor: int = 20
    dear: bool = False

    def __call__(self) -> None:
        games = self.net.chain().games_of(self.bid)
        self.dear = bool(games) and all(game.now.phase is not Phase.CLAIMED for game in games)
        fee = self.level * (self.factor if self.dear else 1)
        self.net.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(fee))
