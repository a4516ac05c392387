"""The bytes of a whole tape: a program artifact. One tape has one encoding.

magic "GVTP", u16 version, u16 inputs, u32 constants, u32 nodes, u16 outputs; the inputs' types; the
constants' types; per node a u16 length and its header; then the constants' raw bytes, back to back.
"""

from protocol.tape import limits
from protocol.tape.encoding.fields import Reader, type_bytes
from protocol.tape.encoding.headers import decode_node, encode_node
from protocol.tape.tape import Constant, Tape
from protocol.tape.validate import check_type, validate
from protocol.types.errors import InputError

MAGIC = b"GVTP"
VERSION = 1


def encode(tape: Tape) -> bytes:
    """The canonical bytes. InputError if the tape is not valid."""
    validate(tape)
    return b"".join([_front(tape), *(constant.data for constant in tape.constants)])


def decode(data: bytes | memoryview) -> Tape:
    """The validated tape in these bytes, else InputError. encode(decode(data)) == data for all it accepts."""
    reader = Reader(data, "tape")
    if bytes(reader.take(4)) != MAGIC:
        raise InputError("this is no tape: it does not begin with GVTP")
    version = reader.number(2)
    if version != VERSION:
        raise InputError(f"tape version {version}, this software reads version {VERSION}")
    inputs = reader.count(2, limits.MAX_INPUTS, "inputs")
    constants = reader.count(4, limits.MAX_CONSTANTS, "constants")
    nodes = reader.count(4, limits.MAX_NODES, "nodes")
    outputs = reader.number(2)
    given = tuple(reader.type() for _ in range(inputs))
    held = tuple(reader.type() for _ in range(constants))
    headers = [reader.take(reader.count(2, limits.MAX_HEADER, "header bytes")) for _ in range(nodes)]
    body = tuple(decode_node(header) for header in headers)
    front = reader.at
    for number, kind in enumerate(held):
        check_type(kind, f"constant {number}")
    tape = Tape(given, tuple(Constant(kind, bytes(reader.take(kind.nbytes))) for kind in held), body, outputs)
    reader.end()
    validate(tape)
    if _front(tape) != memoryview(data)[:front]:
        raise InputError("tape: a header misstates its sources or is not in canonical form")
    return tape


def node_headers(tape: Tape) -> list[bytes]:
    """The header of every node of a valid tape, in order."""
    types = tape.types
    headers = [encode_node(node, types) for node in tape.nodes]
    longest = max(map(len, headers), default=0)
    if longest > limits.MAX_HEADER:
        raise InputError(f"tape refused: a node header of {longest} bytes, at most {limits.MAX_HEADER}")
    return headers


def _front(tape: Tape) -> bytes:
    parts = [MAGIC, VERSION.to_bytes(2), len(tape.inputs).to_bytes(2), len(tape.constants).to_bytes(4)]
    parts += [len(tape.nodes).to_bytes(4), tape.outputs.to_bytes(2)]
    parts += [type_bytes(kind) for kind in tape.inputs]
    parts += [type_bytes(constant.type) for constant in tape.constants]
    for header in node_headers(tape):
        parts += [len(header).to_bytes(2), header]
    return b"".join(parts)
