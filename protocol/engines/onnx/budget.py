"""What lowering may compute and hold by itself, beside what it reads from the file.

A few bytes can ask for tensors of any size, and for work on them without end. So everything that lowering
makes of a model is paid for out of one sum, which grows with the weights that the file brings along.
"""

import math

from protocol.tape.dtypes import Shape
from protocol.types.errors import InputError

MAX_MADE = 2**26
"""Elements of one constant that lowering makes."""
MAX_STEPS = 2**17
"""Nodes of the graph before elementwise chains are fused: twice what a tape has at most."""
BASE_BYTES = 2**29
FOLDED = 2**13
SETTLED = 2**16
"""What a node that is computed while lowering costs beside its elements: a millisecond, or several."""
BYTES_PER_WEIGHT = 32
"""Casts, transposes and whatever else is computed of a weight, over all nodes, read and written."""


class Budget:
    """Bytes that are left for constants to be made with."""

    def __init__(self, weights: int = 0) -> None:
        self.total = self.left = BASE_BYTES + BYTES_PER_WEIGHT * weights

    def make(self, shape: Shape, width: int = 8) -> None:
        """Pay for a constant of this shape and bytes per element, before it is made. InputError if it is
        too large, or one too many.
        """
        elements = math.prod(shape)
        if elements > MAX_MADE:
            raise InputError(
                f"a constant of {elements} elements would be made while lowering; at most {MAX_MADE} are"
            )
        self.pay(elements * width)

    def pay(self, count: int) -> None:
        """Pay for so many bytes of any use. InputError if they are not left."""
        self.left -= count
        if self.left < 0:
            raise InputError(
                f"the model's constants take more than {self.total >> 20} MiB to be computed while lowering"
            )
