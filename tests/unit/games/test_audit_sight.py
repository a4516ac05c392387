"""What is read of audits. The chain is an object in this process."""

from types import SimpleNamespace
from typing import Any

import pytest

from protocol.dispute.audits import Answer, Part, Stage
from protocol.games import audit_sight
from protocol.games.audit_sight import contested_traces, is_public, salt_of
from protocol.types import Hash32
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import LIE, ME, OTHER, OWN, sight


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("stage", [Stage.DRAWN, Stage.CONTESTED])
@pytest.mark.parametrize("me", [ME, OTHER])
def test_only_an_accusation_that_stands_is_one(
    part: Part, stage: Stage, me: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another auditor's keeps the audit contested; who agrees, or abstained, has no stake in a game."""
    seen = sight(stage, part)
    chain: Any = SimpleNamespace(
        address=me,
        audit=lambda _, by_client: seen.audit if by_client else sight(Stage.NONE).audit,
        # The other one accuses in any case.
        audit_tasks=lambda *_: tuple(
            task if task.auditor == me else accusing
            for task, accusing in zip(seen.tasks, sight(stage, Part.ACCUSING).tasks, strict=True)
        ),
    )
    monkeypatch.setattr(audit_sight, "_shown", lambda *_: OWN)
    stands = stage is Stage.CONTESTED and part is Part.ACCUSING
    lease = BID.lease_id()
    assert contested_traces(chain, lease, 3) == ((OWN.trace,) if stands else None)
    assert contested_traces(chain, lease, 2) is None, "about another item"


@pytest.mark.parametrize(
    ("other", "public"),
    [
        ({}, False),
        ({"answer": Answer.REVEALED, "found": OWN.found}, True),
        ({"answer": Answer.REVEALED, "found": LIE.found}, False),
        ({"answer": Answer.REVEALED, "found": OWN.found, "item": 2}, False),
        ({"answer": Answer.COMMITTED, "found": OWN.found}, False),
    ],
)
def test_only_what_one_s_own_run_came_to_makes_agreeing_worthless(
    other: dict[str, Any], public: bool
) -> None:
    def audit(_: object, by_client: bool) -> Any:
        assert not by_client, "the other one"
        return sight(Stage.DRAWN, audit=other).audit

    chain: Any = SimpleNamespace(audit=audit)
    assert is_public(chain, BID.lease_id(), True, 3, OWN) is public


def test_each_draw_has_a_salt_of_its_own() -> None:
    """What was revealed to a draw that a re-org undid would open the seal for the next one (rule 8)."""
    seeds = [Hash32(bytes([n]) * 32) for n in range(3)]
    assert len({salt_of(key, seed) for key in (b"a", b"b") for seed in seeds}) == 6
