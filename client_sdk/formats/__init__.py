"""How people's files become a job's inputs and its outputs become people's files: one module a format."""

from client_sdk.formats.format import Format, Prepared, find_format, format_names

__all__ = ["Format", "Prepared", "find_format", "format_names"]
