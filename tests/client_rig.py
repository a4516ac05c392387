"""A small real job, and providers made of protocol/* alone that answer offers as a test tells them to."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import trio

from client_sdk.home import ClientHome
from client_sdk.job import Check, Inputs, Job, Limits
from client_sdk.session import Session, Setup, open_session
from client_sdk.wallet import Wallet
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.crypto import address_of, seal
from protocol.engines.worker.programs import write_program
from protocol.messages import (
    Bid,
    Decline,
    Message,
    Offer,
    Quote,
    Registration,
    SealedAnswer,
    Signed,
    open_signed,
    seal_context,
    sign,
)
from protocol.net import Accept, Node, open_node, protocol_id, topic
from protocol.tape import F32, TapeBuilder
from protocol.tape.products import matmul
from protocol.types import Amount, BlockNo, Blocks

UNIT = 10**18
CLIENT = 1

Answer = Callable[["Stub", Signed[Offer]], Message | bytes | None]
"""What a stub answers: a message to be signed and sealed, bytes to be sealed as they are, or nothing."""


def small_job(folder: Path, items: int = 6, depth: int = 1, width: int = 32, **changes: Any) -> Job:
    """For each item `depth` matrix products of 4 x `width` by `width` x `width`, as .tape and .npy files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    builder = TapeBuilder()
    x = builder.input(F32, (4, width), "x")
    weights = rng.standard_normal((width, width)).astype(np.float32)
    for _ in range(depth):
        x = matmul(builder, x, builder.constant(weights))
    tape, labels = builder.build([x])
    write_program(folder / "model.tape", tape, labels)
    np.save(folder / "x.npy", rng.standard_normal((items, 4, width)).astype(np.float32))
    job = Job(
        title="small",
        model=str(folder / "model.tape"),
        inputs=Inputs(folder / "x.npy", "raw"),
        limits=Limits(time=200, window=120, auction=0.7),
        check=Check(rerun_percent=50),
    )
    return replace(job, **changes)


def expected(job: Job, folder: Path) -> list[np.ndarray]:
    """What the reference says the outputs are."""
    from protocol.engines.worker.programs import load_program
    from protocol.tape.reference import evaluate

    tape = load_program(folder / "model.tape").tape
    return [evaluate(tape, [item])[0] for item in np.load(job.inputs.path)]


@asynccontextmanager
async def client_session(net: Localnet, folder: Path, account: int = CLIENT) -> AsyncIterator[Session]:
    """A client's session with a funded wallet."""
    home = ClientHome.of("local", folder / "client")
    async with open_session(Setup(net.network, Wallet(net.keys[account]), home)) as session:
        yield session


