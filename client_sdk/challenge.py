"""Challenges a wrong result on chain, from its evidence: runs it again, and plays the game to its end."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from client_sdk.evidence import Evidence, read_evidence
from client_sdk.home import ClientHome
from client_sdk.verify import Fetcher, chain_of, hold_to_job
from client_sdk.wallet import Wallet
from client_sdk.worker import WorkerLimits, open_worker
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.chain.sent import FileJournal
from protocol.chain.views import LeaseState
from protocol.dispute.purse import Limits
from protocol.engines.worker.interface import (
    CompareArgs,
    CompareResult,
    VerifyArgs,
    VerifyResult,
    from_wire,
    to_wire,
)
from protocol.games.asking import Asked, Stopwatch
from protocol.games.board import still_holds
from protocol.games.pace import rest
from protocol.games.player import Challenger, Player, Turn
from protocol.games.report import GameReport
from protocol.games.workshop import CaseFiles, How, Workshop
from protocol.messages import Bid, JobSpec, delegates_hash
from protocol.runtime.child import Child
from protocol.runtime.signals import run_blocking
from protocol.store.artifacts import Artifacts
from protocol.types import (
    Address,
    BidFlags,
    BlockNo,
    InputError,
    LeaseId,
    TransientError,
    Verification,
    Wei,
    to_hex,
)

Say = Callable[[str], None]
_ADVICE = "give the wallet coin, allow a larger bond, or, if that was too slow, leave the machine less to do"

_SMALL = 1 << 20
_NO_LIMIT = Wei(1 << 128)


@dataclass(frozen=True)
class Challenged:
    """How a challenge ended. `games` is empty if none was opened: `text` says why."""

    lease: LeaseId
    text: str
    games: tuple[GameReport, ...] = ()

    @property
    def convicted(self) -> bool:
        """Whether the provider was convicted by, or beside, one of the games."""
        return any(game.outcome and not game.outcome.startswith("lost") for game in self.games)


@dataclass(frozen=True)
class Rerunning:
    """How items are run again: which one (None: all), with how many threads, for how long each at most.

    `limits` are those of the child that does it; None: as if `client.yaml` said nothing.
    """

    item: int | None = None
    threads: int = 1
    item_seconds: float = 600.0
    device: str = "cpu"
    limits: WorkerLimits | None = None


def challenge_receipt(
    path: str | Path,
    home: ClientHome,
    wallet: Wallet,
    *,
    network: str | None = None,
    max_bond: Wei = _NO_LIMIT,
    rerun: Rerunning | None = None,
    delegates: frozenset[Address] = frozenset(),
    say: Say = lambda _: None,
) -> Challenged:
    """Run a result's items again and, if one differs, play the game about it to its end; blocking.

    `path`: a receipt, or a job's evidence. Called again after it was broken off, it goes on: games are found
    on the chain, and their seals are made from the wallet's key. `delegates`: all those of a private lease,
    where the wallet is one of them. `say` gets a line for each thing done. Raises `InputError` with the
    reason where nothing can be challenged, or the wallet does not hold bond and gas, `TransientError` if
    chain or artifacts cannot be reached.
    """
    file = read_evidence(Path(path))
    known = load_network(network or file.network)
    name = f"challenges-{wallet.peer.hex()}"
    before = home.root / f"{name}.json"
    journal = FileJournal(home.root / f"{name}-{file.domain.chain_id}.json", before)
    chain = chain_of(file.domain, known, wallet.key, journal)
    limits = Limits(max_bond, _NO_LIMIT, _NO_LIMIT, _NO_LIMIT)
    who = Challenger.of(wallet.key, limits)
    setting = _Setting(file, chain, home, who, rerun or Rerunning(), delegates, say)
    return run_blocking(partial(_challenge, setting))


@dataclass(frozen=True)
class _Setting:
    file: Evidence
    chain: Chain
    home: ClientHome
    who: Challenger
    rerun: Rerunning
    delegates: frozenset[Address]
    say: Say


async def _challenge(at: _Setting) -> Challenged:
    chain, bid = AsyncChain(at.chain), at.file.bid
    opened = await chain.run(_since, bid)
    own = await chain.run(_has_games, bid, opened)
    await chain.run(check_open, bid, own=own, delegates=at.delegates)
    async with AsyncExitStack() as stack:
        store = await trio.to_thread.run_sync(Artifacts, at.home.artifacts)
        stack.callback(store.close)
        child = await stack.enter_async_context(open_worker(at.rerun.limits))
        fetch = Fetcher(stack, chain, store, at.file.provider)
        rerun, watch = at.rerun, Stopwatch(child)

        async def workshop() -> Workshop:
            files, _ = await _fetched(fetch, at)
            # A worker that checked the outputs has their roots; one that is restarted makes them again.
            how = How(rerun.device, rerun.threads, rerun.item_seconds, checked=watch.seconds)
            return Workshop(child, files, how)

        suspect = None
        if not own:  # else a game is live, and what cannot be fetched now ends none
            files, spec = await _fetched(fetch, at)
            await hold_to_job(child, files.program, files.inputs, spec)
            await _hold_to_posted(watch, files, at)
            suspect = await _differing(child, files, spec, at)
            if suspect is None:
                return Challenged(bid.lease_id(), "the result is right: there is nothing to challenge")

        delegates = tuple(sorted(at.delegates))
        player = Player(chain, bid, opened, at.who, suspect, workshop, at.say, delegates, bound=own)
        return await _to_the_end(player, at.say)


def check_open(chain: Chain, bid: Bid, *, own: bool, delegates: frozenset[Address] = frozenset()) -> None:
    """Raise `InputError` with the reason if the lease's result cannot be challenged by this key; blocking.

    `own`: this key has games on it already, which go on whatever became of the lease.
    """
    _ = chain.disputes  # says so if the deployment has none
    if bid.verification != Verification.TAPE:
        raise InputError("the result is no tape's: no step of it can be judged on chain")
    named = chain.address in delegates and delegates_hash(delegates) == bid.delegates
    if bid.flags & BidFlags.PRIVATE and chain.address != bid.client and not named:
        raise InputError(
            "the lease is private: only its client and the delegates in its bid can challenge it",
            "use the wallet of one of them; a delegate names all of them with --delegate",
        )
    if own:
        return
    view, now = chain.lease(bid.lease_id()), chain.clock()
    if view.state is LeaseState.FINALIZED:
        raise InputError("the lease is final: nothing of it can be challenged any more")
    if view.state is not LeaseState.POSTED:
        raise InputError(f"no result stands: the lease is {view.state.name.lower().replace('_', ' ')}")
    end = view.last_beat + bid.challenge_window
    if now > end:
        raise InputError(f"the challenge window ended at {end}, it is {now}")


def _since(chain: Chain, bid: Bid) -> BlockNo:
    lease = bid.lease_id()
    for each in chain.leases_of(owner=bid.owner, client=bid.client):
        if each.lease == lease:
            return each.block
    raise InputError(f"lease {to_hex(lease)} is not on this chain")


def _has_games(chain: Chain, bid: Bid, since: BlockNo) -> bool:
    if chain.deployment.disputes is None:
        return False
    own = (game for game in chain.games_of(bid, since=since) if game.opened.challenger == chain.address)
    return any(still_holds(game.now) for game in own)


async def _fetched(fetch: Fetcher, at: _Setting) -> tuple[CaseFiles, JobSpec]:
    spec = JobSpec.decode((await fetch.get(at.file.spec, _SMALL)).read_bytes())
    if spec.job_hash() != at.file.bid.job_hash:
        raise InputError("the job specification is not the one that the bid names")
    program = await fetch.get(spec.program, spec.program_bytes)
    inputs = await fetch.get(spec.inputs, spec.input_bytes)
    outputs = await fetch.get(at.file.outputs, at.file.output_bytes)
    return CaseFiles(program, inputs, outputs, spec.item_count), spec


async def _hold_to_posted(child: Asked, files: CaseFiles, at: _Setting) -> None:
    posted = (await AsyncChain(at.chain).run(Chain.lease, at.file.bid.lease_id())).output_root
    verify = VerifyArgs(str(files.program), str(files.outputs), files.items, posted)
    if not from_wire(await child.call(verify.OP, to_wire(verify)), VerifyResult).matches:
        raise InputError("the outputs are not those posted on chain")


async def _differing(child: Child, files: CaseFiles, spec: JobSpec, at: _Setting) -> int | None:
    """The first item that differs, of those asked for."""
    items = None if at.rerun.item is None else (at.rerun.item,)
    at.say(f"running {'all items' if items is None else f'item {items[0]}'} again")
    compare = CompareArgs(
        str(files.program),
        str(files.inputs),
        str(files.outputs),
        spec.item_count,
        items,
        at.rerun.threads,
        at.rerun.item_seconds * (spec.item_count if items is None else 1),
        at.rerun.device,
    )
    found = from_wire(await child.call(compare.OP, to_wire(compare)), CompareResult)
    if found.first_different is not None:
        at.say(f"item {found.first_different} is wrong")
    return found.first_different


async def _to_the_end(player: Player, say: Say) -> Challenged:
    seen, said, failures = None, "", 0
    while True:
        try:
            head = await player.chain.run(lambda chain: chain.node.head())
            if head != seen:
                turn = await player.turn()
                said = _waiting(turn, said, say)
                if turn.refused and not player.bound:
                    raise InputError(turn.refused, _ADVICE)
                if turn.over:
                    return Challenged(player.lease, turn.over, turn.reports)
                seen, failures = head, 0
        except (InputError, TransientError) as error:
            if isinstance(error, InputError) and not player.bound:
                raise
            # A bond is in a game of one's own: nothing but its end ends this.
            said = _once(f"cannot go on yet: {error.message}", said, say)
            failures += 1
        await trio.sleep(rest(player.chain.blocking.network, failures))


def _waiting(turn: Turn, said: str, say: Say) -> str:
    """Say what is waited for, once."""
    return _once(turn.waiting, said, say)


def _once(line: str, said: str, say: Say) -> str:
    if line and line != said:
        say(line)
    return line
