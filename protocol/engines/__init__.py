"""Fast back ends of the tape and readers of foreign models."""
