"""Whole disputes on the real contract, which says what the model says after every call."""

from random import Random

import pytest

from protocol.dispute.records import Phase
from protocol.types import Address
from tests.dispute_cast import Work, cheat, cheat_in, work
from tests.dispute_evm import Chain, portable_chain
from tests.dispute_play import accuse, collect_all, harass
from tests.dispute_table import Table, salts
from tests.strategies.long_tapes import long_tape
from tests.strategies.tapes import random_tape

pytestmark = pytest.mark.xdist_group("portable")  # compiled once
WATCHER, SHAM = Address(b"\x77" * 20), Address(b"\x66" * 20)


@pytest.fixture
def chain() -> Chain:
    return portable_chain()


def job_of(rng: Random) -> Work:
    tape, item = random_tape(rng, rng.choice((1, 2, 5, 8, 20, 40)))
    return work(rng, tape, item)


def convicts(table: Table) -> int:
    """An honest challenger's whole game, from the challenge to its share."""
    own, salt = table.work.honest, salts(table.rng)
    game = accuse(table, own, WATCHER, salt)
    assert table.view(game).phase is Phase.WON
    share = collect_all(table, own, game, WATCHER, salt)
    assert table.contract is not None
    table.contract.check_all(table.state)
    return share


def test_cheats_are_convicted_on_the_contract(chain: Chain) -> None:
    played = 0
    for seed in range(80):
        rng = Random(seed)
        job = job_of(rng)
        forged = cheat(rng, job)
        if forged is None:
            continue
        table = Table(job, forged, rng, chain)
        for _ in range(rng.choice((0, 0, 1, 3))):
            if not table.state.sentences:  # after silence no game begins
                harass(table, SHAM, rng.randrange(8))
        if not table.state.sentences:
            assert convicts(table) > 0
            played += 1
    assert played > 40


def test_long_chains_are_judged_on_the_contract(chain: Chain) -> None:
    rng = Random(7)
    tape, item = long_tape(rng)
    job = work(rng, tape, item)
    for number in range(len(tape.nodes)):
        assert convicts(Table(job, cheat_in(rng, job, number), rng, chain)) > 0


def test_honest_providers_are_not_convicted_on_the_contract(chain: Chain) -> None:
    for seed in range(30):
        rng = Random(seed)
        job = job_of(rng)
        table = Table(job, job.honest, rng, chain)
        for _ in range(3):
            harass(table, SHAM, 25)
        assert table.state.sentences == {}
        chain.check_all(table.state)
