"""A provider daemon as its own process, and a client stub that offers, opens and fetches."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import trio
import yaml
from numpy.typing import NDArray

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.crypto import sealing_public, unseal
from protocol.engines.worker import arrays
from protocol.engines.worker.interface import PackArgs
from protocol.engines.worker.programs import describe, load_program, write_program
from protocol.messages import (
    Decline,
    Heartbeat,
    JobSpec,
    Offer,
    Quote,
    Receipt,
    SealedAnswer,
    open_signed,
    seal_context,
    sign,
)
from protocol.net import NetSettings, Node, open_node, protocol_id, topic
from protocol.runtime.cli import invoke
from protocol.runtime.keystore import store_key
from protocol.store.artifacts import Artifacts
from protocol.tape import F32, Labels, Tape, TapeBuilder
from protocol.tape.products import matmul
from protocol.types import Amount, JobKind, LeaseId
from provider_node.control import ask

ROOT = Path(__file__).parents[1]
UNIT = 10**18
CLIENT, OWNER, OPERATOR = 1, 2, 3
PASSWORD = "x"


@dataclass(frozen=True)
class Job:
    """A job's artifacts in a store, and what an offer says of it."""

    spec: JobSpec
    spec_id: bytes
    fmas: int
    steps: int
    memory: int


def make_job(store: Artifacts, folder: Path, items: int, width: int = 32, depth: int = 1) -> Job:
    """`depth` matrix products of 8 x `width` by `width` x `width` for each item."""
    rows = 8
    rng = np.random.default_rng(7)
    builder = TapeBuilder()
    x = builder.input(F32, (rows, width), "x")
    w = builder.constant((rng.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32))
    for _ in range(depth):
        x = matmul(builder, x, w)
    return job_of(store, folder, builder.build([x]), rng.standard_normal((items, rows, width)))


def job_of(store: Artifacts, folder: Path, built: tuple[Tape, Labels], values: NDArray[np.float64]) -> Job:
    """A job that runs a tape of one input over items of these values."""
    folder.mkdir(parents=True, exist_ok=True)
    program, inputs, npz = folder / "program", folder / "inputs", folder / "inputs.npz"
    write_program(program, *built)
    values = values.astype(np.float32)
    np.savez(npz, **{load_program(program).inputs[0]: values})
    packed = arrays.pack(PackArgs(str(program), str(npz), str(inputs)))
    info = describe(load_program(program))
    program_id, inputs_id = store.put_file(program), store.put_file(inputs)
    spec = JobSpec(
        format=1,
        kind=JobKind.TAPE,
        title="test",
        program=program_id,
        program_root=info.program_root,
        program_bytes=program.stat().st_size,
        inputs=inputs_id,
        input_root=packed.input_root,
        input_bytes=inputs.stat().st_size,
        item_count=len(values),
    )
    return Job(spec, store.put_bytes(spec.encode()), info.fmas, info.steps + info.moved, info.peak_bytes)


def long_job(store: Artifacts, folder: Path, depth: int, items: int = 800) -> Job:
    """A job of some seconds, of which three megabytes are transferred; another one for each depth."""
    return make_job(store, folder, items=items, width=128, depth=depth)


