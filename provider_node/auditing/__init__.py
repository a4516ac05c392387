"""Answers every audit of this provider's results, in time."""
