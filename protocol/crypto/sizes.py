"""Sizes of what is signed and hashed, for those who need no key."""

SIGNATURE_BYTES = 65
