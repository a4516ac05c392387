"""Answers every game about this provider's results, in time."""
