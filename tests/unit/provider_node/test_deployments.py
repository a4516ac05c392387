"""Which contracts a provider works on."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.chain.networks import Deployment, Network, Token
from protocol.chain.networks_file import load_networks
from protocol.store.journal import Change, Journal, Record
from protocol.types import InputError
from provider_node.deployments import choose_deployment


def deployment(number: int) -> Deployment:
    return Deployment(str(number), bytes([number]) * 20, b"\x09" * 20, 1, (Token("USD", b"\x03" * 20, 6),))


def network(*numbers: int) -> Network:
    return replace(load_networks()["local"], deployments=tuple(map(deployment, numbers)))


def test_open_leases_are_ended_where_they_were_opened(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    try:
        assert choose_deployment(network(1), journal) == deployment(1)
        journal.commit([Change(Record("lease", b"a", 0, b"state", ended=False), b"input")])
        assert choose_deployment(network(2, 1), journal) == deployment(1)
        with pytest.raises(InputError, match="leases are open on Escrow 0x0101"):
            choose_deployment(network(2), journal)
        journal.commit([Change(Record("lease", b"a", 1, b"state", ended=True), b"input")])
        assert choose_deployment(network(2, 1), journal) == deployment(2)
        # From now on the new one is the one that leases are open on.
        journal.commit([Change(Record("lease", b"b", 0, b"state", ended=False), b"input")])
        assert choose_deployment(network(3, 2, 1), journal) == deployment(2)
    finally:
        journal.close()


def test_a_network_without_contracts_is_one_clear_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    try:
        with pytest.raises(InputError, match="has no contracts"):
            choose_deployment(network(), journal)
    finally:
        journal.close()
