"""Games that are opened to be lost: by keys that nobody knows, many of them in one block."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import trio

from protocol.chain.calls import Call
from protocol.chain.localnet import Localnet
from protocol.crypto import address_of, keccak256
from protocol.dispute.moves import Challenge, Collect, Pick, Resign
from protocol.dispute.names import Case, Job, game_id
from protocol.dispute.records import Game, Phase
from protocol.engines.worker.dispute_records import AccuseArgs, Item
from protocol.engines.worker.disputing import accuse
from protocol.engines.worker.game_wire import JOBS
from protocol.messages import Bid
from protocol.types import Hash32
from tests.adversary_rig import World
from tests.provider_rig import OPERATOR

ACCOUNTS = (4, 5, 8, 9)
_GAS, _AT_ONCE = 1_000_000, 50
"""Gas of a call; blocks that are made in one request."""


class Way(enum.Enum):
    """How a sham is lost."""

    RESIGNS = "at its first turn"
    PICKS = "after one pick"
    STALLS = "by its clock"


@dataclass
class Sham:
    """One game."""

    account: int
    seal: Hash32
    way: Way
    case: Case
    game: Hash32
    turns: int = 0

    def stalls(self, now: Game) -> bool:
        """Whether all that happens is that its clock runs."""
        return self.way is Way.STALLS and now.phase is Phase.PICK

    def turn(self, bid: Bid, now: Game) -> Resign | Pick | None:
        """What is done about it in the next block, if it waits for its challenger."""
        if now.phase is not Phase.PICK or self.stalls(now):
            return None
        self.turns += 1
        if self.way is Way.PICKS and self.turns == 1 and 0 < now.shown < now.levels:
            return Pick(self.case.id, self.seal, now.tag, 0)
        return Resign(bid, self.case, self.seal)


@dataclass
class Shams:
    """All those about a posted result. Called before each block (`tests.adversary_rig.Pulse`), it moves."""

    net: Localnet
    bid: Bid
    job: Job
    opening: dict[int, Challenge]
    """By item, sealed with nothing yet."""
    opened: list[Sham] = field(default_factory=list)
    waiting: list[Sham] = field(default_factory=list)
    over: set[Hash32] = field(default_factory=set)
    not_before: int = 0
    """Those that wait are opened in the block of this number."""
    hurries: bool = False
    """Whether time is let pass as soon as nothing but clocks of shams runs."""

    def add(self, count: int, item: int, not_before: int = 0) -> None:
        """Open so many, in the block of that number or the next one."""
        self.not_before = not_before
        begin = self.opening[item]
        for account, way in islice(zip(cycle(ACCOUNTS), cycle(Way), strict=False), count):
            seal = keccak256(b"sham %d %d" % (item, len(self.opened) + len(self.waiting)))
            me = address_of(self.net.keys[account])
            game = game_id(begin.case.id, me, seal)
            self.waiting.append(Sham(account, seal, way, begin.case, game))

    def __call__(self) -> None:
        chain = self.net.chain()
        if self.waiting:
            while (before := self.not_before - chain.block_number() - 1) > 0:
                self.net.anvil.mine(min(before, _AT_ONCE))
            bond = chain.bond(self.bid, self.job.items)
            for sham in self.waiting:
                begin = self.opening[sham.case.item]
                move = Challenge(self.bid, self.job, begin.item, begin.item_root, begin.proof, sham.seal)
                self._send(sham, chain.disputes.challenge(move, bond))
            self.opened, self.waiting = self.opened + self.waiting, []
            return
        live = self.now()
        for sham, now in live:
            if move := sham.turn(self.bid, now):
                self._send(sham, chain.disputes.move(move))
        if self.hurries and live and all(sham.stalls(now) for sham, now in live):
            until = min(now.moved_at + now.mover_left for _, now in live)
            if (rest := until - chain.block_number()) > 0:
                self.net.anvil.mine(min(rest, _AT_ONCE))

    def now(self) -> list[tuple[Sham, Game]]:
        """How those that are not over stand."""
        live = [sham for sham in self.opened if sham.game not in self.over]
        found = list(zip(live, self.net.chain().games_now([sham.game for sham in live]), strict=True))
        self.over |= {sham.game for sham, view in found if view.game.phase in (Phase.WON, Phase.LOST)}
        return [(sham, view.game) for sham, view in found]

    def collect(self) -> None:
        """Take back the bonds of those that were not lost before the provider was convicted."""
        for sham, _ in self.now():
            chain = self.net.chain(sham.account)
            chain.send(chain.disputes.move(Collect(self.bid, sham.case, sham.seal)))

    def _send(self, sham: Sham, call: Call) -> None:
        assert call.to is not None
        request = {
            "from": "0x" + address_of(self.net.keys[sham.account]).hex(),
            "to": "0x" + call.to.hex(),
            "data": "0x" + call.data.hex(),
            "value": hex(call.value),
            "gas": hex(_GAS),
        }
        self.net.anvil.call("eth_sendTransaction", request)


async def shams(made: World, bid: Bid, lie: str, items: Sequence[int]) -> Shams:
    """Whoever opens them knows what is to be had by everybody: the job, and the outputs that are served."""
    operator = address_of(made.net.keys[OPERATOR])
    receipt = await made.client.receipt(bid.lease_id(), operator)
    await made.client.node.fetch_artifact(made.client.store, receipt.outputs, [operator], max_size=1 << 24)
    folder = made.folder / f"job{made.lies.index(lie)}"
    opening = {}
    for item in items:
        files = Item(str(folder / "program"), str(folder / "inputs"), item)
        args = AccuseArgs(files, str(made.client.store.path(receipt.outputs)))
        found = await trio.to_thread.run_sync(accuse, args)
        job, root = JOBS.decode(found.job), Hash32(found.posted_root)
        proof = tuple(map(Hash32, found.proof))
        opening[item] = Challenge(bid, job, item, root, proof, Hash32(bytes(32)))
    return Shams(made.net, bid, job, opening)
