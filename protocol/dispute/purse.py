"""What a challenger may spend on games, and what one costs. Sums are coin of the chain, in wei."""

from dataclasses import dataclass

from protocol.auction.money import Unit
from protocol.types import Wei

GAME_GAS = 1_000_000
"""Gas that a challenger sets aside for all its transactions of one game, from `challenge` to `collect`."""
GAME_COSTS = (
    "A game takes a bond in the chain's coin and about half a million gas; a million is set aside. "
    "The bond comes back when the provider is convicted, less what was paid out of it for answers by then; "
    "a lost game costs all of it."
)
"""What every help text and page says that a game costs; a test holds them, and the measured gas, to it."""
OPENING_GAS = 120_000
"""Gas of the opening alone, with room."""
COIN = Unit("coin", 18)
"""How sums of the chain's coin are written."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most that a challenger puts at risk. A game's gas is reckoned as `GAME_GAS`, whatever it takes."""

    bond_per_game: Wei
    bond_per_day: Wei
    gas_per_game: Wei
    gas_per_day: Wei


@dataclass(frozen=True, slots=True)
class Purse:
    """What another game would cost now, and what there is for it."""

    coin: Wei
    """What the wallet holds."""
    bond: Wei
    gas_price: Wei
    """Most that a transaction sent now can pay for a unit of gas."""
    bonds_of_day: Wei
    """Bonds of the games that this wallet opened in the last day."""
    games_of_day: int
    limits: Limits
    too_slow: str = ""
    """Why this machine could not keep a game's clocks; empty if it can."""
    pledged: Wei = Wei(0)  # noqa: RUF009 - a number
    """What games of audits that the wallet has committed to may take of its coin: no other game may."""
    pressing: bool = False
    """Whether more is lost without a game than limits save: only what the wallet holds counts then."""

    @property
    def gas(self) -> Wei:
        """What the transactions of one game may cost at the present price."""
        return Wei(GAME_GAS * self.gas_price)

    @property
    def _all_that(self) -> str:
        if self.pledged:
            return "bond and gas of a game, and games of audits that are committed to, may take"
        return "bond and gas of a game may take"

    def why_not(self) -> str:
        """Why no game can be paid for, or played, now; empty if one can."""
        if self.pressing:
            needed = Wei(self.bond + OPENING_GAS * self.gas_price)
            return _lack("a game's bond and its opening may take", needed, "the wallet", self.coin)
        if self.too_slow:
            return self.too_slow
        limits, gas_of_day = self.limits, (self.games_of_day + 1) * self.gas
        sums = (
            ("a game's bond is", self.bond, "bond_per_game", limits.bond_per_game),
            ("the day's bonds would be", self.bonds_of_day + self.bond, "bond_per_day", limits.bond_per_day),
            ("a game's gas may cost", self.gas, "gas_per_game", limits.gas_per_game),
            ("the day's gas may cost", gas_of_day, "gas_per_day", limits.gas_per_day),
            (self._all_that, self.bond + self.gas + self.pledged, "the wallet", self.coin),
        )
        return next(filter(None, (_lack(*each) for each in sums)), "")


def _lack(what: str, needed: int, name: str, held: int) -> str:
    if needed <= held:
        return ""
    verb = "holds" if name == "the wallet" else "allows"
    return f"{what} {COIN.about(Wei(needed))}, {name} {verb} {COIN.about(Wei(held))}"


def slowness(item: int, seconds: float, clock: float) -> str:
    """Why a game about an item whose run took so long could be lost to a clock of `clock` seconds, or empty.

    A restart in the midst of the game checks the job and executes the item again before the next move.
    """
    if seconds < clock:
        return ""
    return (
        f"checking the job and executing item {item} takes {seconds:.0f} s here, "
        f"the clock of a move is {clock:.0f} s"
    )
