"""The worker's replies."""

import msgspec
import pytest

from protocol.engines.worker.operations import OPERATIONS, Operation
from protocol.engines.worker.serve import answer
from protocol.types.errors import InputError


@pytest.mark.parametrize("fault", [InputError, ValueError])
def test_no_message_is_longer_than_what_is_shown_of_it(monkeypatch, fault):
    """A list out of a stranger's file made a frame that is refused, and nobody learnt what was wrong."""

    def fail(*_):
        raise fault("Reshape node 'n': shape " + "1, " * 10**5)

    monkeypatch.setitem(OPERATIONS, "fail", Operation(msgspec.defstruct("Nothing", []), fail))
    message = answer({"op": "fail"}, lambda _: None)["error"]["message"]
    assert "Reshape node 'n'" in message
    assert len(message) == 2000
