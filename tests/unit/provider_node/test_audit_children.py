"""Each audited item of a provider has a child process of its own: no long run makes a short one late."""

import os
import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trio
import trio.testing

from protocol.chain.audits import AuditCalls
from protocol.chain.calls import Call, Due
from protocol.dispute.audits import Answer, Part, Sight, Stage, commitment
from protocol.dispute.names import Case
from protocol.engines.worker.dispute_records import AccuseArgs, Item
from protocol.games.audit_runs import AuditRuns
from protocol.games.audit_sight import salt_of
from protocol.games.runs_at_once import AT_ONCE
from protocol.lease.provider_types import Stage as Held
from protocol.runtime.child import ChildOptions
from protocol.types import Address, BlockNo, Hash32, LeaseId, TransientError, Verification, Wei
from provider_node.auditing.answering import Auditing
from provider_node.defence import tracer
from tests.held_runs import CHILD, HASH, HeldRuns, until
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import ME, SEED, sight

pytestmark = pytest.mark.trio
STATE: Any = SimpleNamespace(bid=BID, result=SimpleNamespace(outputs=b"o", output_root=HASH))
NOTHING: Any = None
DUE = Due(BlockNo(110), Wei(0))


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeldRuns:
    monkeypatch.setattr(tracer, "WORKER", CHILD)
    return HeldRuns.under(tmp_path, monkeypatch)


@dataclass
class Sends:
    """Takes what the desk sends."""

    effects: list[str] = field(default_factory=list)
    dues: list[Due | None] = field(default_factory=list)

    async def send(self, call: Call, effect: str) -> None:
        self.effects.append(f"{call.what} {effect}")
        self.dues.append(call.due)


def desk_of(
    held: HeldRuns, sends: Any = NOTHING, slow: Collection[LeaseId] = (), read: trio.Event | None = None
) -> Auditing:
    """`slow`: leases whose jobs are read once `read` is set."""

    async def of(case: Case, blocks: int, doubts: int) -> Item:
        if case.lease_id in slow and read is not None:
            await read.wait()
        return Item(str(held.program(case.lease_id.hex())), "i", case.item)

    async def outputs(*_: object) -> Path:
        return Path("o")

    def noted(_: LeaseId) -> Path:
        return Path("n")

    items: Any = SimpleNamespace(of=of, held=SimpleNamespace(outputs=outputs, noted=noted), block_ms=1_000)
    items.audited_ms, items.memory_of = lambda _: 1_000, lambda _: 0
    watcher: Any = SimpleNamespace(height=BlockNo(100))

    async def due(_: object) -> Due:
        return DUE

    network = SimpleNamespace(seconds_per_block=0.05)
    chain: Any = SimpleNamespace(blocking=SimpleNamespace(audits=AuditCalls(ME), network=network), run=due)
    kept = AuditRuns(held.folder / "audits")
    return Auditing(chain, NOTHING, watcher, sends, items, ChildOptions(), b"key", kept)


def begin(
    desk: Auditing, nursery: trio.Nursery, number: int, until_: int, client: int = 0, **audit: object
) -> tuple[LeaseId, bool]:
    name = (LeaseId(bytes([number]) * 32), True)
    fields = {"commit_until": BlockNo(until_)} | audit
    bid = replace(BID, client=Address(bytes([client]) * 20))
    state: Any = SimpleNamespace(bid=bid, result=STATE.result)
    desk._begin(nursery, name, state, sight(Stage.DRAWN, Part.ASSIGNED, audit=fields))
    return name


async def test_an_audited_item_that_is_due_first_waits_for_no_other_run(held: HeldRuns) -> None:
    desk = desk_of(held)

    async with trio.open_nursery() as nursery:
        long = [begin(desk, nursery, number, 1_000) for number in (1, 2, 3)]
        for lease, _ in long:
            await held.begun(lease.hex())
        late = begin(desk, nursery, 4, 2_000)
        held.let_go((bytes([5]) * 32).hex())
        first = begin(desk, nursery, 5, 500)
        await until(lambda: first in desk._runs)
        assert set(desk._runs) == {first}
        assert not held.has_begun(late[0].hex())
        nursery.cancel_scope.cancel()
    assert desk.trouble == ""


