"""Adapter to the libp2p network: gossip, requests, artifact transfer."""
