"""Text to MiniLM items: as `client_sdk.formats` does it for job files."""

from client_sdk.formats.minilm_text import items_of, lines_of, nearest

__all__ = ["items_of", "lines_of", "nearest"]
