"""Commands that belong to no role: wallet, config, doctor."""
