"""The reproducible tensor program: nodes, numbers, encoding, reference interpreter. Pure."""
