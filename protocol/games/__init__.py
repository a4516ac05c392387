"""Playing dispute games as the challenger: reading them off the chain, asking the worker, sending moves.

Watchtower and client play with this one player; `protocol.dispute.challenger` decides what is to be done.
"""
