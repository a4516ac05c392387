"""`make demo`: a market on this machine, one real job, and what everybody was left with."""
