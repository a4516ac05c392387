"""What every daemon stands on: loop, config, keystore, logging, CLI root."""
