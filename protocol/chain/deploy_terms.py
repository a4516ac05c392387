"""What a deployment fixes for ever, and the terms that fit a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.chain.networks import Clock, Network
from protocol.dispute.audits.names import AuditClocks
from protocol.dispute.windows import Judging
from protocol.types import Address, Amount, Blocks, InputError, Wei

CLOCK_KINDS = {Clock.BLOCK: 1, Clock.TIMESTAMP: 2}
"""The contracts' `ClockKind`."""
MOST_TOKENS = 4
"""That one deployment can list."""
_DAY = 86_400
_MOST_GRACE = (1 << 16) - 1
MOST_MOVES = 52
"""Of one side in one game: the 16 and 30 levels of the largest tape one by one, and the rest."""
STRAIGHT_MOVES = 16
"""Of one side, where each answer shows as many levels as it may and the challenger goes down all of them."""
_LEAST_DRAW, _MOST_DRAW = 6, 256
"""Blocks: the one that draws is four ahead, and hashes are known for 256."""
_STAKE_RESERVES = 4
_AUDIT_PERCENT = 400
_FEES_IN_RESERVE = 8
"""A reserve is four disputes' gas; an auditor's part of an audit takes less than half of one."""
_TRACE_FACTOR = 6
"""RULES 13: the trace clock counts at most so many times the blocks from start to result."""


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """A token to list. The reserve is four times a dispute's gas, at a price that the deployer expects."""

    address: Address
    reserve: Amount
    show_up_sum: Amount = Amount(0)  # noqa: RUF009 - an int by another name
    show_up_bps: int = 1_000
    """1/10000 of rate x start deadline."""
    coin_price: Wei = Wei(0)  # noqa: RUF009 - an int by another name
    """Wei of native coin for 10^18 smallest units: what a lost game pays for an item is reckoned with it."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A judge's place: it decides leases of this verification kind."""

    judge: Address
    kind: int


@dataclass(frozen=True, slots=True)
class DisputeTerms:
    """The clocks and prices of dispute games (RULES 12, 13, 15)."""

    move_clock: Blocks
    """Each side's clock at the beginning; at least twice the chain's worst forced-inclusion delay."""
    increment: Blocks
    """What an answered move adds to it."""
    claim_period: Blocks
    """After a conviction, for opening seals."""
    tip: Wei
    """Wei per gas above the base fee that repayments allow."""
    data_fee: Wei
    """Wei per byte of calldata that the chain charges beside gas."""

    def longest_game(self, longest_lease: Blocks) -> Blocks:
        """Return the longest that a game about a lease of that length can last."""
        return self._game(longest_lease, MOST_MOVES)

    def straight_game(self, lease: Blocks) -> Blocks:
        """Return the longest that one can last whose challenger asks for no fewer levels than are shown."""
        return self._game(lease, STRAIGHT_MOVES)

    def _game(self, lease: Blocks, moves: int) -> Blocks:
        sides = 2 * (self.move_clock + moves * self.increment)
        return Blocks(sides + _TRACE_FACTOR * lease + self.claim_period)


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """The clock and prices of delivery on demand (RULES 12, 15)."""

    demand_clock: Blocks
    """For one answer; at least twice the chain's worst forced-inclusion delay."""
    tip: Wei
    """Wei per gas above the base fee that repayments allow."""
    data_fee: Wei
    """Wei per byte of calldata that the chain charges beside gas."""


