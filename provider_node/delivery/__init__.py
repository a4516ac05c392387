"""Answers every demand for this provider's outputs, in time."""
