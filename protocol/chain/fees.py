"""What to pay per gas (EIP-1559)."""

from dataclasses import dataclass

from protocol.chain.networks import Fees
from protocol.chain.node import Node
from protocol.chain.sent import Attempt
from protocol.types import TransientError, Wei


@dataclass(frozen=True, slots=True)
class Fee:
    """Wei per gas."""

    max_fee: Wei
    tip: Wei


def fee_now(node: Node, policy: Fees) -> Fee:
    """Return what a fresh transaction offers. `TransientError` while the base fee is above the limit."""
    base = node.base_fee()
    if base > policy.maximum:
        raise TransientError(
            f"base fee is {base} wei per gas, the limit is {policy.maximum}",
            "wait, or raise fees.max_mwei in networks.yaml",
        )
    wanted = Wei(base * policy.base_fee_multiplier + policy.priority)
    max_fee = min(wanted, policy.maximum)
    return Fee(max_fee, min(policy.priority, max_fee))


def bumped(node: Node, policy: Fees, last: Attempt) -> Fee | None:
    """Return a fee that may replace `last`, or None if the limit forbids it. Nodes ask for 10 % more."""
    base = node.base_fee()
    tip = Wei(max(last.tip + last.tip // 4 + 1, policy.priority))
    wanted = max(last.max_fee + last.max_fee // 4 + 1, base * policy.base_fee_multiplier + tip)
    if min(wanted, policy.maximum) < last.max_fee + last.max_fee // 8 + 1:
        return None
    max_fee = Wei(min(wanted, policy.maximum))
    return Fee(max_fee, Wei(min(tip, max_fee)))
