"""Benchmarks: one table for people, one JSON line for programs."""
