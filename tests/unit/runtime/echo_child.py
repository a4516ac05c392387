"""A child for tests: echoes, counts, allocates, maps, starts threads, hangs, dies or talks nonsense."""

import mmap
import os
import sys
import threading
import time

import msgspec


def send(message: object) -> None:
    body = msgspec.msgpack.encode(message)
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
    sys.stdout.buffer.flush()


def serve() -> None:
    held: list[mmap.mmap] = []
    while head := sys.stdin.buffer.read(4):
        request = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        number, op, args = request["id"], request["op"], request["args"]
        if op == "count":
            for i in range(args["to"]):
                send({"id": number, "progress": {"done": i}})
        if op == "allocate":
            args["bytes"] = len(bytearray(args["bytes"]))
        if op == "map":
            with open(args["path"], "rb") as file:
                held.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            args["bytes"] = len(held[-1])
        if op == "threads":
            over = threading.Event()
            threads = [threading.Thread(target=over.wait) for _ in range(args["count"])]
            for each in threads:
                each.start()
            over.set()
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
