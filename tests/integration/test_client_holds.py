"""A client whose result is held by a game that everybody left: it ends that, and has its money back."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.crypto import keccak256
from protocol.dispute import moves
from protocol.dispute.delivery import Known, next_demand
from protocol.dispute.records import Conviction
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, Item
from protocol.engines.worker.game_wire import JOBS
from protocol.engines.worker.interface import from_wire, to_wire
from protocol.games.demanding import demand_terms
from protocol.types import Hash32
from tests.chain_helpers import STRANGER
from tests.client_rig import client_session
from tests.silent_rig import Silent, silent

pytestmark = [pytest.mark.trio]


async def challenge(provider: Silent) -> None:
    """A stranger opens a game about the first item, and is never seen again."""
    session, record = provider.session, provider.run.record
    spec, store = record.job_spec, session.store
    item = Item(str(store.path(spec.program)), str(store.path(spec.inputs)), 0)
    args = AccuseArgs(item, str(provider.folder / "outputs"))
    found = from_wire(await session.child.call(args.OP, to_wire(args)), AccuseResult)
    job, root = JOBS.decode(found.job), Hash32(found.posted_root)
    seal = keccak256(b"sham")
    opening = moves.Challenge(provider.bid, job, 0, root, tuple(map(Hash32, found.proof)), seal)
    chain = provider.net.chain(STRANGER)
    call = chain.disputes.challenge(opening, chain.bond(provider.bid, job.items))
    await trio.to_thread.run_sync(chain.send, call)


async def demand(provider: Silent) -> None:
    """A stranger demands the first hashes below the result, and is never seen again."""
    session, spec = provider.session, provider.run.record.job_spec
    paths = (str(session.store.path(each)) for each in (spec.program, spec.inputs))
    terms = await demand_terms(session.child, *paths)
    chain = provider.net.chain(STRANGER)
    root = chain.lease(provider.bid.lease_id()).output_root
    wanted = next_demand(terms.shape, Known.of_result(root, terms.shape.depth), 0, 0, 0)
    assert wanted is not None
    bond = chain.demand_bond(wanted.wanted.size)
    call = chain.delivery.demand(provider.bid, terms.job, wanted, bond, headers=terms.headers)
    await trio.to_thread.run_sync(chain.send, call)


def deadline(chain: Chain, provider: Silent) -> int:
    """The last reading at which the provider can answer what holds its result."""
    demands = [each.now.until for each in chain.demands_of(provider.bid.lease_id())]
    games = [each.now for each in chain.games_of(provider.bid)]
    return max([*demands, *(now.moved_at + now.provider_left for now in games)])


@pytest.mark.parametrize(
    ("hold", "said"),
    [
        (challenge, "the provider's clock ran out, it is convicted of silence"),
        (demand, "a demand was not answered in time: the provider is convicted of silence"),
    ],
    ids=["game", "demand"],
)
async def test_what_its_players_left_costs_the_client_nothing(
    localnet: Localnet, tmp_path: Path, hold: Callable[[Silent], Awaitable[None]], said: str
) -> None:
    """The provider is silent and whoever asked it gone: the client ends it, and is refunded."""
    async with (
        client_session(localnet, tmp_path) as session,
        silent(localnet, tmp_path / "job", lambda _: False, session, depth=2) as provider,
    ):
        run, chain, lease = provider.run, localnet.chain(), provider.bid.lease_id()
        run.delivery.over = "not demanded in this test"
        before = chain.credits(0, session.purse.address)
        await hold(provider)

        async def told(text: str) -> None:
            with trio.fail_after(90):
                while not any(text in event.text for event in run.story.events):
                    await trio.sleep(0.1)

        await told("the result is held by a game")
        clock = deadline(chain, provider) - chain.clock()
        patience = run.record.conduct.finalize_after
        await trio.to_thread.run_sync(localnet.anvil.mine, clock + patience + 1)
        await told(said)
        assert chain.verdict(lease).how is Conviction.SILENT
        await trio.to_thread.run_sync(localnet.anvil.mine, chain.game_terms.claim_period + patience + 1)
        await told("settled the lease as convicted")
        with trio.fail_after(60):
            state = await session.over(run)
        assert chain.lease(lease).state is LeaseState.CONVICTED
        assert state.settlement is not None
        assert (state.settlement.to_owner, state.settlement.to_client) == (0, provider.bid.deposit())
        assert chain.credits(0, session.purse.address) == before + provider.bid.deposit()
