"""One executor per job kind."""
