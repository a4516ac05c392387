"""Canonical bytes of tapes and items. `docs/tape.md` describes them; `tests/vectors/tape.json`
freezes them.
"""

from protocol.tape.encoding.headers import KINDS, decode_node, encode_node
from protocol.tape.encoding.items import (
    MAX_HEAD,
    Items,
    decode_items,
    encode_items,
    item_parts,
    join_item,
    read_items_head,
    split_item,
)
from protocol.tape.encoding.tapes import decode, encode, node_headers

__all__ = [
    "KINDS",
    "MAX_HEAD",
    "Items",
    "decode",
    "decode_items",
    "decode_node",
    "encode",
    "encode_items",
    "encode_node",
    "item_parts",
    "join_item",
    "node_headers",
    "read_items_head",
    "split_item",
]
