"""Words around numbers, in sentences for people."""


def several(count: int, noun: str) -> str:
    """Return "1 block", "2 blocks"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
