"""What is kept of an owner's history comes back whole: nobody's convictions are forgotten at a restart."""

import json
from collections import Counter

from protocol.chain.histories import _Fold, _history, _read, _row
from protocol.chain.marks import Mark
from protocol.chain.views import LeaseState
from protocol.types import BlockNo, Hash32, LeaseId


def test_a_history_is_read_from_its_file_as_it_was_written() -> None:
    ended = Counter({LeaseState.CONVICTED: 2, LeaseState.FINALIZED: 40, LeaseState.RESULT_MISSED: 1})
    marks = (Mark(BlockNo(7), Hash32(b"\7" * 32)), Mark(BlockNo(9), Hash32(b"\x09" * 32)))
    fold = _Fold(marks, (LeaseId(b"\1" * 32),), ended, 5)
    again = _read(json.loads(json.dumps(_row(fold))))
    assert again == fold
    told = _history(again.ended, again.opened, again.cancelled)
    assert (told.opened, told.convicted, told.result_missed, told.nonces_cancelled) == (44, 2, 1, 5)
