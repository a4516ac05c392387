"""A child for tests that answers each operation with what the msgpack map in the file `TOLD` has for it.

With `WAITS` set, a question about an item is answered once that item's program is there; meanwhile a file of
its name and `.asked` says that the question has come.
"""

import os
import sys
import time
from pathlib import Path

import msgspec


def serve() -> None:
    told = msgspec.msgpack.decode(Path(os.environ["TOLD"]).read_bytes())
    while head := sys.stdin.buffer.read(4):
        request = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        if "WAITS" in os.environ:
            wait_for(request["args"]["item"]["program_path"])
        body = msgspec.msgpack.encode({"id": request["id"], "ok": told[request["op"]]})
        sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
        sys.stdout.buffer.flush()


def wait_for(program: str) -> None:
    Path(f"{program}.asked").touch()
    while not Path(program).exists():
        time.sleep(0.01)


serve()
