"""Scalar expressions of MAPs: arguments and substitution."""

from protocol.tape.dtypes import DType
from protocol.tape.scalar import Value as Scalar


def argument(index: int, word: DType) -> Scalar:
    """The symbolic element of argument `index` of a MAP."""
    return Scalar(word, "input", word=index)


def substitute(root: Scalar, parts: dict[int, Scalar]) -> Scalar:
    """The expression with input i replaced by `parts[i]`; shared subexpressions stay shared."""
    memo: dict[int, Scalar] = {}

    def walk(node: Scalar) -> Scalar:
        if node.op == "input":
            return parts[node.word]
        if not node.args:
            return node
        if id(node) not in memo:
            memo[id(node)] = Scalar(node.dtype, node.op, tuple(walk(a) for a in node.args), node.word)
        return memo[id(node)]

    return walk(root)
