"""The public Python API and the client's commands."""
