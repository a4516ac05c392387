"""A journal of the version before is read, and what it could not know yet is 0."""

from dataclasses import replace
from typing import Any

import msgspec

from protocol.lease.provider_types import DidCheck, DidRun
from protocol.runtime.kinds import Kind
from provider_node.leasing import MACHINE
from tests.strategies.provider import RESULT as PLAIN
from tests.strategies.provider import fresh

KIND = Kind.of(MACHINE)
RESULT = replace(PLAIN, over_ms=9, slow_ms=10)
OLD = replace(RESULT, slow_ms=0)
OLDEST = replace(OLD, over_ms=0)
LATER = {
    1: {
        "ProviderLease": ("item_ms", "trace_ms", "reading_ms", "trace_bytes", "value_bytes"),
        "Result": ("over_ms", "slow_ms"),
        "DidCheck": ("item_ms", "trace_ms", "reading_ms", "trace_bytes", "value_bytes"),
    },
    2: {
        "ProviderLease": ("reading_ms", "trace_bytes", "value_bytes"),
        "Result": ("slow_ms",),
        "DidCheck": ("reading_ms", "trace_bytes", "value_bytes"),
    },
    3: {
        "ProviderLease": ("trace_bytes", "value_bytes"),
        "Result": ("slow_ms",),
        "DidCheck": ("trace_bytes", "value_bytes"),
    },
}
"""What each older version did not know."""


def as_before(data: bytes, old: int = 1) -> bytes:
    """The same record as an older version wrote it: without the fields that came later."""
    fields = LATER[old]

    def strip(plain: Any) -> Any:
        if isinstance(plain, dict):
            return {name: strip(each) for name, each in plain.items()}
        if not isinstance(plain, list):
            return plain
        found = [strip(each) for each in plain]
        if len(found) == 2 and found[0] in fields and isinstance(found[1], dict):
            found[1] = {name: each for name, each in found[1].items() if name not in fields[found[0]]}
        return found

    version, body = msgspec.msgpack.decode(data)
    assert version == 4
    return msgspec.msgpack.encode([old, strip(body)])


def test_a_lease_of_version_1_is_read_with_its_result() -> None:
    lease = replace(fresh(), item_ms=5, trace_ms=6, result=RESULT)
    wanted = replace(lease, item_ms=0, trace_ms=0, result=OLDEST)
    assert KIND.states.decode(as_before(KIND.states.encode(lease))) == wanted
    assert KIND.states.decode(KIND.states.encode(lease)) == lease


def test_inputs_of_version_1_are_read() -> None:
    checked = DidCheck(1_000, 1 << 20, item_ms=5, trace_ms=6)
    assert KIND.inputs.decode(as_before(KIND.inputs.encode(checked))) == replace(
        checked, item_ms=0, trace_ms=0
    )
    ran = DidRun(RESULT)
    assert KIND.inputs.decode(as_before(KIND.inputs.encode(ran))) == DidRun(OLDEST)


def test_a_lease_and_its_check_of_version_2_are_read() -> None:
    lease = replace(fresh(), item_ms=5, trace_ms=6, reading_ms=7, result=RESULT)
    assert KIND.states.decode(as_before(KIND.states.encode(lease), 2)) == replace(
        lease, reading_ms=0, result=OLD
    )
    checked = DidCheck(1_000, 1 << 20, item_ms=5, trace_ms=6, reading_ms=7)
    assert KIND.inputs.decode(as_before(KIND.inputs.encode(checked), 2)) == replace(checked, reading_ms=0)


def test_a_lease_and_its_check_of_version_3_are_read() -> None:
    lease = replace(fresh(), reading_ms=7, trace_bytes=8, value_bytes=9, result=RESULT)
    wanted = replace(lease, trace_bytes=0, value_bytes=0, result=OLD)
    assert KIND.states.decode(as_before(KIND.states.encode(lease), 3)) == wanted
    checked = DidCheck(1_000, 1 << 20, reading_ms=7, trace_bytes=8, value_bytes=9)
    before = as_before(KIND.inputs.encode(checked), 3)
    assert KIND.inputs.decode(before) == replace(checked, trace_bytes=0, value_bytes=0)
