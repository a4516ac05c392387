"""The client's `gavel` commands."""
