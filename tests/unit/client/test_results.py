"""Small promises of the client that need no network: draws, receipts, homes, running cost, tables."""

import os
from pathlib import Path

import pytest

from client_sdk.commands.table import columns
from client_sdk.home import ClientHome
from client_sdk.job_run import streamed
from client_sdk.receipts import read_receipt
from client_sdk.results import draw
from client_sdk.wallet import Wallet
from protocol.chain.calls import Call
from protocol.chain.views import LeaseState, LeaseView
from protocol.crypto import address_of, keccak256
from protocol.types import Address, BlockNo, InputError
from tests.lease_views import lease_view


def test_draws_are_of_the_asked_size_and_differ() -> None:
    assert len(draw(10, 1)) == 1
    assert draw(10, 1_000_000) == tuple(range(10))
    assert len(draw(1000, 50_000)) == 50
    assert len({draw(1000, 50_000) for _ in range(5)}) > 1


def view(paid_blocks: int = 20) -> LeaseView:
    return lease_view(LeaseState.RUNNING, grace=10, last_beat=120, paid_blocks=paid_blocks, funded_blocks=50)


def test_running_cost_counts_no_gap_and_no_more_than_was_funded() -> None:
    assert streamed(BlockNo(120), view()) == 20
    assert streamed(BlockNo(125), view()) == 25
    assert streamed(BlockNo(300), view()) == 30
    assert streamed(BlockNo(128), view(paid_blocks=45)) == 50
    assert streamed(BlockNo(90), view()) == 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not json", "is not JSON"),
        ("[" * 200_000, "is not JSON"),
        ("{}", "no receipt of version 1"),
        ('{"version": 1}', "a field is missing or malformed"),
        ('{"version": 1, "chain_id": 1, "escrow": "0x00"}', "20 bytes of hex"),
    ],
)
def test_what_is_no_receipt_is_said_in_one_line(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(text)
    with pytest.raises(InputError, match=expected):
        read_receipt(file)
    with pytest.raises(InputError, match="cannot read receipt"):
        read_receipt(tmp_path / "none.json")


def test_jobs_are_found_by_id_lease_and_last(tmp_path: Path) -> None:
    home = ClientHome.of("local", tmp_path)
    with pytest.raises(InputError, match="there is no job 'last'"):
        home.job("last")
    first, second = home.new_job(), home.new_job()
    for number, folder in enumerate((first, second)):
        folder.journal.touch()
        folder.write("job", {"lease": "0x" + f"{number}" * 64, "created": number})
    assert home.job(first.id).id == first.id
    assert [each.id for each in home.jobs()] == [first.id, second.id]
    assert home.job("last").id == second.id
    assert home.job("0x1111").id == second.id
    with pytest.raises(InputError, match="2 jobs begin with"):
        home.job("0x")
    (second.path / "job.json").write_text("[")
    with pytest.raises(InputError, match="damaged"):
        second.read("job")


def test_one_process_at_a_time_has_a_wallets_identity(tmp_path: Path) -> None:
    home, peer = ClientHome.of("local", tmp_path), Address(b"\x07" * 20)
    with home.claim(peer):
        with (
            pytest.raises(InputError, match=f"in use by process {os.getpid()}"),
            home.claim(peer),
        ):
            pass
        with home.claim(Address(b"\x08" * 20)):
            pass
    with home.claim(peer):
        pass


def test_contract_wallets_call_through_execute() -> None:
    key, contract, target = b"\x01" * 32, Address(b"\x02" * 20), Address(b"\x03" * 20)
    plain, wrapped = Wallet(key), Wallet(key, contract)
    call = Call(target, b"\xaa\xbb", "Escrow.openLease")
    assert plain.through(call) == call
    assert (plain.client, wrapped.client, wrapped.peer) == (address_of(key), contract, address_of(key))
    sent = wrapped.through(call)
    assert sent.to == contract
    assert sent.data[:4] == keccak256(b"execute(address,uint256,bytes)")[:4]
    assert target in sent.data
    assert b"\xaa\xbb" in sent.data
    assert repr(key) not in repr(plain)
    with pytest.raises(InputError, match="32 bytes"):
        Wallet(b"short")


def test_tables_are_aligned() -> None:
    assert columns(("a", "sum"), [("x", "1"), ("yy", "100")], frozenset({1})) == "a   sum\nx     1\nyy  100"
