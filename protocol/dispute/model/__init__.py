"""The contract's state machine as a function: what each call of the game does, or which error it gets.

`apply` is held equal to the contract, call by call, by a property test; whoever wants to know beforehand what
the contract would say can ask it.
"""

from protocol.dispute.model.apply import apply
from protocol.dispute.model.state import Context, Guest, Lease, Refused, Sentence, State, Stored, Terms

__all__ = ["Context", "Guest", "Lease", "Refused", "Sentence", "State", "Stored", "Terms", "apply"]
