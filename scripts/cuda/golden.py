"""Digests of every value of known tapes, made by the CPU engine: `tests/vectors/cuda_golden.json`."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from numpy.typing import NDArray

from protocol.engines.worker.selftest import specimens
from protocol.tape import Tape
from protocol.tape.encoding import decode, decode_items
from scripts.cuda import models
from tests.strategies.tapes import random_tape

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
PATH = VECTORS / "cuda_golden.json"
SEEDS = range(40)
Array = NDArray[Any]
Case = tuple[str, Tape, list[Array]]


def cases(folder: Path | None = None) -> Iterator[Case]:
    """Name, tape and item of everything with a digest; the models only if their folder is given."""
    for number, (tape, inputs, _) in enumerate(specimens()):
        yield f"self-test {number}", tape, list(inputs)
    for number, case in enumerate(json.loads((VECTORS / "tape.json").read_text())["tapes"]):
        _, items = decode_items(bytes.fromhex(case["input_items"]))
        for index, item in enumerate(items):
            yield f"vector {number}.{index}", decode(bytes.fromhex(case["tape"])), list(item)
    for seed in SEEDS:
        yield f"random {seed}", *random_tape(Random(seed), 12)
    if folder is not None:
        for name, tape in models.load(folder).items():
            yield name, tape, models.item(tape)


def digests(tape: Tape, item: list[Array], value: Callable[[int], Array]) -> dict[str, str]:
    """Of what goes in (so that a generator that changed is not taken for wrong arithmetic) and of all that is
    computed.
    """
    given, made = sha256(), sha256()
    for constant in tape.constants:
        given.update(constant.data)
    for array in item:
        given.update(array.tobytes())
    for number in range(tape.first_node, len(tape.types)):
        made.update(value(number).tobytes())
    return {"given": given.hexdigest(), "values": made.hexdigest()}


def golden(folder: Path | None = None) -> dict[str, dict[str, str]]:
    """The content of the file."""
    from protocol.engines.cpu import Engine

    found = {}
    for name, tape, item in cases(folder):
        with Engine(tape, keep=True) as engine:
            engine.run(item)
            found[name] = digests(tape, item, engine.value)
    return found


def write(folder: Path) -> None:
    """Make the file again; the models' folder is needed."""
    PATH.write_text(json.dumps(golden(folder), indent=1) + "\n", encoding="utf-8")
