"""A game for people: where it stands, whose move it is, what it cost, how it ended."""

from dataclasses import dataclass

from protocol.auction.money import Unit
from protocol.dispute.purse import COIN
from protocol.dispute.records import Phase
from protocol.types import Wei

WAITING = "the provider is to move"
"""What a player says that waits for the provider's answer."""
_OWED = {
    Phase.TRACE: "to post its trace",
    Phase.PICK: "to pick what differs",
    Phase.REVEAL: "to open the picked node",
    Phase.CHAIN: "to show the element's running values",
    Phase.SPAN: "to pick a span",
    Phase.RUNNING: "to show the span's running values",
    Phase.PROVE: "to prove the false segment",
}


@dataclass(frozen=True, slots=True)
class GameReport:
    """One game. Ids are hex, coin in wei, rewards in the token's smallest unit; -1: not known (yet)."""

    game: str
    lease: str
    owner: str
    item: int
    phase: str
    mover: str
    """"provider", "challenger", or "" when nobody is to move."""
    at: int
    """Clock reading of this report."""
    clock_left: int
    """Of the mover."""
    opened_at: int
    moves: int
    levels: int
    """Levels gone down so far, of the trace and of the node's tensor together."""
    node: int
    node_name: str
    element: int
    segment: int
    """Of the element's chain."""
    bond: Wei
    """As it was put down."""
    bond_left: Wei
    gas: int
    fees: Wei
    expected: int
    """Most that the reward can come to, shared with whoever else claims."""
    coin_back: Wei
    reward: int
    symbol: str
    """Of the reward's token."""
    decimals: int
    outcome: str
    doing: str = ""
    """What the player does or waits for."""
    over: bool = False
    seconds_left: int = -1
    """`clock_left` in seconds, if blocks come as the network says."""

    def sentence(self) -> str:
        """Return the game in a few lines, by itself."""
        head = f"game {self.game[:10]} on lease {self.lease[:10]} of {self.owner[:10]}"
        return "\n".join((head, *(f"  {line}" for line in self.lines())))

    def lines(self) -> tuple[str, ...]:
        """Return where the game is, how it stands, what it costs, and what is done."""
        waits = self.doing.startswith(WAITING) and self.mover == "provider"
        doing = self.doing if not self.over and not waits else ""
        return tuple(filter(None, (self._where(), self._state(), self._money(), doing)))

    def _where(self) -> str:
        where = f"item {self.item}, {self.levels} levels down"
        if self.node >= 0:
            name = f" ({self.node_name})" if self.node_name else ""
            where += f", node {self.node}{name}"
        where += f", element {self.element}" if self.element >= 0 else ""
        return where + (f", segment {self.segment}" if self.segment >= 0 else "")

    def _state(self) -> str:
        if not self.mover or self.over:
            return self.outcome or self.phase
        owed = _OWED.get(Phase[self.phase.upper()], "to move")
        left = f"{about_time(self.seconds_left)} left" if self.clock_left else "no time left"
        return f"the {self.mover} is {owed}: {left} on its clock, until {self.at + self.clock_left}"

    def _money(self) -> str:
        token = Unit(self.symbol, self.decimals)
        cost = f"spent {self.gas} gas for {COIN.short(self.fees)} coin; bond {COIN.short(self.bond)} coin"
        if self.mover and not self.over:
            return f"{cost}; reward up to {token.about(self.expected)}"
        if not self.over and not self.coin_back:
            return f"{cost}, not back yet; reward not fixed yet"
        return f"{cost}, {COIN.short(self.coin_back)} of it back; reward {token.about(self.reward)}"


def about_time(seconds: int) -> str:
    """Return a span of time as people say it."""
    for size, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"about {round(seconds / size)} {name}"
    return f"{max(seconds, 0)} s"
