"""Bid decision, bid scoring and the client's auction machine. Pure."""
