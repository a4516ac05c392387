"""A machine that contradicted itself takes no new jobs, whoever starts its daemon again."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from protocol.store.journal import Journal
from provider_node.defence.suspension import Suspension

pytestmark = pytest.mark.trio


def life(journal: Journal) -> Suspension:
    """A daemon that starts with this journal."""
    found = Suspension(journal, SimpleNamespace(suspended=""))  # type: ignore[arg-type]
    found.restore()
    return found


async def test_a_suspension_outlives_the_process_until_the_operator_lifts_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    first = life(journal)
    assert first.market.suspended == ""
    await first.begin("in doubt")
    assert first.market.suspended == "in doubt"
    journal.close()
    journal = Journal(tmp_path / "journal.db")
    second = life(journal)
    assert second.market.suspended == "in doubt"
    assert await second.lift() == "in doubt"
    assert second.market.suspended == life(journal).market.suspended == ""
    assert await second.lift() == ""
    journal.close()
