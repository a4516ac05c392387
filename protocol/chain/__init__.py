"""Adapter to an EVM chain: web3, deployment, local node."""
