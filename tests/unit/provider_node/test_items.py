"""What is known beforehand of executing a lease's items again."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.auction.defence import STARTUP_MS
from protocol.types import LeaseId
from provider_node.defence.items import Items
from provider_node.holdings import Holdings
from provider_node.promises import reading_of
from tests.strategies.provider import RESULT, SPEC, fresh

LEASE = LeaseId(bytes(32))
NOTHING: Any = None


def items_of(state: object) -> Items:
    loop: Any = SimpleNamespace(state=lambda _: state)
    return Items(loop, NOTHING, 1, "", block_ms=1_000)


@pytest.mark.parametrize(
    ("wall", "over", "more"), [(900, 0, 900), (90_000, 0, 3_000), (90_000, 70_000, 73_000)]
)
def test_an_item_is_waited_for_by_what_the_slowest_can_have_taken(wall: int, over: int, more: int) -> None:
    """No more than the whole run; and beyond half of the allowance only what the run has told."""
    result = replace(RESULT, over_ms=over, usage=replace(RESULT.usage, wall_ms=wall))
    state = replace(fresh(), spec=SPEC, result=result, trace_ms=400, trace_bytes=77)
    assert state.bid.trace_allowance == 6
    items = items_of(state)
    assert items.needs_ms(LEASE) == 400 + STARTUP_MS + reading_of(state)
    assert items.longest_ms(LEASE) == items.needs_ms(LEASE) + more
    assert items.memory_of(LEASE) == 77


def test_an_audit_waits_for_all_outputs_to_be_hashed_where_the_run_s_notes_are_gone(tmp_path: Path) -> None:
    """Else it would be ended, and begun anew, until its clock has run out."""
    state = replace(fresh(), spec=SPEC, result=replace(RESULT, usage=replace(RESULT.usage, wall_ms=90_000)))
    items = replace(items_of(state), held=Holdings(NOTHING, NOTHING, tmp_path))
    assert items.audited_ms(LEASE) == items.longest_ms(LEASE) + 90_000
    items.held.noted(LEASE).touch()
    assert items.audited_ms(LEASE) == items.longest_ms(LEASE)


def test_of_a_lease_that_is_forgotten_nothing_is_known() -> None:
    items = items_of(None)
    assert (items.longest_ms(LEASE), items.audited_ms(LEASE)) == (STARTUP_MS, STARTUP_MS)
    assert items.memory_of(LEASE) == 0