async def test_a_run_is_told_where_the_job_s_run_noted_the_items_and_what_was_posted(
    held: HeldRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it hashes all outputs of the job, for which no clock has time."""
    asked, call = list[AccuseArgs](), tracer.Tracer._call

    async def seen(self: tracer.Tracer, args: Any, kind: Any) -> Any:
        asked.append(args)
        return await call(self, args, kind)

    monkeypatch.setattr(tracer.Tracer, "_call", seen)
    desk = desk_of(held)
    async with trio.open_nursery() as nursery:
        lease, _ = begin(desk, nursery, 1, 1_000)
        held.let_go(lease.hex())
    assert [(each.output_path, each.noted_path, each.output_root) for each in asked] == [("o", "n", HASH)]
    left = 1_000 + sight(Stage.DRAWN).clocks.reveal - 100
    assert [each.item.time_limit for each in asked] == [left], "until it could be revealed no more"


async def test_a_run_whose_clock_went_by_while_it_waited_is_not_begun(held: HeldRuns) -> None:
    """It would only keep others waiting."""
    desk, name = desk_of(held), (LeaseId(bytes([1]) * 32), True)
    seen = sight(Stage.DRAWN, Part.ASSIGNED, audit={"commit_until": BlockNo(99)})
    with pytest.raises(TransientError, match="an audit's clock is over"):
        await desk._executed(name, STATE, seen)
    assert not held.has_begun(name[0].hex())


async def test_no_number_of_slow_reads_holds_up_an_item_that_could_run(held: HeldRuns) -> None:
    """As many as are read at once, all of one client and due before another's."""
    slow, read = [LeaseId(bytes([number]) * 32) for number in range(1, 17)], trio.Event()
    desk = desk_of(held, slow=slow, read=read)
    async with trio.open_nursery() as nursery:
        for number in range(1, 17):
            begin(desk, nursery, number, 1_000)
        await trio.testing.wait_all_tasks_blocked()
        held.let_go((bytes([20]) * 32).hex())
        served = begin(desk, nursery, 20, 2_000, client=1)
        await until(lambda: served in desk._runs)
        read.set()
        await until(lambda: sum(held.has_begun(each.hex()) for each in slow) == AT_ONCE)
        nursery.cancel_scope.cancel()


async def test_what_waits_for_an_audit_that_is_over_makes_way(held: HeldRuns) -> None:
    desk = desk_of(held)
    desk.loop = SimpleNamespace(states=lambda _: {})  # type: ignore[assignment]
    async with trio.open_nursery() as nursery:
        lease, _ = begin(desk, nursery, 1, 110)
        await held.begun(lease.hex())
        await desk.look(nursery)
        await until(lambda: not desk._busy)
        assert not desk._runs


async def test_a_run_for_a_draw_that_a_reorg_replaced_makes_way_for_the_right_one(held: HeldRuns) -> None:
    desk, other = desk_of(held), {"item": 1, "seed": Hash32(b"\6" * 32)}
    async with trio.open_nursery() as nursery:
        lease, _ = name = begin(desk, nursery, 1, 110)
        await held.begun(lease.hex())
        begin(desk, nursery, 1, 110, **other)
        await until(lambda: not desk._busy)
        held.let_go(lease.hex())
        begin(desk, nursery, 1, 110, **other)
        await until(lambda: name in desk._runs)
        assert desk._runs[name].item == 1


async def test_an_answer_to_another_draw_is_another_transaction(held: HeldRuns) -> None:
    """The same block's number, and the same item: a re-org gave the block another hash."""
    sends = Sends()
    desk = desk_of(held, sends)
    async with trio.open_nursery() as nursery:
        lease, _ = name = begin(desk, nursery, 1, 110)
        held.let_go(lease.hex())
        await until(lambda: name in desk._runs and not desk._busy)
        for seed in (b"\6", b"\7", b"\7"):
            begin(desk, nursery, 1, 110, seed=Hash32(seed * 32))
            await until(lambda: not desk._busy)
    first, second, third = sends.effects
    assert first.startswith("Audits.commitAsProvider")
    assert first != second == third
    assert sends.dues == 3 * [DUE], "silence convicts: it may cost what is at stake"


async def look(desk: Auditing, nursery: trio.Nursery, seen: Sight) -> tuple[LeaseId, bool]:
    name = (LeaseId(bytes([1]) * 32), True)
    await trio.to_thread.run_sync(desk._recall, name, STATE, seen)
    desk._begin(nursery, name, STATE, seen)
    return name


async def test_a_restart_between_commitment_and_opening_takes_no_second_run(held: HeldRuns) -> None:
    """The reveals' clock may be shorter than a run, which was admitted with that of the commitments."""
    first, drawn = desk_of(held), sight(Stage.DRAWN, Part.COMMITTED)
    async with trio.open_nursery() as nursery:
        lease, _ = name = await look(first, nursery, drawn)
        held.let_go(lease.hex())
        await until(lambda: name in first._runs and not first._busy)
    run = first._runs[name]
    sealed = commitment(run.roots, BID.owner, lease, SEED, salt_of(b"key", SEED))

    def committed_to(found: Hash32) -> Sight:
        return replace(drawn, audit=replace(drawn.audit, answer=Answer.COMMITTED, found=found, committed=3))

    sends = Sends()
    second = desk_of(held, sends)
    second._recall(name, STATE, committed_to(Hash32(b"x" * 32)))
    assert second._runs == {}, "what does not open the commitment is run again"
    async with trio.open_nursery() as nursery:
        await look(second, nursery, committed_to(sealed))
    assert second._runs == {name: run}
    (effect,) = sends.effects
    assert effect.startswith("Audits.revealAsProvider")
    assert sends.dues == [DUE], "silence convicts: it may cost what is at stake"


async def test_runs_are_kept_for_as_long_as_their_leases(held: HeldRuns) -> None:
    desk = desk_of(held)
    async with trio.open_nursery() as nursery:
        lease, _ = name = await look(desk, nursery, sight(Stage.DRAWN, Part.COMMITTED))
        held.let_go(lease.hex())
        await until(lambda: name in desk._runs and not desk._busy)
    leases: dict[bytes, object] = {bytes(lease): STATE}
    desk.loop = SimpleNamespace(states=lambda _: leases)  # type: ignore[assignment]
    await desk._forget()
    assert (set(desk._runs), desk.kept.names()) == ({name}, {name}), "whatever the newest block says"
    leases.clear()
    await desk._forget()
    assert (desk._runs, desk.kept.names()) == ({}, set())


async def test_a_draw_that_is_stuck_below_the_base_fee_keeps_no_provider_from_its_answer(
    held: HeldRuns,
) -> None:
    """Somebody else's draw is mined: from then on the provider's clock runs."""
    stuck = list[str]()

    async def send(call: Call, effect: str) -> None:
        stuck.append(call.what)
        await trio.sleep_forever()

    desk = desk_of(held, SimpleNamespace(send=send))
    async with trio.open_nursery() as nursery:
        lease, _ = name = await look(desk, nursery, sight(Stage.CALLED))
        await until(lambda: "Audits.draw" in stuck)
        held.let_go(lease.hex())
        with trio.fail_after(60):
            while name not in desk._runs:
                await look(desk, nursery, sight(Stage.DRAWN))
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def test_a_child_that_hangs_is_waited_for_no_longer_than_its_run_is_of_use(held: HeldRuns) -> None:
    """Its own limit does not end it; the next look asks another child, and others have its place."""
    desk = desk_of(held)
    desk.items.block_ms = 1  # type: ignore[misc]
    async with trio.open_nursery() as nursery:
        name = begin(desk, nursery, 1, 3_000)
        await held.begun(name[0].hex())
        await until(lambda: not desk._busy)
        assert "has not answered in " in desk.trouble
        assert not desk.running._inside
        held.let_go(name[0].hex())
        begin(desk, nursery, 1, 60_000)
        await until(lambda: name in desk._runs)


async def test_what_the_loop_holds_is_looked_at_in_its_own_thread(held: HeldRuns) -> None:
    """Leases are opened and end there: another thread would meet a dictionary that changes under it."""
    desk, threads = desk_of(held), set[int]()

    def states(_: str) -> dict[bytes, object]:
        threads.add(threading.get_ident())
        return {}

    desk.loop = SimpleNamespace(states=states)  # type: ignore[assignment]
    async with trio.open_nursery() as nursery:
        await desk.look(nursery)
    assert threads == {threading.get_ident()}


async def test_a_run_that_contradicts_the_result_is_made_again_with_a_doubt(
    held: HeldRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third goes to the processor (`Items`): a faulty GPU must not have its provider convicted."""
    other = {**told_of(held), "posted_root": Hash32(b"\2" * 32)}
    Path(os.environ["TOLD"]).write_bytes(msgspec.msgpack.encode({"accuse": other}))
    desk, doubts = desk_of(held), list[int]()
    of = desk.items.of

    async def counted(case: Case, blocks: int, known: int) -> Item:
        doubts.append(known)
        return await of(case, blocks, known)

    monkeypatch.setattr(desk.items, "of", counted)
    held.let_go((bytes([1]) * 32).hex())
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            name = begin(desk, nursery, 1, 3_000)
        assert name not in desk._runs
        assert "comes out otherwise" in desk.trouble
    assert doubts == [0, 1, 2]


async def test_an_audit_that_cannot_be_read_is_looked_at_again_and_its_run_goes_on(held: HeldRuns) -> None:
    """A node's hiccup must not end an hour's run, nor be waited out until the next block."""
    desk, looks = desk_of(held), list[str]()
    lease = LeaseId(bytes([1]) * 32)
    state: Any = SimpleNamespace(
        bid=replace(BID, verification=Verification.TAPE),
        result=STATE.result,
        chain=SimpleNamespace(stage=Held.POSTED, frozen=True),
    )
    desk.loop = SimpleNamespace(states=lambda _: {bytes(lease): state})  # type: ignore[assignment]

    async def fails(*_: object) -> Any:
        looks.append("look")
        raise TransientError("no RPC answers")

    async with trio.open_nursery() as nursery:
        begin(desk, nursery, 1, 3_000)
        await held.begun(lease.hex())
        desk.chain.run = fails  # type: ignore[method-assign]
        for _ in range(2):
            await desk.look(nursery)
        assert len(looks) == 4, "both audits, at both looks, at one height"
        assert "no RPC" in desk.trouble
        held.let_go(lease.hex())
        await until(lambda: (lease, True) in desk._runs)


def told_of(held: HeldRuns) -> dict[str, Any]:
    answers = msgspec.msgpack.decode((held.folder / "told").read_bytes())
    return cast(dict[str, Any], answers["accuse"])