@dataclass
class Stub:
    """A registered provider that answers each offer by `answers`, and does nothing else."""

    net: Localnet
    chain: Chain
    node: Node
    owner_key: bytes
    key: bytes
    answers: tuple[Answer, ...]
    heard: list[Signed[Offer]] = field(default_factory=list)

    @property
    def owner(self) -> Any:
        """The owner's address."""
        return address_of(self.owner_key)

    def bid(self, offer: Signed[Offer], price: int, **changes: Any) -> Bid:
        """A bid that costs `price` hundredths of a token for ten blocks."""
        plain = Bid(
            client=offer.message.client,
            rate_per_block=Amount(price * UNIT // 1000),
            owner=self.owner,
            completion_fee=Amount(0),
            job_hash=offer.message.job_hash,
            delegates=offer.message.delegates,
            bond=Amount(2 * UNIT),
            capacity_nonce=5,
            expiry=BlockNo(self.chain.clock() + 40),
            start_deadline=Blocks(4),
            grace=Blocks(10),
            max_blocks=Blocks(10),
            top_up_cap=Blocks(10),
            result_deadline=Blocks(20),
            challenge_window=offer.message.challenge_window,
            trace_allowance=Blocks(6),
            token=0,
            lease_class=1,
            verification=offer.message.verification,
            flags=0,
        )
        return replace(plain, **changes)

    def quote(self, offer: Signed[Offer], bid: Bid, key: bytes | None = None, digest: Any = None) -> Quote:
        """A quote for `bid`, signed by `key` (the operator's), to the offer of `digest` (this one)."""
        return Quote(
            offer=digest or offer.digest,
            bid=bid.packed(),
            bid_signature=sign(bid, self.chain.domain, key or self.key).signature,
            expected_ms=1_000,
            energy_milliwatt_hours=1,
            energy_grade=2,
            grid_zone="DE",
            carbon_milligrams=380,
            addrs=self.node.addrs,
        )

    async def run(self) -> None:
        """Answer until cancelled."""
        domain = self.chain.domain
        name = topic(domain.chain_id, domain.escrow, "offers")
        async with await self.node.subscribe(name, lambda _, __: Accept()) as offers:
            async for sender, payload in offers:
                offer = open_signed(payload, Offer, domain)
                self.heard.append(offer)
                self.node.learn(sender, offer.message.addrs)
                for answer in self.answers:
                    await self._send(sender, offer, await trio.to_thread.run_sync(answer, self, offer))

    async def _send(self, peer: Any, offer: Signed[Offer], said: Message | bytes | None) -> None:
        domain = self.chain.domain
        if said is None:
            return
        envelope = said if isinstance(said, bytes) else sign(said, domain, self.key).encode()
        box = seal(offer.message.seal_key, os.urandom(32), envelope, seal_context(offer.digest))
        name = protocol_id(domain.chain_id, domain.escrow, "answer")
        await self.node.request(peer, name, SealedAnswer(offer.digest, box).encode())


@asynccontextmanager
async def stub_provider(
    net: Localnet, account: int, *answers: Answer, stake: int = 100 * UNIT, register: bool = True
) -> AsyncIterator[Stub]:
    """A provider whose owner is `account` and whose operator the account after it."""
    owner_key, key = net.keys[account], net.keys[account + 1]
    async with open_node(key) as node, trio.open_nursery() as nursery:
        stub = Stub(net, net.chain(account), node, owner_key, key, answers)
        await trio.to_thread.run_sync(settle_in, stub, stake, register)
        nursery.start_soon(stub.run)
        yield stub
        nursery.cancel_scope.cancel()


def settle_in(stub: Stub, stake: int, registered: bool) -> None:
    """Stake, and register if wanted; blocking."""
    chain = stub.chain
    held = chain.stake(stub.owner, 0).staked
    if stake > held:
        chain.send(chain.token(0).approve(chain.staking.address, Amount(stake)))
        chain.send(chain.staking.stake(0, Amount(stake - held), Amount(stake), Amount(stake)))
    if registered:
        register(stub, stub.node.addrs)


def register(stub: Stub, addrs: tuple[str, ...]) -> None:
    """Say on chain where the stub is reached; blocking."""
    operator = address_of(stub.key)
    said = Registration(
        owner=stub.owner,
        operator=operator,
        addrs=addrs,
        cpu="stub",
        cores=1,
        memory_mib=1024,
        gpus=(),
        region="here",
        grid_zone="DE",
        carbon_grams_per_kwh=380,
        energy_grade=2,
        software="test",
    )
    stub.chain.send(stub.chain.escrow.register(sign(said, stub.chain.domain, stub.key)))


def declines(reason: str) -> Answer:
    """A stub's answer that refuses."""
    return lambda stub, offer: Decline(offer.digest, stub.owner, reason)


def bids(price: int, **changes: Any) -> Answer:
    """A stub's honest answer, with terms changed."""
    return lambda stub, offer: stub.quote(offer, stub.bid(offer, price, **changes))


def reasons(found: Iterator[Any] | list[Any]) -> str:
    """All reasons of refusals as one text."""
    return " | ".join(each.reason for each in found)