@dataclass(frozen=True, slots=True)
class AuditTerms:
    """Stakes, prices and clocks of audits. Spans are in units of the clock."""

    stake: Amount
    """Of each auditor, in the first listed token: an eighth burns on silence, half on a false accusation."""
    percent: int
    """Of an item's price that an auditor is paid; a trace takes up to four times as long as a plain run."""
    fixed_fees: tuple[Amount, ...]
    """Beside it, in each listed token: an auditor's gas."""
    draw_clock: Blocks
    answer_clock: Blocks
    """For a commitment beside the trace allowance, for a reveal, and for opening a game afterwards."""
    game_span: Blocks
    leave_delay: Blocks

    @property
    def clocks(self) -> AuditClocks:
        """The spans as audits are played by."""
        return AuditClocks(self.draw_clock, *3 * (self.answer_clock,), self.game_span)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment fixes for ever. Spans are in units of its clock."""

    tokens: tuple[TokenTerms, ...]
    seats: tuple[Seat, ...]
    """Judges that exist already or are made elsewhere. Bids of a kind without a judge are refused."""
    min_grace: Blocks
    max_challenge_window: Blocks
    game_span: Blocks
    unbonding_delay: Blocks


def default_dispute_terms(network: Network) -> DisputeTerms:
    """Return the clocks that fit a network: ten minutes for a side, more where the chain may stall longer."""
    forced = network.forced_inclusion_blocks
    move_clock = Blocks(max(2 * forced, network.span(600)))
    return DisputeTerms(
        move_clock=move_clock,
        increment=Blocks(max(forced, network.span(60))),
        claim_period=move_clock,
        tip=network.fees.priority,
        data_fee=network.data_fee_wei_per_byte,
    )


def default_audit_terms(network: Network, games: DisputeTerms, tokens: Sequence[TokenTerms]) -> AuditTerms:
    """Return the terms that fit a network: clocks as those of moves, prices by the tokens' reserves."""
    draw = max(_LEAST_DRAW, games.move_clock)
    if network.clock is Clock.BLOCK:
        draw = min(draw, _MOST_DRAW)
    return AuditTerms(
        stake=Amount(_STAKE_RESERVES * tokens[0].reserve),
        percent=_AUDIT_PERCENT,
        fixed_fees=tuple(Amount(-(-token.reserve // _FEES_IN_RESERVE)) for token in tokens),
        draw_clock=Blocks(draw),
        answer_clock=games.move_clock,
        game_span=games.longest_game(Blocks(0)),  # the contract adds what the lease took
        leave_delay=Blocks(draw + 1),
    )


def default_terms(
    network: Network,
    tokens: Sequence[TokenTerms],
    seats: Sequence[Seat] = (),
    min_grace: int | None = None,
    *,
    longest_window_seconds: float | None = None,
    longest_lease_seconds: float = _DAY,
    disputes: DisputeTerms | None = None,
) -> Terms:
    """Return the terms that fit a network: grace by RULES 15, unbonding longer than a window and a game.

    If it is not given, the longest window is what `window_needed` says for the longest lease that is to be
    judged (RULES 14). Unbonding covers a straight game about such a lease (ADR 044): whatever is in play is
    locked until its lease ends. `InputError` if the grace that the chain needs is more than a bid can state
    and none was given.
    """
    grace = min_grace or max(1, 2 * network.forced_inclusion_blocks)
    if grace > _MOST_GRACE:
        raise InputError(
            f"network {network.name!r} needs a grace of {grace} clock units, a bid can state {_MOST_GRACE}",
            "choose a lower one with --min-grace: after a longer outage of the chain streams will gap",
        )
    lease = network.span(longest_lease_seconds)
    if longest_window_seconds is not None:
        window = network.span(longest_window_seconds)
    else:
        window = window_needed(network, disputes, tokens, lease) if disputes else lease
    game = disputes.straight_game(lease) if disputes else Blocks(window // 4)
    return Terms(tuple(tokens), tuple(seats), Blocks(grace), window, game, Blocks(window + game + 1))


def window_needed(
    network: Network, games: DisputeTerms, tokens: Sequence[TokenTerms], lease: Blocks
) -> Blocks:
    """Return the window that RULES 14 asks for after a lease of that length, with items of ten minutes."""
    audits = default_audit_terms(network, games, tokens).clocks
    allowance = Blocks(_TRACE_FACTOR * network.span(600))
    return Judging(games.move_clock, audits).least_window(lease, allowance, items=1_000)
