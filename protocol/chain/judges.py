"""The contracts that a deployment creates behind its Escrow: the Referee and the judges, in their order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import rlp

from protocol.chain.codec import Abi
from protocol.chain.deploy_terms import (
    CLOCK_KINDS,
    MOST_TOKENS,
    AuditTerms,
    DeliveryTerms,
    DisputeTerms,
    TokenTerms,
    default_audit_terms,
)
from protocol.chain.networks import Network
from protocol.crypto import keccak256
from protocol.types import ZERO_ADDRESS, Address, Verification

ESCROW = "Escrow"
REFEREE = "Referee"
DISPUTES = "Disputes"
DELIVERY = "Delivery"
AUDITS = "Audits"
Places = Mapping[str, Address]
"""Where the contracts of a deployment will stand, by name: known before any of them is created."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge to create and to seat."""

    name: str
    """Its place in `Places`, and in lower case its field of a deployment in networks.yaml."""
    kind: int
    """Verification kind."""
    code: Callable[[Places], bytes]
    """Creation code with constructor arguments."""


def disputes(network: Network, terms: DisputeTerms, tokens: Sequence[TokenTerms]) -> Judge:
    """Return the judge of tapes by games."""
    prices = [token.coin_price for token in tokens] + [0] * (MOST_TOKENS - len(tokens))
    spans = (terms.move_clock, terms.increment, terms.claim_period)
    fixed = (CLOCK_KINDS[network.clock], ZERO_ADDRESS, *spans, terms.tip, terms.data_fee, prices)

    def code(at: Places) -> bytes:
        return Abi.shipped(DISPUTES).creation_code(at[ESCROW], at[REFEREE], fixed)

    return Judge(DISPUTES, Verification.TAPE, code)


def delivery(network: Network, terms: DeliveryTerms) -> Judge:
    """Return the judge of tapes by delivery on demand. It needs `disputes`, which passes its sentences."""
    fixed = (CLOCK_KINDS[network.clock], ZERO_ADDRESS, terms.demand_clock, terms.tip, terms.data_fee)

    def code(at: Places) -> bytes:
        return Abi.shipped(DELIVERY).creation_code(at[ESCROW], at[DISPUTES], at[REFEREE], fixed)

    return Judge(DELIVERY, Verification.TAPE, code)


def audits(network: Network, terms: AuditTerms) -> Judge:
    """Return the judge of tapes by audits. It needs `disputes`, which passes its sentences."""
    spans = (terms.draw_clock, *3 * (terms.answer_clock,), terms.game_span, terms.leave_delay)
    fees = [*terms.fixed_fees] + [0] * (MOST_TOKENS - len(terms.fixed_fees))
    fixed = (CLOCK_KINDS[network.clock], ZERO_ADDRESS, 0, terms.stake, *spans, terms.percent, fees)

    def code(at: Places) -> bytes:
        return Abi.shipped(AUDITS).creation_code(at[ESCROW], at[DISPUTES], fixed)

    return Judge(AUDITS, Verification.TAPE, code)


def of_tapes(network: Network, terms: DisputeTerms, tokens: Sequence[TokenTerms]) -> list[Judge]:
    """Return the judges of tapes: the clocks of demands and audits are those of moves."""
    answers = DeliveryTerms(terms.move_clock, terms.tip, terms.data_fee)
    return [
        disputes(network, terms, tokens),
        delivery(network, answers),
        audits(network, default_audit_terms(network, terms, tokens)),
    ]


def created_by(sender: Address, nonce: int) -> Address:
    """Return where the contract stands that `sender` creates with the transaction of that nonce.

    keccak256(rlp([sender, nonce])), last 20 bytes (Ethereum yellow paper, section 7).
    """
    encoded = rlp.encode([bytes(sender), nonce])
    return Address(keccak256(encoded)[12:])


def places(sender: Address, nonce: int, judges: Sequence[Judge]) -> dict[str, Address]:
    """Return where all will stand if `nonce` creates the Escrow and no other transaction comes between."""
    names = [ESCROW, *([REFEREE, *(judge.name for judge in judges)] if judges else [])]
    return {name: created_by(sender, nonce + i) for i, name in enumerate(names)}
