"""Games as plain values, for `status`, `leases` and people."""

from typing import Any

from protocol.auction.money import Unit
from protocol.dispute.defence import ENDED, OWING
from protocol.dispute.defence_types import Defence
from protocol.dispute.records import Phase as GamePhase
from protocol.types import Amount, BlockNo, LeaseId, to_hex
from provider_node.defence.answering import blocks_left

_COIN = Unit("coin", 18)


def game_row(game: bytes, state: Defence, height: BlockNo) -> dict[str, Any]:
    """Return one game: where it stands, whose clock runs and how long, what it cost."""
    asked = state.seen.word.phase if state.seen else GamePhase.NONE
    turn = "" if not asked.live else "ours" if asked.provider_moves else "challenger"
    return {
        "game": "0x" + game.hex(),
        "lease": to_hex(state.case.lease_id),
        "item": state.case.item,
        "challenger": to_hex(state.challenger),
        "doing": state.phase.name.lower(),
        "phase": asked.name.lower(),
        "turn": turn,
        "blocks_left": blocks_left(state, height) if turn else None,
        "moves": state.moves,
        "fees": _COIN.plain(Amount(state.fees)),
        "repaid": _COIN.plain(Amount(state.repaid)),
        "reason": state.reason,
    }


def games_of(
    states: dict[bytes, Defence], height: BlockNo, lease: LeaseId | None = None
) -> list[dict[str, Any]]:
    """Return all games, or those of one lease: what is owed first, what is over last."""
    chosen = [(game, each) for game, each in states.items() if lease in (None, each.case.lease_id)]
    chosen.sort(key=lambda pair: (pair[1].phase in ENDED, pair[1].phase not in OWING, pair[1].deadline))
    return [game_row(game, each, height) for game, each in chosen]
