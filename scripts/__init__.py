"""Thin callers: demo, benchmarks, code generation."""
