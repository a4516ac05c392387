"""The frozen examples: the bytes and bits that other implementations rely on have not moved."""

import json

import pytest

from protocol.engines.cpu import Engine
from protocol.tape.encoding import KINDS, decode, decode_items, decode_node
from protocol.tape.merkle import verify
from protocol.tape.roots import program_root
from protocol.tape.scalar import OPS
from protocol.types import Hash32
from tests.vectors.make_tape import PATH, scalar_case, tape_case

FROZEN = json.loads(PATH.read_text(encoding="utf-8"))


def test_every_instruction_is_frozen_and_gives_the_same_words() -> None:
    assert [case["op"] for case in FROZEN["scalar"]] == [op.name for op in OPS]
    for case in FROZEN["scalar"]:
        assert scalar_case(case["op"], [row[:-1] for row in case["cases"]]) == case


@pytest.mark.parametrize("number", range(len(FROZEN["tapes"])))
def test_the_frozen_tapes_give_the_same_bytes_values_and_roots(number: int) -> None:
    case = FROZEN["tapes"][number]
    _, items = decode_items(bytes.fromhex(case["input_items"]))
    assert tape_case(decode(bytes.fromhex(case["tape"])), list(items)) == case


def test_the_frozen_tapes_have_every_kind_of_node() -> None:
    kinds = {bytes.fromhex(header)[0] for case in FROZEN["tapes"] for header in case["headers"]}
    assert kinds == set(KINDS.values())


@pytest.mark.parametrize("number", range(len(FROZEN["tapes"])))
def test_the_frozen_bytes_read_back(number: int) -> None:
    case = FROZEN["tapes"][number]
    tape = decode(bytes.fromhex(case["tape"]))
    assert program_root(tape).hex() == case["program_root"]
    assert [decode_node(bytes.fromhex(header)) for header in case["headers"]] == list(tape.nodes)
    _, items = decode_items(bytes.fromhex(case["input_items"]))
    _, outputs = decode_items(bytes.fromhex(case["output_items"]))
    with Engine(tape) as engine:
        for item, wanted in zip(items, outputs, strict=True):
            assert [a.tobytes() for a in engine.run(item)] == [a.tobytes() for a in wanted]
    element = case["element"]
    root, leaf = Hash32(bytes.fromhex(element["root"])), Hash32(bytes.fromhex(element["leaf"]))
    proof = [Hash32(bytes.fromhex(node)) for node in element["proof"]]
    assert verify(root, leaf, element["index"], element["depth"], proof)


def test_the_page_lists_every_instruction_as_the_table_has_it() -> None:
    page = (PATH.parents[2] / "docs" / "tape.md").read_text(encoding="utf-8")
    for op in OPS:
        takes = ", ".join(kind.name.lower() for kind in op.takes)
        assert f"| {op.code} | `{op.name}` | {takes} | {op.gives.name.lower()} | {op.rule} |" in page
