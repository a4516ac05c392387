"""Makes `tape.json`, the frozen examples of the tape: `python -m tests.vectors.make_tape`.

Whoever implements the tape again (the on-chain referee, another engine) holds itself to that file. It changes
only with the version of the encoding. All bytes are hex; words of scalar cases are numbers.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from protocol.tape import F32, Tape
from protocol.tape.encoding import encode, encode_items, node_headers
from protocol.tape.merkle import Tree
from protocol.tape.reference import RULES, evaluate_all
from protocol.tape.reference.arithmetic import canonical
from protocol.tape.roots import (
    constants_tree,
    inputs_tree,
    item_root,
    items_tree,
    leaf_of,
    nodes_tree,
    program_root,
    tensor_root,
    tensor_tree,
)
from protocol.tape.scalar import BY_NAME, OPS
from tests.strategies.tapes import SPECIAL_F32, SPECIAL_I32, random_tape, tensor

PATH = Path(__file__).parent / "tape.json"
SEEDS = (103, 116, 126, 129, 138)


def operands() -> dict[str, list[list[int]]]:
    """Forty rows of operand words per instruction: specials beside any words, NaNs canonical."""
    found = {}
    for op in OPS:
        rng = Random(op.name)
        rows = []
        for _ in range(40):
            row = []
            for kind in op.takes:
                pool = SPECIAL_F32 if kind is F32 else [n & 0xFFFFFFFF for n in SPECIAL_I32]
                any_word = rng.getrandbits(32)
                nan = kind is F32 and any_word & 0x7FFFFFFF > 0x7F800000
                row.append(0x7FC00000 if nan else rng.choice([any_word, rng.choice(pool), rng.choice(pool)]))
            rows.append(row)
        found[op.name] = rows
    return found


def scalar_case(name: str, rows: list[list[int]]) -> dict[str, Any]:
    """An instruction's operand rows, each with the result's word behind, as `bits` shows it for f32."""
    op = BY_NAME[name]
    typed = [
        np.array(column, np.uint32).view(np.float32 if kind is F32 else np.int32)
        for column, kind in zip(zip(*rows, strict=True), op.takes, strict=True)
    ]
    with np.errstate(all="ignore"):
        result = np.asarray(RULES[name](*typed))
    words = (canonical(result) if op.gives is F32 else result).view(np.uint32)
    pairs = [[*row, int(word)] for row, word in zip(rows, words, strict=True)]
    return {"op": name, "code": op.code, "cases": pairs}


def proof_case(tree: Tree, index: int) -> dict[str, Any]:
    """One Merkle proof."""
    return {
        "root": tree.root.hex(),
        "depth": tree.depth,
        "index": index,
        "leaf": tree.hash_at(0, index).hex(),
        "proof": [node.hex() for node in tree.proof(index)],
    }


def tape_case(tape: Tape, items: list[list[Any]]) -> dict[str, Any]:
    """A tape, its items, every value of the first, and every root over them."""
    values = [evaluate_all(tape, item) for item in items]
    outputs = [held[-tape.outputs :] for held in values]
    tensors = list(zip(tape.types, values[0], strict=True))
    biggest, array = max(tensors, key=lambda pair: pair[0].elements)
    element = biggest.elements - 1
    leaf, byte = leaf_of(biggest, element)
    return {
        "tape": encode(tape).hex(),
        "headers": [header.hex() for header in node_headers(tape)],
        "inputs_root": inputs_tree(tape).root.hex(),
        "constants_root": constants_tree(tape).root.hex(),
        "nodes_root": nodes_tree(tape).root.hex(),
        "program_root": program_root(tape).hex(),
        "input_items": encode_items(tape.inputs, items).hex(),
        "output_items": encode_items(tape.output_types, outputs).hex(),
        "values": [value.tobytes().hex() for value in values[0]],
        "value_roots": [tensor_root(kind, value.tobytes()).hex() for kind, value in tensors],
        "input_root": roots(tape, items, outputs=False).root.hex(),
        "output_root": roots(tape, outputs, outputs=True).root.hex(),
        "element": {
            "number": element,
            "byte": byte,
            **proof_case(tensor_tree(biggest, array.tobytes()), leaf),
        },
    }


def roots(tape: Tape, items: Any, outputs: bool) -> Tree:
    """The tree over the items' roots."""
    types = tape.output_types if outputs else tape.inputs
    return items_tree([item_root(types, item) for item in items])


def made(seed: int) -> dict[str, Any]:
    """A random tape with two items."""
    tape, item = random_tape(Random(seed), 6)
    return tape_case(tape, [item, [tensor(Random(seed + 1), kind) for kind in tape.inputs]])


def vectors() -> dict[str, Any]:
    """The content of the file."""
    scalar = [scalar_case(name, rows) for name, rows in operands().items()]
    return {"version": 1, "scalar": scalar, "tapes": [made(seed) for seed in SEEDS]}


def text() -> str:
    """The file: one instruction a line, then the tapes."""
    held = vectors()
    scalar = ",\n".join(json.dumps(case) for case in held["scalar"])
    tapes = ",\n".join(json.dumps(case, indent=1) for case in held["tapes"])
    return f'{{"version": {held["version"]},\n"scalar": [\n{scalar}],\n"tapes": [\n{tapes}]}}\n'


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
