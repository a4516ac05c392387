"""A child for tests that says of every call that its own state is broken, as a worker does after a bug."""

import sys

import msgspec


def serve() -> None:
    while head := sys.stdin.buffer.read(4):
        request = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        body = msgspec.msgpack.encode(
            {"id": request["id"], "error": {"kind": "broken", "message": "KeyError: 7"}}
        )
        sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
        sys.stdout.buffer.flush()


serve()
