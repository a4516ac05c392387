"""What the chain says of a provider's money and leases. Blocking."""

from collections import Counter
from typing import Any

from protocol.auction.money import Unit
from protocol.chain.client import Chain
from protocol.chain.events import Ended, Slashed, Withdrawn, topic_of
from protocol.chain.views import LeaseState
from protocol.types import Address, Amount, to_hex
from provider_node import policy
from provider_node.config import PriceConfig
from provider_node.registration import Purse

Row = dict[str, Any]


def purse_of(price: PriceConfig, chain: Chain) -> Purse:
    """Return the token that the config names."""
    token = policy.token_index(price, chain.deployment)
    return Purse(token, policy.unit_of(chain.deployment, token))


def shown(unit: Unit, sums: dict[str, Amount]) -> dict[str, str]:
    """Return sums in whole tokens."""
    return {name: unit.plain(amount) for name, amount in sums.items()}


def balances(chain: Chain, purse: Purse, owner: Address, operator: Address | None) -> Row:
    """Return stake, credits and tokens of the owner, and the operator's coin if it is known who that is."""
    stake = chain.stake(owner, purse.token)
    row: Row = {
        "token": purse.unit.symbol,
        **shown(
            purse.unit,
            {
                "staked": stake.staked,
                "locked": stake.locked,
                "free": stake.free,
                "unbonding": stake.unbonding,
                "credits": chain.credits(purse.token, owner),
                "tokens": chain.token_balance(purse.token, owner),
            },
        ),
        "registered_operator": to_hex(chain.operator_of(owner)),
    }
    if operator:
        coin = Unit("coin", 18)
        row["operator_coin"] = coin.plain(chain.balance(operator))
    return row


def earnings(chain: Chain, purse: Purse, owner: Address) -> Row:
    """Return what the owner's leases in one token brought and cost, and what can be withdrawn now."""
    opened = {each.lease for each in chain.leases_of(owner=owner) if each.bid.token == purse.token}
    abi = chain.escrow.abi
    ends = chain.scanner.all((topic_of(abi, "Ended"),))
    advances = chain.scanner.all((topic_of(abi, "Withdrawn"), None, bytes(12) + owner))
    ended = [each for each in ends if isinstance(each, Ended) and each.lease in opened]
    # What Staking says, as `Ended` counts in what burnt of the client's deposit.
    losses = chain.scanner.all((topic_of(chain.staking.abi, "Slashed"), bytes(12) + owner))
    slashed = [each for each in losses if isinstance(each, Slashed) and each.token == purse.token]
    burnt = sum(each.burnt for each in slashed)
    sums = {
        "settled": Amount(sum(each.to_owner for each in ended)),
        "withdrawn_while_running": Amount(
            sum(each.amount for each in advances if isinstance(each, Withdrawn) and each.lease in opened)
        ),
        "bond_lost": Amount(sum(each.seized for each in slashed) + burnt),
        "bond_burnt": Amount(burnt),
        "credits": chain.credits(purse.token, owner),
    }
    return {
        "owner": to_hex(owner),
        "token": purse.unit.symbol,
        **shown(purse.unit, sums),
        "convictions": sum(each.outcome is LeaseState.CONVICTED for each in ended),
        "leases": len(opened),
        "ended": dict(sorted(Counter(_name(each.outcome) for each in ended).items())),
    }


def lease_list(chain: Chain, owner: Address) -> list[Row]:
    """Return every lease that the owner ever had, newest first, in the words of the daemon's own list."""
    opened = chain.leases_of(owner=owner)
    views = chain.leases([each.lease for each in opened])
    rows = []
    for each, view in zip(opened, views, strict=True):
        unit = policy.unit_of(chain.deployment, each.bid.token)
        rows.append(
            {
                "lease": to_hex(each.lease),
                "phase": _name(view.state),
                "client": to_hex(each.bid.client),
                "items": "",
                "paid_blocks": view.paid_blocks,
                "funded_blocks": view.funded_blocks,
                "accrued": unit.show(each.bid.rate_per_block * view.paid_blocks),
                "reason": "",
                "seen": each.block,
            }
        )
    return rows[::-1]


def _name(state: LeaseState) -> str:
    return state.name.lower().replace("_", "-")