@dataclass
class Client:
    """A client on protocol/* alone: no machine, no journal."""

    net: Localnet
    chain: Chain
    node: Node
    store: Artifacts
    key: bytes
    answers: list[Quote | Decline] = field(default_factory=list)
    served: int = 0
    serving: bool = True

    def name(self, kind: str) -> str:
        return protocol_id(self.chain.domain.chain_id, self.chain.domain.escrow, kind)

    def offer(self, job: Job, seal_key: bytes, **changes: Any) -> Offer:
        fields: dict[str, Any] = {
            "client": self.chain.address,
            "seal_key": sealing_public(seal_key),
            "job_hash": job.spec.job_hash(),
            "spec": job.spec_id,
            "token": 0,
            "lease_class": 1,
            "verification": 0,
            "flags": 0,
            "delegates": bytes(32),
            "item_count": job.spec.item_count,
            "item_fma": job.fmas,
            "item_elements": job.steps,
            "memory_bytes": job.memory,
            "transfer_bytes": job.spec.program_bytes + job.spec.input_bytes,
            "max_blocks": 600,
            "challenge_window": 2,
            "min_bond_blocks": 1,
            "auction_ms": 1_000,
            "expiry": self.chain.clock() + 30,
            "device": "any",
            "addrs": self.node.addrs,
        }
        return Offer(**{**fields, **changes})

    async def ask(self, job: Job, wait_s: float = 30.0, **changes: Any) -> Quote | Decline:
        """Publish an offer and return the first answer."""
        secret = os.urandom(32)
        offer = sign(self.offer(job, secret, **changes), self.chain.domain, self.key)
        got = trio.Event()
        found: list[Quote | Decline] = []

        async def answered(_: bytes, payload: bytes) -> bytes:
            sealed = SealedAnswer.decode(payload)
            envelope = unseal(secret, sealed.box, seal_context(offer.digest))
            kind: Any = Quote if envelope[1] == Quote.TAG else Decline
            found.append(open_signed(envelope, kind, self.chain.domain).message)
            got.set()
            return b""

        self.node.serve(self.name("answer"), answered)
        name = topic(self.chain.domain.chain_id, self.chain.domain.escrow, "offers")
        with trio.fail_after(wait_s + 15):
            while not self.node.topic_peers(name):
                await trio.sleep(0.05)
        await self.node.publish(name, offer.encode())
        with trio.fail_after(wait_s):
            await got.wait()
        return found[0]

    async def open(self, quote: Quote) -> LeaseId:
        """Turn a quote into a lease."""
        bid = quote.terms()
        call = self.chain.escrow.open_lease(bid, quote.bid_signature)
        await trio.to_thread.run_sync(self.chain.send, call)
        return bid.lease_id()

    async def until(self, lease: LeaseId, *states: str, wait_s: float = 150.0) -> Any:
        """Wait for the lease to be in one of `states` (names of LeaseState, lower case)."""
        view = None
        try:
            with trio.fail_after(wait_s):
                while True:
                    view = await trio.to_thread.run_sync(self.chain.lease, lease)
                    if view.state.name.lower() in states:
                        return view
                    await trio.sleep(0.1)
        except trio.TooSlowError:
            raise AssertionError(f"lease is {view}, expected {states}") from None

    async def receipt(self, lease: LeaseId, operator: bytes) -> Receipt:
        """Ask for the receipt until there is one."""
        with trio.fail_after(10):
            while not (answer := await self.node.request(operator, self.name("receipt"), lease)):
                await trio.sleep(0.2)
        signed = open_signed(answer, Receipt, self.chain.domain)
        assert signed.signer == operator
        return signed.message

    async def heartbeat(self, lease: LeaseId, operator: bytes) -> Heartbeat | None:
        """Ask for a sign of life."""
        answer = await self.node.request(operator, self.name("heartbeat"), lease)
        return open_signed(answer, Heartbeat, self.chain.domain).message if answer else None


@asynccontextmanager
async def open_client(net: Localnet, folder: Path, account: int = CLIENT) -> AsyncIterator[Client]:
    """A client with credits and a node that serves its store."""
    chain = net.chain(account)

    def fund() -> None:
        chain.send(chain.token(0).approve(chain.escrow.address, Amount(1_000 * UNIT)))
        chain.send(chain.escrow.deposit(0, chain.address, Amount(1_000 * UNIT)))

    await trio.to_thread.run_sync(fund)
    store = Artifacts(folder / "client-store")
    async with open_node(net.keys[account], NetSettings()) as node:
        client = Client(net, chain, node, store, net.keys[account])

        def allow(_: bytes, __: bytes) -> bool:
            client.served += 1
            return client.serving

        node.serve_artifacts(store, allow)
        yield client
    store.close()


