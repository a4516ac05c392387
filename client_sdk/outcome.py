"""What comes of a job: quotes as rows, results, and the ways in which there is none."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from client_sdk.home import JobFolder
from protocol.auction.auction import Lost, Proposed
from protocol.auction.money import Unit
from protocol.auction.scoring import Ranked, history_of
from protocol.lease.client import OVER
from protocol.lease.client_types import ClientLease, Phase, Work
from protocol.messages import Bid
from protocol.types import Amount, InputError, to_hex


@dataclass(frozen=True)
class Quote:
    """One usable bid, best first in a table. Sums are exact text in whole tokens."""

    provider: str
    price: str
    """Of the whole job at most, fees included, audits apart."""
    per_hour: str
    grams_co2: float
    """The provider's own estimate."""
    expected_seconds: float
    audits: str
    """Beside the price: of the audits that were asked for; "0" if none were."""
    bond: str
    stake: str
    history: str
    why: str


def no_audits(_: Bid) -> Amount:
    """What audits cost where none were asked for."""
    return Amount(0)


def quotes_of(state: Proposed, unit: Unit, audits: Callable[[Bid], Amount] = no_audits) -> list[Quote]:
    """Return the ranking as rows, the winner first. `audits`: what they cost with a bid."""
    return [_row(each, unit, audits(each.entry.bid)) for each in state.ranking.ranked]


def _row(each: Ranked, unit: Unit, audits: Amount) -> Quote:
    return Quote(
        provider=to_hex(each.entry.bid.owner),
        price=unit.plain(each.price),
        per_hour=unit.plain(each.per_hour),
        grams_co2=each.entry.carbon_milligrams / 1000,
        expected_seconds=each.entry.expected_ms / 1000,
        audits=unit.plain(audits),
        bond=unit.plain(each.entry.bid.bond),
        stake=unit.plain(each.standing.staked),
        history=history_of(each.standing),
        why=each.why,
    )


@dataclass(frozen=True)
class Refusal:
    """Why one provider's answer came to nothing."""

    provider: str
    reason: str


def refusals_of(state: Proposed | Lost) -> list[Refusal]:
    """Return everybody who does not serve this job, with the reason: declined, refused, unreadable, gone."""
    ranking = state.ranking.refused if isinstance(state, Proposed) else state.refused
    tried = state.tried if isinstance(state, Lost) else ()
    found = [Refusal(to_hex(each.owner), each.reason) for each in state.declines]
    found += [Refusal(to_hex(each.owner), each.reason) for each in ranking]
    found += [Refusal(to_hex(each.owner), each.reason) for each in tried]
    return found + [Refusal(f"peer {to_hex(each.sender)}", each.reason) for each in state.junk]


class AuctionLostError(InputError):
    """No lease came of an auction; `refusals` says why for each provider that answered."""

    def __init__(self, reason: str, refusals: Sequence[Refusal] = (), advice: str = "") -> None:
        self.refusals = list(refusals)
        named = "; ".join(f"{each.provider[:10]}: {each.reason}" for each in self.refusals[:5])
        super().__init__(f"{reason}: {named}" if named else reason, advice)


def lost(state: Lost) -> AuctionLostError:
    """Return a lost auction as an error."""
    refusals = refusals_of(state)
    if state.reason == "no bids":
        advice = "is a provider running on this network? gavel market lists those registered"
    elif any("challenge window" in each.reason for each in refusals):
        advice = "limits.window in the job file asks for another challenge window"
    else:
        advice = ""
    # Where the last try to open is the reason, it need not be said a second time.
    return AuctionLostError(state.reason, [each for each in refusals if each.reason != state.reason], advice)


class NoResultError(InputError):
    """The lease ended, or its outputs proved wrong; the message says which and what became of the money."""


@dataclass(frozen=True)
class Result:
    """Checked outputs on disk."""

    job: str
    lease: str
    path: Path
    """The main result file."""
    summary: str
    output_root: str
    receipt: Path
    items_rerun: int
    """Items that were run again here and gave the same bits."""
    notes: dict[str, Any] = field(default_factory=dict, repr=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return the lines of a JSON-lines result; `InputError` if it is something else."""
        if self.path.suffix != ".jsonl":
            raise InputError(f"{self.path} holds no JSON lines")
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def arrays(self) -> dict[str, Any]:
        """Return the raw outputs by name, the item first."""
        import numpy as np

        with np.load(self.path.parent.parent / "outputs.npz", allow_pickle=False) as loaded:
            return dict(loaded.items())

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = asdict(self)
        plain.pop("notes")
        return {**plain, "path": str(self.path), "receipt": str(self.receipt)}


def settled_for_user(state: ClientLease) -> bool:
    """Tell whether the user's question about the result has an answer."""
    return state.work in (Work.GOOD, Work.WRONG, Work.LOST) or state.phase in OVER - {Phase.FINAL}


def result_of(state: ClientLease, folder: JobFolder) -> Result:
    """Return the result of a lease; `NoResultError` if there is none."""
    if state.work != Work.GOOD:
        raise NoResultError(
            f"no result: {state.reason or state.phase.name.lower()}", _consequence(state, folder)
        )
    if not state.result_path:
        raise NoResultError(f"the outputs are right, but could not be written: {state.reason}")
    summary = folder.read("summary")
    compared = state.verdict.compared if state.verdict else 0
    return Result(
        job=folder.id,
        lease=to_hex(state.bid.lease_id()),
        path=Path(state.result_path),
        summary=str(summary.get("summary", "")),
        output_root=to_hex(state.chain.output_root),
        receipt=folder.receipt,
        items_rerun=compared,
    )


def _consequence(state: ClientLease, folder: JobFolder) -> str:
    if state.work == Work.WRONG:
        if not folder.evidence.exists():
            return "this client will not make it final"
        return f"gavel job challenge {folder.evidence} proves it on chain, within the challenge window"
    if state.work == Work.LOST:
        return "gavel job result asks again"
    return "what was not earned came back as credits" if state.phase == Phase.REFUNDED else ""
