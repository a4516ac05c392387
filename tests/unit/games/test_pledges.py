"""For which audits coin is left in the wallet. The chain is an object in this process."""

from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.audit_events import Assigned
from protocol.chain.audits import AuditCalls
from protocol.chain.views import LeaseState
from protocol.dispute.audits import Part, Stage
from protocol.games import pledges
from protocol.games.pledges import Pledge, Pledges
from protocol.types import Hash32, LeaseId, Wei
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import ME, sight

LEASE: LeaseId = BID.lease_id()
NAME = (LEASE, True)


def read(monkeypatch: pytest.MonkeyPatch, stage: Stage, part: Part, known: Pledges) -> tuple[Pledge, ...]:
    seen = sight(stage, part)
    chain: Any = SimpleNamespace(
        address=ME,
        deployment=SimpleNamespace(audits="somewhere", disputes="somewhere"),
        auditor=lambda _: SimpleNamespace(busy=1),
        audit_tasks=lambda *_: seen.tasks,
        leases_of=lambda: (SimpleNamespace(lease=LEASE, bid=BID),),
        bond=lambda *_: 50,
    )
    monkeypatch.setattr(known, "_drawn", lambda _: [(NAME, seen.audit)])
    monkeypatch.setattr(pledges, "_redeemed", lambda *_: set())
    monkeypatch.setattr(pledges, "_may_open", lambda *_: True)
    return known.read(chain)


@pytest.mark.parametrize(
    ("stage", "part", "bound"),
    [
        (Stage.DRAWN, Part.ASSIGNED, False),  # it may abstain
        (Stage.DRAWN, Part.COMMITTED, True),
        (Stage.DRAWN, Part.REVEALED, True),
        (Stage.DRAWN, Part.DONE, False),  # it has abstained
        (Stage.CONTESTED, Part.ACCUSING, True),  # half of the stake burns without a game
        (Stage.CONTESTED, Part.DONE, False),  # it agreed
        (Stage.SILENT, Part.REWARDED, False),
        (Stage.OVER, Part.DONE, False),
    ],
)
def test_coin_is_left_for_what_may_still_have_to_be_accused(
    stage: Stage, part: Part, bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pledged = (Pledge(NAME, 3, Wei(100)),)
    assert read(monkeypatch, stage, part, Pledges()) == (pledged if bound else ())


def test_what_this_process_will_commit_to_is_left_coin_for(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Pledges()
    known.promise(NAME, Hash32(b"o" * 32))
    assert read(monkeypatch, Stage.DRAWN, Part.ASSIGNED, known) == (), "another draw, maybe of another item"
    known.promise(NAME, sight(Stage.DRAWN).audit.seed)
    assert read(monkeypatch, Stage.DRAWN, Part.ASSIGNED, known) == (Pledge(NAME, 3, Wei(100)),)
    known.forget(NAME)
    assert read(monkeypatch, Stage.DRAWN, Part.ASSIGNED, known) == ()


def test_an_audit_that_is_over_is_asked_for_until_no_reorg_can_bring_it_back() -> None:
    """It comes back committed to, with half of a stake at risk, and without coin that is left for it."""
    over, bound = (sight(stage, Part.COMMITTED).audit for stage in (Stage.OVER, Stage.DRAWN))
    at: Any = SimpleNamespace(block=1_000)
    chain: Any = SimpleNamespace(
        address=ME,
        audits=AuditCalls(ME),
        scanner=SimpleNamespace(all=lambda _: [Assigned(at, LEASE, True, ME, 0)]),
    )
    known = Pledges()

    def drawn(block: int, audit: Any) -> list[Any]:
        chain.block_number = lambda: block
        chain.audits_now = lambda names: [audit] * len(names)
        return list(known._drawn(chain))

    assert drawn(1_256, over) == [(NAME, over)]
    assert drawn(1_255, bound) == [(NAME, bound)], "a re-org"
    assert drawn(1_257, over) == [(NAME, over)]
    assert drawn(1_258, over) == []


@pytest.mark.parametrize(
    ("state", "now", "may"),
    [
        (LeaseState.POSTED, 10 + BID.challenge_window, True),
        (LeaseState.POSTED, 11 + BID.challenge_window, False),
        (LeaseState.RUNNING, 11 + BID.challenge_window, True),  # a re-org took the result: it is posted again
        (LeaseState.NONE, 11 + BID.challenge_window, True),
    ],
)
def test_a_game_may_be_opened_later_about_a_result_that_a_reorg_took_away(
    state: LeaseState, now: int, may: bool
) -> None:
    lease = SimpleNamespace(state=state, last_beat=10)
    chain: Any = SimpleNamespace(lease=lambda _: lease, clock=lambda: now)
    assert pledges._may_open(chain, BID) == may
