"""Follows results, re-runs a share of them, reports mismatches."""
