"""Which chain a journal is of, and what becomes of one whose chain is gone."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.chain.networks_file import shipped_network
from protocol.store.journal import Journal
from protocol.types import Hash32
from provider_node.restarted import ChainRestartedError, require_same, set_aside

HERE, THERE = Hash32(b"\1" * 32), Hash32(b"\2" * 32)


def test_a_journal_is_of_the_chain_that_it_was_begun_on(tmp_path: Path) -> None:
    local, journal = shipped_network("local"), Journal(tmp_path / "journal.db")
    require_same(journal, local, HERE)
    require_same(journal, local, HERE)
    with pytest.raises(ChainRestartedError):
        require_same(journal, local, THERE)
    require_same(journal, local, HERE)


def test_no_node_s_word_stops_a_provider_on_a_public_chain(tmp_path: Path) -> None:
    public, journal = replace(shipped_network("local"), name="sepolia"), Journal(tmp_path / "journal.db")
    require_same(journal, public, HERE)
    require_same(journal, public, THERE)
    assert not public.may_restart
    assert shipped_network("local").may_restart


def test_what_is_set_aside_is_kept_and_replaces_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    for number in (1, 2):
        journal = Journal(file)
        assert journal.recall("who") is None
        journal.remember("who", bytes([number]))
        journal.close()
        assert set_aside(file) == tmp_path / f"journal-{number}.db"
    kept = Journal(tmp_path / "journal-1.db")
    assert kept.recall("who") == b"\1"
