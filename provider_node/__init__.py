"""The provider daemon: bids, executes, meters, posts, withdraws."""
