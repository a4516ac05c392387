"""What to pay per gas (EIP-1559)."""

from dataclasses import dataclass

from protocol.chain.calls import Due
from protocol.chain.networks import Fees
from protocol.chain.node import Node
from protocol.chain.sent import Attempt
from protocol.types import TransientError, Wei


@dataclass(frozen=True, slots=True)
class Fee:
    """Wei per gas."""

    max_fee: Wei
    tip: Wei


_UNPRICED = 4
"""Times the limit that a pressing call may cost where nobody knows what is at stake in coin."""


def ceiling(policy: Fees, due: Due | None, now: int, gas: int) -> Wei:
    """Return the most that a unit of gas may cost a call of so much gas, at the reading `now`.

    Silence convicts: whoever drives the base fee above the limit must not win by that. So in the second half
    of its clock a call may cost up to half of what being late costs.
    """
    if due is None or now < due.presses:
        return policy.maximum
    pressing = _UNPRICED * policy.maximum if due.worth is None else due.worth // (2 * max(gas, 1))
    return Wei(max(policy.maximum, pressing))


class DearGasError(TransientError):
    """The base fee is above what this sender pays."""


def fee_now(node: Node, policy: Fees, most: Wei | None = None) -> Fee:
    """Return what a fresh transaction offers, at most `most` (the policy's limit).

    `DearGasError` while the base fee is above that.
    """
    base, most = node.base_fee(), policy.maximum if most is None else most
    if base > most:
        raise DearGasError(
            f"base fee is {base} wei per gas, the limit is {most}",
            "wait, or raise fees.max_mwei in networks.yaml",
        )
    wanted = Wei(base * policy.base_fee_multiplier + policy.priority)
    max_fee = min(wanted, most)
    return Fee(max_fee, min(policy.priority, max_fee))


def bumped(node: Node, policy: Fees, last: Attempt, most: Wei) -> Fee | None:
    """Return a fee that may replace `last`, or None if `most` forbids it. Nodes ask for 10 % more."""
    base = node.base_fee()
    tip = Wei(max(last.tip + last.tip // 4 + 1, policy.priority))
    wanted = max(last.max_fee + last.max_fee // 4 + 1, base * policy.base_fee_multiplier + tip)
    if min(wanted, most) < last.max_fee + last.max_fee // 8 + 1:
        return None
    max_fee = Wei(min(wanted, most))
    return Fee(max_fee, Wei(min(tip, max_fee)))
