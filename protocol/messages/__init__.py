"""Canonical EIP-712 messages that cross the network or the chain. Pure."""
