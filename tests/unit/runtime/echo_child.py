"""A child for tests: echoes, counts, allocates, hangs, dies or talks nonsense, as asked."""

import os
import sys
import time

import msgspec


def send(message: object) -> None:
    body = msgspec.msgpack.encode(message)
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
    sys.stdout.buffer.flush()


def serve() -> None:
    while head := sys.stdin.buffer.read(4):
        request = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        number, op, args = request["id"], request["op"], request["args"]
        if op == "count":
            for i in range(args["to"]):
                send({"id": number, "progress": {"done": i}})
        if op == "allocate":
            args["bytes"] = len(bytearray(args["bytes"]))
        if op == "die":
            print("the reason", file=sys.stderr, flush=True)
            os._exit(args["code"])
        if op == "hang":
            time.sleep(600)
        if op == "nonsense":
            sys.stdout.buffer.write(b"\xff" * 100)
            sys.stdout.buffer.flush()
        if op == "refuse":
            send({"id": number, "error": {"kind": args["kind"], "message": "because"}})
        else:
            send({"id": number, "ok": {**args, "pid": os.getpid(), "nice": os.nice(0)}})


serve()