@dataclass
class Daemon:
    """`gavel provider run` in a process of its own."""

    home: Path
    networks: Path
    process: subprocess.Popen[bytes] | None = None
    mark: int = 0
    module: str = "protocol.runtime.cli"
    """What is run as `gavel`."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further environment."""

    @property
    def data(self) -> Path:
        return self.home / "provider"

    def start(self) -> None:
        self.mark = len(self.log()) if (self.home / "daemon.out").exists() else 0
        assert self.process is None or self.process.poll() is not None
        log = (self.home / "daemon.out").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, "--json", "provider", "run"],
            cwd=ROOT,
            env=self.env(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GAVEL_")}
        paths = {"GAVEL_HOME": str(self.home), "GAVEL_NETWORKS": str(self.networks)}
        anvil = {"GAVEL_ANVIL": os.environ["GAVEL_ANVIL"]} if "GAVEL_ANVIL" in os.environ else {}
        return {**kept, **paths, **anvil, "PYTHONPATH": str(ROOT), **self.extra}

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill_worker(self) -> None:
        """SIGKILL what executes for the daemon, as the kernel does when memory is short."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        assert children, "nothing executes"
        for child in children:
            child.kill()

    def call(self, *args: str, check: bool = True) -> Any:
        """Run `gavel --json provider ...` and return its answer."""
        done = subprocess.run(
            [sys.executable, "-m", "protocol.runtime.cli", "--json", "provider", *args],
            cwd=ROOT,
            env=self.env(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        if not check:
            return done
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def told(self, *args: str) -> Any:
        """Run `gavel --json ...` in this process, which has everything imported; return its answer."""
        kept, out = dict(os.environ), io.StringIO()
        os.environ.update(self.env())
        try:
            with redirect_stdout(out):
                code = invoke(["--json", *args])
        finally:
            os.environ.clear()
            os.environ.update(kept)
        assert code == 0, out.getvalue()
        return json.loads(out.getvalue())

    async def meet(self, client: Client) -> None:
        """Wait until the daemon is up, and connect the client to it."""
        await self.seen("listens on")
        status = await trio.to_thread.run_sync(ask, self.data, "status")
        await client.node.connect(status["addrs"][0])

    async def runs(self, lease: LeaseId) -> None:
        """Wait until some items are done, and not all: outputs are being written."""
        part, whole = (self.data / "artifacts" / "work" / f"{lease.hex()}.out{end}" for end in (".part", ""))
        with trio.fail_after(60):
            while not part.exists() or part.stat().st_size < 1 << 14:
                assert not whole.exists(), "the job was over too soon"
                await trio.sleep(0.02)

    def log(self) -> str:
        return (self.home / "daemon.out").read_text()

    async def seen(self, text: str, wait_s: float = 90.0) -> None:
        """Wait until a log line of this start contains `text`."""
        end = time.monotonic() + wait_s
        while text not in self.log()[self.mark :]:
            assert self.process is not None
            assert self.process.poll() is None, self.log()[-3000:]
            assert time.monotonic() < end, self.log()[-3000:]
            await trio.sleep(0.05)


class Proxy:
    """A TCP forwarder to the chain's node that can be switched off, as an RPC service can."""

    def __init__(self, url: str) -> None:
        self._target = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.up = True
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def switch(self, up: bool) -> None:
        self.up = up
        if not up:
            with self._lock:
                for each in self._open:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.switch(False)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self.up:
                near.close()
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._open |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if source in self._open:
                self._open.discard(source)
                source.close()


@contextmanager
def provider_home(net: Localnet, folder: Path, networks: Path, **config: Any) -> Iterator[Daemon]:
    """A configured provider, not yet started; whatever runs at the end is killed."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    password = home / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    before = os.environ.get("GAVEL_HOME")
    os.environ["GAVEL_HOME"] = str(home)
    try:
        store_key("operator", net.keys[OPERATOR], PASSWORD, light=True)
        store_key("owner", net.keys[OWNER], PASSWORD, light=True)
    finally:
        os.environ.pop("GAVEL_HOME")
        if before is not None:
            os.environ["GAVEL_HOME"] = before
    document: dict[str, Any] = {
        "network": "local",
        "password_file": str(password),
        "owner_wallet": "owner",
        "grid_zone": "DE",
        "net": {"listen": ["/ip4/127.0.0.1/tcp/0"]},
        "machine": {"threads": 1},
        "stake": {"amount": "100"},
        "price": {"cpu_per_hour": "3.6", "completion_fee": "0.01"},
    }
    for name, value in config.items():
        document[name] = {**document.get(name, {}), **value} if isinstance(value, dict) else value
    (home / "provider.yaml").write_text(yaml.safe_dump(document))
    daemon = Daemon(home, networks)
    try:
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
