"""The demo's second act: a provider that changes one bit, and the watchtower that proves it on chain."""

import struct
import time
from collections.abc import Callable
from pathlib import Path

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.codec import Abi
from protocol.chain.dispute_events import Collected, Judged
from protocol.chain.events import Ended, topic_of
from protocol.chain.game_steps import PlayedGame, Step
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.dispute import moves
from protocol.dispute.facts import Facts
from protocol.dispute.records import Place
from protocol.messages import Bid
from protocol.types import LeaseId, Wei
from scripts.demo import show, stage
from scripts.demo.drawing import draw
from scripts.demo.processes import DemoError, Processes
from watchtower.verdicts import Finding, Verdicts

FLIP = "23:0:4"
"""A bit of the first element of node 23's output: magika's last matrix product, sums of 512 terms."""
RunJob = Callable[[], bytes]
_DOES: dict[type, str] = {
    moves.Challenge: "challenges an item, with a bond",
    moves.PostTrace: "has to commit to everything in between: its trace",
    moves.Pick: "picks what differs first from its own run",
    moves.Land: "lands on the first node that differs",
    moves.LandOnOutput: "lands on an output: all nodes before it agree",
    moves.Reveal: "has to open the picked node",
    moves.RevealLeaves: "has to show the numbers",
    moves.PickElement: "picks the first element that differs",
    moves.ShowRunning: "has to show how it added it up",
    moves.ProveSegment: "lets the contract compute the false segment",
    moves.Prove: "lets the contract compute the false element",
    moves.ProveOutside: "shows bytes outside the shape",
}


def play(processes: Processes, cast: stage.Stage, net: Localnet, run_job: RunJob, programs: Path) -> None:
    """Let the cheat win a job, and wait until its bond is gone. `programs`: where the client made its own."""
    chain = net.chain()
    show.heading(f"A cheat: {stage.CHEAT.name} asks least, and changes one bit of one intermediate value")
    processes.start(stage.CHEAT.name, stage.cheat_command(cast), {"CHEAT_FLIP": FLIP})
    owner = cast.owners[stage.CHEAT.name]

    def ready() -> bool:
        found = {each.owner for each in chain.registrations() if each.registration is not None}
        return owner in found and chain.stake(owner, 0).free > 0

    processes.wait_until(f"{stage.CHEAT.name} did not register and stake", ready, 90)
    lease = LeaseId(run_job())
    bid = next(each.bid for each in chain.leases_of() if each.lease == lease)
    if bid.owner != owner:
        raise DemoError(f"{stage.CHEAT.name} asked least and did not win")
    _watch(processes, cast, chain, bid)
    game, place = _convicting(chain, bid)
    show.heading("The way down to the one step that the contract computed")
    for text in draw(game, _program(programs), place):
        show.line(text)
    for made in (step.made for step in game.steps):
        if made is not None and isinstance(made.move, moves.ProveSegment):
            show.line(_computed(chain, made.move, game))
    _settle(processes, chain, bid)
    _tell(chain, cast, bid)


def _watch(processes: Processes, cast: stage.Stage, chain: Chain, bid: Bid) -> None:
    show.heading("The watchtower runs it again, and does not stop at saying so")
    lease = bid.lease_id()
    verdicts = Verdicts(cast.home / "watchtower" / "verdicts")
    processes.wait_until("the watchtower has no verdict", lambda: lease in verdicts.by_lease(), 180)
    (verdict,) = (each for each in verdicts.all() if each.lease == f"0x{lease.hex()}")
    show.line("watchtower: " + verdict.sentence())
    if verdict.finding is not Finding.MISMATCH:
        raise DemoError("the watchtower did not notice")
    seen, deadline = 0, time.monotonic() + 300
    while True:
        games = chain.games_of(bid)
        steps = in_order(games)
        for step in steps[seen:]:
            show.line(f"block {step.at.block}: {_doing(step, cast)}")
        seen = len(steps)
        if any(isinstance(event, Judged) for game in games for event in game.others):
            return
        processes.check()
        if time.monotonic() > deadline:
            raise DemoError("the watchtower did not prove it")
        time.sleep(0.5)


