"""What a bond is reckoned with: `DisputeState`'s constants, for daemons, which carry no model of it."""

BOND_GAS = 700_000
"""Of the answers to a long game."""
BOND_BYTES = 12_000
"""Calldata of those answers."""
MOST_BOND = (1 << 42) - 1
"""What a game can keep, in gwei: no more is asked for, so that a challenge is always possible."""
