"""What all roles share: pure rooms and adapters."""
