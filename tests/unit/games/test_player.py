"""What a player decides before it opens a game. The chain and the worker are objects in this process."""

from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.errors import Revert
from protocol.chain.views import LeaseState
from protocol.dispute.challenger import ClaimShare, Leave, Open, Wait
from protocol.dispute.purse import Limits, Purse
from protocol.dispute.records import Conviction, Verdict
from protocol.games.board import read_board
from protocol.games.player import Challenger, Player
from protocol.games.workshop import Charge
from protocol.types import ZERO_HASH, BlockNo, Hash32, InputError, TransientError, Wei
from tests.strategies.provider import BID

pytestmark = pytest.mark.trio
OWN, OTHER, ROOT = (Hash32(bytes([n]) * 32) for n in (1, 2, 3))
NOTHING: Any = None
LIMITS = Limits(*(Wei(10**18) for _ in range(4)))


def player(known: Hash32, item_root: Hash32) -> Player:
    """Accuses item 3, over whose right root OTHER was revealed as its trace; games know `known`."""
    chain = SimpleNamespace(
        address=b"me",
        trace_root=lambda case: known,
        game_terms=SimpleNamespace(claim_period=10),
    )

    async def run(read: Any, *args: Any) -> Any:
        return read(chain, *args)

    async def workshop() -> Any:
        return SimpleNamespace(accuse=accuse)

    async def accuse(item: int) -> Charge:
        return Charge(item, OWN, ROOT, item_root, (), SimpleNamespace(hash=BID.job_hash, items=4))  # type: ignore[arg-type]

    rig: Any = SimpleNamespace(blocking=chain, run=run)
    who = Challenger.of(b"key", LIMITS)
    return Player(rig, BID, BlockNo(0), who, 3, workshop, lambda _: None, item=3, shown=OTHER)


def board(now: int = 10) -> Any:
    lease = SimpleNamespace(state=LeaseState.POSTED, last_beat=0)
    return SimpleNamespace(
        now=now, lease=lease, ended=False, verdict=Verdict(), place=None, games=(), of=lambda *_: ()
    )


@pytest.mark.parametrize(
    ("known", "item_root", "opens"),
    [
        (ZERO_HASH, ROOT, True),  # the game forces a trace out
        (OTHER, ROOT, True),  # what was revealed, and it has a false node
        (OWN, ROOT, False),  # not what was revealed: the audit's end convicts, and a game would be lost
        (OWN, OTHER, True),  # the item is false: whatever the trace, the game proves it
    ],
)
async def test_no_game_is_opened_where_the_audits_end_convicts_without_one(
    known: Hash32, item_root: Hash32, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuser = player(known, item_root)
    purse = Purse(Wei(10**18), Wei(1), Wei(1), Wei(0), 0, LIMITS)

    async def full(_: object) -> Purse:
        return purse

    monkeypatch.setattr(accuser, "_purse", full)
    (action,) = await accuser._judge(board())
    assert isinstance(action, Open if opens else Leave), action
    assert accuser.was_to_open


async def test_the_run_of_a_game_is_made_before_it_may_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    accuser, runs = player(ZERO_HASH, ROOT), list[int]()
    charge = accuser._charge

    async def counted(item: int) -> Charge:
        runs.append(item)
        return await charge(item)

    async def full(_: object) -> Purse:
        return Purse(Wei(10**18), Wei(1), Wei(1), Wei(0), 0, LIMITS)

    monkeypatch.setattr(accuser, "_charge", counted)
    monkeypatch.setattr(accuser, "_purse", full)
    accuser.prepares = True
    (action,) = await accuser._judge(board())
    assert isinstance(action, Wait), "until the audit has been compared"
    assert runs == [3]
    accuser.prepares = False
    (action,) = await accuser._judge(board())
    assert isinstance(action, Open)
    accuser.prepares = True
    (action,) = await accuser._judge(board(now=BID.challenge_window))
    assert isinstance(action, Leave), "no game can follow any more"


async def test_nothing_is_fetched_or_run_for_a_game_that_would_come_too_late() -> None:
    """Nobody serves the job any more, and a lease that nobody makes final stays as it is for ever."""
    accuser = player(ZERO_HASH, ROOT)

    async def gone() -> Any:
        raise TransientError("nobody serves the job")

    accuser.workshop = gone
    with pytest.raises(TransientError):
        await accuser._judge(board())
    (action,) = await accuser._judge(board(now=BID.challenge_window))
    assert isinstance(action, Leave)


@pytest.mark.parametrize(
    ("newest", "confirmed", "ends"),
    [
        (LeaseState.RUNNING, LeaseState.POSTED, False),  # from a node that lags
        (LeaseState.FINALIZED, LeaseState.POSTED, False),  # a re-org may undo it
        (LeaseState.FINALIZED, LeaseState.FINALIZED, True),
    ],
)
async def test_a_wrong_result_is_given_up_once_its_lease_is_over_and_by_no_single_answer(
    newest: LeaseState, confirmed: LeaseState, ends: bool
) -> None:
    def view(state: LeaseState) -> Any:
        return SimpleNamespace(state=state, last_beat=0)

    def leases(_: object, tag: int) -> tuple[Any]:
        assert tag == 8
        return (view(confirmed),)

    chain: Any = SimpleNamespace(
        block_number=lambda: 10,
        clock=lambda: 10,
        games_of=lambda *_, **__: (),
        lease=lambda _: view(newest),
        verdict=lambda _: Verdict(),
        leases=leases,
        scanner=SimpleNamespace(confirmed_head=lambda: 8),
    )
    (action,) = await player(ZERO_HASH, ROOT)._judge(read_board(chain, BID, BlockNo(0)))
    assert isinstance(action, Leave if ends else Wait)


@pytest.mark.parametrize(
    ("error", "given_up"),
    [
        (Revert("Disputes_BadSeal", {}), True),
        (Revert("Disputes_NotOpenedInTime", {}), True),
        (Revert("Disputes_NotConvicted", {}), False),  # a node that has not seen the conviction
        (InputError("the wallet has 1 wei, claim needs up to 2 wei"), False),
    ],
)
async def test_a_claim_is_given_up_for_what_no_later_block_changes_alone(
    error: InputError, given_up: bool
) -> None:
    """The first try comes in the block of the conviction, and the reward burns if nobody claims."""
    winner = player(ZERO_HASH, ROOT)
    winner._refused(ClaimShare(OWN, Conviction.PROVEN), error)
    assert (OWN in winner._unclaimable) == given_up
