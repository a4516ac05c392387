"""Adapter to disk: SQLite journal and content-addressed artifacts."""
