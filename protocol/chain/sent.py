"""Transactions on their way: what a sender must not forget, and where it writes that down."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from protocol.chain.calls import Call, Due
from protocol.store.files import write_whole
from protocol.types import Address, BlockNo, BrokenInvariant, Hash32, Wei, parse_address, to_hex

_KEPT_SPENT = 256


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed form of a transaction; replacements share the nonce, so at most one is ever mined."""

    tx: Hash32
    raw: bytes
    max_fee: Wei
    """Per gas."""
    tip: Wei


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction with its nonce and all attempts, oldest first."""

    nonce: int
    call: Call
    gas: int
    effect: str
    """The caller's id of what this is for; empty if it has none."""
    attempts: tuple[Attempt, ...]
    since: BlockNo
    """Block at which the newest attempt was sent."""
    mined: bool = False

    def is_of(self, chain_id: int, sender: Address) -> bool:
        """Whether it is signed for that chain by that key: the bytes say so, and no node's word is needed."""
        raw = self.attempts[-1].raw
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        signer = parse_address(Account.recover_transaction(raw), "signer")
        return (fields["chainId"], signer) == (chain_id, sender)

    def with_attempt(self, attempt: Attempt, block: BlockNo) -> "Sent":
        """Return this with a replacement added."""
        return replace(self, attempts=(*self.attempts, attempt), since=block)


class SentJournal(Protocol):
    """Where `Sent` survives a crash. `save` returns only when the new state would.

    `chain` is its id, as a word. Of a local chain it is the hash of block 0: what was sent to one that is
    gone must not be repeated to the next one, which has the same id.
    """

    def load(self) -> tuple[Hash32 | None, tuple[Sent, ...]]:
        """Return what was saved last and for which chain; None and nothing if nothing was."""
        ...

    def save(self, chain: Hash32, sent: Iterable[Sent]) -> None:
        """Replace what is stored."""
        ...


class MemoryJournal:
    """Keeps nothing: for tools that wait for each transaction, and for tests."""

    def load(self) -> tuple[Hash32 | None, tuple[Sent, ...]]:
        """Return nothing."""
        return None, ()

    def save(self, chain: Hash32, sent: Iterable[Sent]) -> None:
        """Forget."""


class FileJournal:
    """A JSON file, replaced atomically; each sending address has its own on each chain.

    `before`: the file of the version before, read while there is no other; what is not of this address and
    chain is left out by whoever sends (`Sent.is_of`).
    """

    def __init__(self, path: Path, before: Path | None = None) -> None:
        self.path, self._before = path, before

    def load(self) -> tuple[Hash32 | None, tuple[Sent, ...]]:
        """Return what the file holds; `BrokenInvariant` if it is damaged."""
        path = self._before if self._before is not None and not self.path.exists() else self.path
        try:
            stored = json.loads(path.read_text())
            chain = Hash32(bytes.fromhex(stored["chain"][2:]))
            return chain, tuple(_from_json(entry) for entry in stored["sent"])
        except FileNotFoundError:
            return None, ()
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenInvariant(
                f"{path} is not a transaction journal: {error}",
                "move it away once no transaction of this key is pending",
            ) from error

    def save(self, chain: Hash32, sent: Iterable[Sent]) -> None:
        """Replace the file; it is on the disk when this returns. `TransientError` if the disk is full."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {"chain": to_hex(chain), "sent": [_to_json(entry) for entry in sent]}
        write_whole(self.path, json.dumps(content).encode())


def trimmed(sent: dict[int, Sent]) -> dict[int, Sent]:
    """Return `sent` without the oldest of what is in blocks: only the newest can still be re-orged away.

    All nonces below a mined one are spent, also those of which nobody asked what became of them.
    """
    newest = max((nonce for nonce, entry in sent.items() if entry.mined), default=-1)
    spent = sorted(nonce for nonce in sent if nonce <= newest)
    gone = set(spent[:-_KEPT_SPENT])
    return {nonce: entry for nonce, entry in sent.items() if nonce not in gone}


def _to_json(sent: Sent) -> dict[str, Any]:
    return {
        "nonce": sent.nonce,
        "to": to_hex(sent.call.to) if sent.call.to else None,
        "data": to_hex(sent.call.data),
        "what": sent.call.what,
        "value": sent.call.value,
        "due": [sent.call.due.presses, sent.call.due.worth] if sent.call.due else None,
        "gas": sent.gas,
        "effect": sent.effect,
        "attempts": [[to_hex(a.tx), to_hex(a.raw), a.max_fee, a.tip] for a in sent.attempts],
        "since": sent.since,
        "mined": sent.mined,
    }


def _from_json(entry: dict[str, Any]) -> Sent:
    to = Address(bytes.fromhex(entry["to"][2:])) if entry["to"] else None
    return Sent(
        nonce=int(entry["nonce"]),
        call=Call(
            to,
            bytes.fromhex(entry["data"][2:]),
            str(entry["what"]),
            Wei(int(entry["value"])),
            due=_due_from(entry.get("due")),  # journals of earlier versions have none
        ),
        gas=int(entry["gas"]),
        effect=str(entry["effect"]),
        attempts=tuple(
            Attempt(Hash32(bytes.fromhex(tx[2:])), bytes.fromhex(raw[2:]), Wei(int(fee)), Wei(int(tip)))
            for tx, raw, fee, tip in entry["attempts"]
        ),
        since=BlockNo(int(entry["since"])),
        mined=bool(entry["mined"]),
    )


def _due_from(entry: list[int | None] | None) -> Due | None:
    if entry is None:
        return None
    presses, worth = entry
    return Due(BlockNo(int(presses or 0)), None if worth is None else Wei(int(worth)))
