"""Value types and units that every room shares."""
