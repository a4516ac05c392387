"""The dispute game: what one step of a tape is, and the proofs that convict a wrong one. Pure."""
