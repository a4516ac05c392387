"""Writes `kernels/ops.inc` from the instruction table: `python -m protocol.engines.cpu.generate`.

The file is committed, so that building the library needs no Python of ours; a test holds it to the table.
"""

from pathlib import Path

from protocol.tape.dtypes import F32
from protocol.tape.scalar import OPS

PATH = Path(__file__).parent / "kernels" / "ops.inc"
HEAD = "// Generated from protocol/tape/scalar/ops.py by protocol/engines/cpu/generate.py. Do not edit.\n"


def text() -> str:
    """The file's content: per instruction OPn(code, result, operands..., expression)."""
    lines = []
    for op in OPS:
        letters = ["F" if kind is F32 else "I" for kind in (op.gives, *op.takes)]
        lines.append(f"OP{len(op.takes)}({op.code}, {', '.join(letters)}, {op.c})  // {op.name}\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
