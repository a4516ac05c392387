"""Fast CPU back end: the reference's bits, at the machine's speed."""
