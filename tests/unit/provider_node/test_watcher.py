"""What lease machines are told of the chain: nothing by a node that lags, no end before it is confirmed."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from protocol.chain.client import Chain
from protocol.chain.views import LeaseState, LeaseView
from protocol.lease.provider_types import Phase, ProviderLease, SawLease, Stage
from protocol.runtime.machine import MachineId
from protocol.types import BlockNo, LeaseId
from provider_node.views import chain_lease
from provider_node.watcher import Watcher
from tests.lease_views import lease_view
from tests.strategies.provider import BID, fresh

pytestmark = pytest.mark.trio
LEASE = LeaseId(b"\1" * 32)
RUNNING = lease_view(LeaseState.RUNNING, started_at=110, deadline=160, funded_blocks=40)


@dataclass
class Here:
    """A chain with one lease, and a loop with its machine, which takes the chain's word as it is."""

    view: LeaseView = RUNNING
    height: int = 120
    state_: ProviderLease = field(default_factory=fresh)
    told: list[tuple[int, Stage]] = field(default_factory=list)
    meanwhile: ProviderLease | None = None
    """What the machine becomes while the chain is asked."""

    async def run(self, read: object, *_: object) -> object:
        if read is Chain.clock:
            return BlockNo(self.height)
        self.state_ = self.meanwhile or self.state_
        return (self.view,)

    def states(self, _: str) -> dict[bytes, ProviderLease]:
        return {LEASE: self.state_}

    def state(self, _: MachineId) -> ProviderLease:
        return self.state_

    async def give(self, _: MachineId, value: SawLease) -> None:
        self.told.append((value.height, value.lease.stage))
        self.state_ = replace(self.state_, chain=value.lease, height=value.height)


def watching(here: Here, confirmations: int = 1) -> Watcher:
    nothing: Any = here
    return Watcher(nothing, nothing, confirmations, poll_s=1.0)


async def look(here: Here, watcher: Watcher, *heights: int) -> list[tuple[int, Stage]]:
    here.told.clear()
    for here.height in heights:
        await watcher.look()
    return here.told


async def test_what_is_no_news_is_not_told() -> None:
    here = Here(state_=replace(fresh(), phase=Phase.POSTED))
    here.view = lease_view(LeaseState.POSTED, last_beat=115)
    assert await look(here, watching(here), 120, 121, 122) == [(120, Stage.POSTED)]


async def test_a_machine_is_woken_when_it_is_due_though_nothing_changed() -> None:
    state = replace(fresh(), phase=Phase.RUNNING, chain=chain_lease(BID, RUNNING))
    assert await look(here := Here(state_=state), watching(here), 120) == []
    told = await look(here := Here(state_=state), watching(here), 100_000)
    assert told == [(100_000, Stage.STARTED)]


async def test_a_node_that_lags_says_nothing_and_a_chain_that_went_back_is_believed() -> None:
    watcher = watching(here := Here())
    await look(here, watcher, 120)
    here.view = lease_view(LeaseState.NONE)
    assert (await look(here, watcher, 112), watcher.height) == ([], 120)
    assert (await look(here, watcher, 111), watcher.height) == ([(111, Stage.ABSENT)], 111)


async def test_an_end_is_told_once_it_is_confirmed_counted_anew_after_a_reorg() -> None:
    watcher = watching(here := Here(), confirmations=3)
    ended = lease_view(LeaseState.FINALIZED)
    await look(here, watcher, 120)
    here.view = ended
    assert await look(here, watcher, 121, 122) == []
    here.view = RUNNING
    await look(here, watcher, 122)
    here.view = ended
    assert await look(here, watcher, 123, 124) == []
    assert await look(here, watcher, 125) == [(125, Stage.SETTLED)]


async def test_heights_that_the_contract_forgets_are_kept_until_the_lease_is_gone() -> None:
    watcher = watching(here := Here())
    await look(here, watcher, 120)
    here.view = lease_view(LeaseState.POSTED, last_beat=130)
    await look(here, watcher, 131)
    assert (here.state_.chain.started_at, here.state_.chain.result_by) == (110, 160)
    here.view = lease_view(LeaseState.NONE)
    await look(here, watcher, 132)
    assert (here.state_.chain.started_at, here.state_.chain.result_by) == (0, 0)


async def test_who_ended_while_the_chain_was_asked_is_told_nothing() -> None:
    here = Here(meanwhile=replace(fresh(), phase=Phase.LAPSED))
    assert await look(here, watching(here), 120) == []
