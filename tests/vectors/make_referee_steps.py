"""Makes `referee_steps.json`, frozen steps of tapes: `python -m tests.vectors.make_referee_steps`.

The Referee and its Python twin both hold themselves to that file; it changes only with the version of the
encoding. A step is [node, element, segment, accumulator, leaves, value, places], a place [value, leaf,
depth, at]; leaves are hex, back to back. A fold is [node, values, result].
"""

import json
from pathlib import Path
from random import Random
from typing import Any

from protocol.dispute.steps import chain_of, fold
from protocol.tape import Contract, Reduce
from protocol.tape.encoding import encode, node_headers
from protocol.tape.reference import evaluate_all
from tests.steps import Case, sampled
from tests.strategies.tapes import random_tape

PATH = Path(__file__).parent / "referee_steps.json"
SEEDS = (4, 11, 17, 23, 31, 42)


def row(case: Case, node: int) -> list[Any]:
    """One step as it stands in the file."""
    places = [[at.value, at.leaf, at.depth, at.at] for at in case.result.places]
    leaves = b"".join(case.leaves).hex()
    site = case.site
    return [node, site.element, site.segment, case.accumulator, leaves, case.result.value, places]


def made(seed: int) -> dict[str, Any]:
    """A random tape and steps of each of its nodes."""
    rng = Random(seed)
    tape, item = random_tape(rng, 8)
    headers = node_headers(tape)
    steps, folds = [], []
    for cases in sampled(tape, headers, evaluate_all(tape, item), rng, 2):
        site = cases[0].site
        node = tape.nodes.index(site.node)
        steps += [row(case, node) for case in cases]
        chain = chain_of(site.node, tape.types)
        if chain is not None and isinstance(site.node, Contract | Reduce):
            blocks = chain.blocks([case.result.value for case in cases])
            folds.append([node, blocks, fold(site.node, blocks)])
    held = [header.hex() for header in headers]
    return {"tape": encode(tape).hex(), "headers": held, "steps": steps, "folds": folds}


def text() -> str:
    """The file, a step a line."""
    return json.dumps([made(seed) for seed in SEEDS], indent=None).replace("], [", "],\n[") + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
