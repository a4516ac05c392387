"""Offers cost who sends them nothing: what strangers can and cannot take from others with them."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet, run_localnet
from protocol.messages import Quote, sign
from protocol.net import NetSettings, open_node, topic
from tests.provider_rig import Client, Daemon, Job, make_job, open_client, provider_home


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Localnet, Daemon]]:
    folder = tmp_path_factory.mktemp("floods")
    networks = folder / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as found,
        provider_home(found, folder, networks) as daemon,
    ):
        daemon.start()
        yield found, daemon


@asynccontextmanager
async def stranger(to: Client, daemon: Daemon) -> AsyncIterator[Client]:
    """A key made up for this, without a coin, that offers the same artifacts."""
    key = os.urandom(32)
    async with open_node(key, NetSettings()) as node:
        made = replace(to, node=node, key=key, answers=[])
        node.serve_artifacts(to.store, lambda _, __: True)
        await daemon.meet(made)
        yield made


@pytest.mark.soak
@pytest.mark.trio
async def test_who_takes_no_answer_holds_nobody_s_place(net: tuple[Localnet, Daemon], tmp_path: Path) -> None:
    async with open_client(net[0], tmp_path) as client:
        await net[1].meet(client)
        job = make_job(client.store, tmp_path / "job", items=2)
        async with (
            stranger(client, net[1]) as one,
            stranger(client, net[1]) as two,
            trio.open_nursery() as nursery,
        ):
            for each in (one, two):
                await nursery.start(flood, each, job)
            await trio.sleep(5)  # until nothing more of theirs is taken, if ever
            answer = await client.ask(job, wait_s=20)
            nursery.cancel_scope.cancel()
        assert isinstance(answer, Quote)


async def flood(who: Client, job: Job, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Send offers that nobody can take, as fast as one author may, and read no answer to its end."""

    async def deaf(_: bytes, __: bytes) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    who.node.serve(who.name("answer"), deaf)
    name = topic(who.chain.domain.chain_id, who.chain.domain.escrow, "offers")
    with trio.fail_after(60):
        while not who.node.topic_peers(name):
            await trio.sleep(0.05)
    task_status.started()
    while True:
        offer = sign(who.offer(job, os.urandom(32), token=9), who.chain.domain, who.key)
        await who.node.publish(name, offer.encode())
        await trio.sleep(1 / 18)
