"""Receipts that lie: whoever checks one believes nothing that chain and bytes do not bear out."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from client_sdk.challenge import challenge_receipt
from client_sdk.home import ClientHome, JobFolder
from client_sdk.receipts import write_receipt
from client_sdk.results import Wanted, check_receipt
from client_sdk.verify import Verification, verify_receipt
from client_sdk.wallet import Wallet
from protocol.chain.localnet import Localnet
from protocol.engines.worker import jobs
from protocol.engines.worker.interface import RunArgs
from protocol.messages import Bid, Receipt, open_signed
from protocol.types import Address, ArtifactId, BlockNo, InputError
from protocol.types import Verification as Kind
from tests.chain_helpers import CLIENT, OPERATOR
from tests.game_rig import networks_file
from tests.provider_rig import make_job
from tests.watch_rig import ITEMS, Provider, open_provider

pytestmark = [pytest.mark.trio]


@dataclass
class Check:
    """Somebody who has a receipt file, and nothing else."""

    net: Localnet
    folder: Path
    provider: Provider

    async def posted(self, outputs: Path, nonce: int, **receipt: Any) -> Bid:
        """Post a result with a receipt that tells the truth but for `receipt`."""
        bid = self.provider.bid(nonce, verification=int(Kind.TAPE))
        await trio.to_thread.run_sync(partial(self.provider.post_under, bid, outputs, **receipt))
        return bid

    def file(self, bid: Bid) -> Path:
        path, chain = self.folder / "receipt.json", self.net.chain()
        envelope = self.provider.receipts[bid.lease_id()]
        write_receipt(path, bid, envelope, chain.domain, self.net.network)
        return path

    async def verify(self, path: Path, percent: float = 100) -> Verification:
        checking = partial(verify_receipt, path, self.folder / "stranger", rerun_percent=percent)
        return await trio.to_thread.run_sync(checking)

    async def wrong(self, bid: Bid, percent: float = 100) -> list[str]:
        found = await self.verify(self.file(bid), percent)
        return [each.name for each in found.findings if not each.holds]

    async def other_program(self) -> tuple[ArtifactId, Path]:
        """A specification with the bid's roots and another program's bytes, and what that comes to."""
        provider, spec = self.provider, self.provider.job.spec
        other = make_job(provider.store, self.folder / "other", ITEMS, depth=2).spec
        outputs = self.folder / "wrong"
        program, inputs = (
            str(provider.store.path(ArtifactId(each))) for each in (other.program, spec.inputs)
        )
        await trio.to_thread.run_sync(
            jobs.run, RunArgs(program, inputs, str(outputs), ITEMS), lambda _progress: None
        )
        lying = replace(spec, program=other.program, program_bytes=other.program_bytes)
        assert lying.job_hash() == spec.job_hash()
        return provider.store.put_bytes(lying.encode()), outputs


@asynccontextmanager
async def checking(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Check]:
    monkeypatch.setenv("GAVEL_NETWORKS", str(networks_file(localnet, tmp_path)))
    async with open_provider(localnet, tmp_path) as provider:
        yield Check(localnet, tmp_path, provider)


async def test_an_honest_receipt_holds_and_a_wrong_result_does_not(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with checking(localnet, tmp_path, monkeypatch) as check:
        right = await check.posted(check.provider.outputs, 1)
        found = await check.verify(check.file(right))
        assert found.holds, found
        assert [each.name for each in found.findings] == ["chain", "signature", "job", "outputs", "re-run"]
        assert [each.name for each in (await check.verify(check.file(right), 0)).findings][-1] == "outputs"
        data = bytearray(check.provider.outputs.read_bytes())
        data[-1] ^= 1
        bent = tmp_path / "bent"
        bent.write_bytes(data)
        assert await check.wrong(await check.posted(bent, 2)) == ["re-run"]
        # Another result is posted than the receipt is over.
        root = check.provider.root_of(bent)
        assert await check.wrong(await check.posted(check.provider.outputs, 3, output_root=root)) == [
            "chain",
            "outputs",
        ]


async def test_a_program_with_the_bids_roots_in_name_only_is_found_out(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job hash binds roots: which artifacts hold them only the signer of a receipt says."""
    async with checking(localnet, tmp_path, monkeypatch) as check:
        spec, outputs = await check.other_program()
        bid = await check.posted(outputs, 1, spec=spec)
        assert await check.wrong(bid) == ["job"]
        assert await check.wrong(bid, 0) == ["job"]
        home, wallet = ClientHome.of("local", tmp_path / "client"), Wallet(localnet.keys[CLIENT])
        with pytest.raises(InputError, match=r"the program's root is 0x.*, the job says 0x"):
            await trio.to_thread.run_sync(challenge_receipt, check.file(bid), home, wallet)
        signed = open_signed(check.provider.receipts[bid.lease_id()], Receipt, localnet.chain().domain)
        operator: Address = localnet.chain(OPERATOR).address
        own = ArtifactId(check.provider.job.spec_id)
        wanted = Wanted(bid, check.provider.job.spec, own, 1 << 20, operator, "raw", JobFolder(tmp_path))
        with pytest.raises(InputError, match="names another job specification than the offer"):
            check_receipt(signed, wanted, signed.message.output_root, [operator])


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"item_count": ITEMS + 1}, ["job"]),
        ({"job_hash": b"\x01" * 32}, ["job"]),
        ({"lease": b"\x01" * 32}, ["chain"]),
        ({"output_bytes": 1 << 20}, ["outputs"]),
        ({"started": BlockNo(1)}, ["chain"]),
        ({"posted": BlockNo(1)}, ["chain"]),
        ({"posted": BlockNo(1 << 30)}, ["chain"]),
    ],
)
async def test_signed_facts_are_held_to_chain_and_bytes(
    localnet: Localnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    wrong: list[str],
) -> None:
    async with checking(localnet, tmp_path, monkeypatch) as check:
        assert await check.wrong(await check.posted(check.provider.outputs, 1, **change), 0) == wrong


async def test_what_a_person_reads_is_what_was_signed(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with checking(localnet, tmp_path, monkeypatch) as check:
        path = check.file(await check.posted(check.provider.outputs, 1))
        content = json.loads(path.read_text())
        assert content["readable"]["item_count"] == ITEMS
        assert all(name.islower() for name in content["readable"])
        for name, value in (("carbon_milligrams", 0), ("output_root", "0x00"), ("invented", 1)):
            changed = {**content, "readable": {**content["readable"], name: value}}
            path.write_text(json.dumps(changed))
            found = await check.verify(path, 0)
            (only,) = [each for each in found.findings if not each.holds]
            assert only.name == "signature"
            assert only.detail.endswith(f"not what was signed: {name}")
