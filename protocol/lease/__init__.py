"""One state machine per lease, for each side. Pure."""
