"""The slow reference interpreter: the definition of every bit."""

from protocol.tape.reference.arithmetic import RULES
from protocol.tape.reference.interpreter import evaluate, evaluate_all, evaluate_node, run_program

__all__ = ["RULES", "evaluate", "evaluate_all", "evaluate_node", "run_program"]