def _doing(step: Step, cast: stage.Stage) -> str:
    if step.made is None:
        return "a move"
    who = "watchtower" if step.made.by == cast.watchtower else stage.CHEAT.name
    return f"{who} {_DOES.get(type(step.made.move), 'moves')}"


def _convicting(chain: Chain, bid: Bid) -> tuple[PlayedGame, Place | None]:
    for game in chain.games_of(bid):
        for event in game.others:
            if isinstance(event, Judged):
                return game, event.place
    raise DemoError("no game convicted the provider")


def _computed(chain: Chain, proof: moves.ProveSegment, game: PlayedGame) -> str:
    """Ask the Referee once more what that segment gives."""
    facts = Facts.unpack(proof.facts)
    at = proof.segment % 8
    values = [int.from_bytes(proof.word[4 * i : 4 * i + 4], "big") for i in range(8)]
    before = facts.start if proof.segment % (256 // facts.terms) == 0 else values[at - 1]
    element = next(
        step.made.move.number
        for step in game.steps
        if step.made is not None and isinstance(step.made.move, moves.PickElement)
    )
    abi, referee = Abi.shipped("Referee"), chain.deployment.referee
    data = abi.call_data("step", proof.header, element, proof.segment, before, proof.leaves)
    right = abi.results("step", chain.node.call(Call(referee, data, "Referee.step")))[0]
    said, found = (struct.unpack(">f", word.to_bytes(4, "big"))[0] for word in (values[at], right))
    return f"running value behind it: {stage.CHEAT.name} says {said:.9g}, the contract computes {found:.9g}"


def _program(programs: Path) -> Path | None:
    """The client's copy of the program, which has its nodes' names beside it: that of the last job."""
    named = sorted(programs.rglob("*.names"), key=lambda path: path.stat().st_mtime)
    return named[-1].with_suffix("") if named else None


def _settle(processes: Processes, chain: Chain, bid: Bid) -> None:
    period = chain.game_terms.claim_period
    show.line(f"seals can be opened for {period} blocks; then the lease ends and the reward is shared")

    def over() -> bool:
        collected = [e for game in chain.games_of(bid) for e in game.others if isinstance(e, Collected)]
        return chain.lease(bid.lease_id()).state is LeaseState.CONVICTED and any(e.reward for e in collected)

    processes.wait_until("the lease was not settled", over, 180)


def _tell(chain: Chain, cast: stage.Stage, bid: Bid) -> None:
    show.heading("Who got what")
    symbol = chain.deployment.tokens[bid.token].symbol
    topics = (topic_of(chain.escrow.abi, "Ended"), bytes(bid.lease_id()))
    (end,) = (event for event in chain.scanner.all(topics) if isinstance(event, Ended))
    verdict = chain.verdict(bid.lease_id())
    games = chain.games_of(bid)
    gas = _gas(chain, cast, games)
    show.table(
        [
            ("", "", symbol),
            ("client", "its whole deposit back", show.whole(end.to_client)),
            ("watchtower", "reward", show.whole(verdict.reward)),
            (stage.CHEAT.name, "bond lost", "-" + show.whole(bid.bond)),
            ("nobody", "burnt", show.whole(end.burnt)),
        ]
    )
    for name, (count, used) in gas.items():
        show.line(f"{name}: {count} moves, {used} gas")
    total = sum(used for _, used in gas.values())
    show.line(f"the whole dispute: {total} gas in {sum(count for count, _ in gas.values())} moves")
    back = sum(Wei(e.coin) for game in games for e in game.others if isinstance(e, Collected))
    show.line(f"the watchtower has {back} wei of its bond back")


def _gas(chain: Chain, cast: stage.Stage, games: tuple[PlayedGame, ...]) -> dict[str, tuple[int, int]]:
    """Moves and gas of each side, from `challenge` through the proof."""
    gas = {"watchtower": (0, 0), stage.CHEAT.name: (0, 0)}
    for game in games:
        for step in game.steps:
            receipt = chain.node.receipt(step.at.tx)
            if (
                receipt is None
                or step.made is None
                or isinstance(step.made.move, moves.Claim | moves.ClaimSilence)
            ):
                continue
            name = "watchtower" if step.made.by == cast.watchtower else stage.CHEAT.name
            gas[name] = (gas[name][0] + 1, gas[name][1] + receipt[0].gas_used)
    return gas
