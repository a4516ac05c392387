"""Calls of Audits, as values. Who may call what, and when, stands in IAudits.sol."""

from dataclasses import replace
from typing import Any

from protocol.chain.calls import NOTHING, Call
from protocol.chain.codec import Abi
from protocol.dispute.audits import Opening, Roots
from protocol.dispute.calls import values_of
from protocol.dispute.delivery import PostedItem
from protocol.dispute.names import Job
from protocol.messages import Bid
from protocol.types import ZERO_HASH, Address, Hash32, InputError, LeaseId

CONTRACT = "Audits"
_LIST_GAS = 60_000
"""Two changes of the list of auditors: one in the newest block is overwritten in an estimate, not later."""


class AuditCalls:
    """Encodes the calls of one Audits contract. `by_client` tells the client's audit from the strangers'."""

    def __init__(self, address: Address) -> None:
        self.address, self.abi = address, Abi.shipped(CONTRACT)

    def enrol(self) -> Call:
        """Stake and join the list; the stake must be approved."""
        return self._changing("enrol")

    def quit(self) -> Call:
        """Leave the list."""
        return self._changing("quit")

    def take_stake(self, to: Address) -> Call:
        """Take what is left of the sender's stake, some time after leaving."""
        return self._call("takeStake", to)

    def order(self, bid: Bid, job: Job, tasks: int) -> Call:
        """Pay for audits of a posted result by so many auditors; the fees must be approved."""
        return self._call("order", values_of(bid), values_of(job), tasks)

    def draw(self, bid: Bid, by_client: bool) -> Call:
        """Draw auditors and item."""
        return self._call("draw", values_of(bid), by_client)

    def redraw(self, bid: Bid, by_client: bool) -> Call:
        """Have another block draw, since the first one's hash is gone."""
        return self._call("redraw", values_of(bid), by_client)

    def commit(
        self, bid: Bid, by_client: bool, task: int, seed: Hash32, commitment: Hash32, *, stated: Hash32
    ) -> Call:
        """Commit, as the auditor of a task. `seed`: of the draw that this answers; `stated` as in `Roots`."""
        return self._call("commit", values_of(bid), by_client, task, seed, commitment, stated)

    def abstain(self, bid: Bid, by_client: bool, task: int, seed: Hash32) -> Call:
        """Give a task up instead of committing, as its auditor."""
        return self._call("abstain", values_of(bid), by_client, task, seed)

    def commit_as_provider(self, bid: Bid, by_client: bool, seed: Hash32, commitment: Hash32) -> Call:
        """Commit, with the operator's key."""
        return self._call("commitAsProvider", values_of(bid), by_client, seed, commitment)

    def reveal(self, lease: LeaseId, by_client: bool, task: int, roots: Roots, salt: Hash32) -> Call:
        """Open an auditor's commitment."""
        return self._call("reveal", lease, by_client, task, roots.trace, roots.item, salt)

    def reveal_as_provider(self, bid: Bid, by_client: bool, opening: Opening, salt: Hash32) -> Call:
        """Open the provider's. To be sent from the operator's plain key, not through a wallet contract."""
        posted, end = opening.posted, opening.end
        last, siblings = (end[0], end[1:]) if end else (ZERO_HASH, ())
        shown = opening.trace, posted.roots, salt, posted.proof, last, siblings
        return self._call("revealAsProvider", values_of(bid), by_client, *shown)

    def parse_reveal(self, data: bytes) -> PostedItem | None:
        """Return what calldata of the provider's opening shows of the item; None if it is no such call."""
        try:
            called = self.abi.called(data)
        except InputError:
            return None
        if called is None or called[0] != "revealAsProvider":
            return None
        _, _, _, roots, _, proof, *_ = called[1]
        return PostedItem(tuple(map(Hash32, roots)), tuple(map(Hash32, proof)))

    def finish(self, bid: Bid, by_client: bool) -> Call:
        """Compare what was revealed."""
        return self._changing("finish", values_of(bid), by_client)

    def close(self, bid: Bid, by_client: bool, shown: Roots) -> Call:
        """Decide a contested audit; `shown` is what the provider revealed."""
        return self._changing("close", values_of(bid), by_client, shown.trace, shown.item)

    def take_reward(self, bid: Bid, by_client: bool, task: int) -> Call:
        """Pay the auditor of a task its part of a conviction's reward."""
        return self._call("takeReward", values_of(bid), by_client, task)

    def withdraw(self, token: int, to: Address) -> Call:
        """Pay out the sender's fees and refunds."""
        return self._call("withdraw", token, to)

    def _changing(self, function: str, *values: Any) -> Call:
        return replace(self._call(function, *values), spare=_LIST_GAS)

    def _call(self, function: str, *values: Any) -> Call:
        return Call(self.address, self.abi.call_data(function, *values), f"{CONTRACT}.{function}", NOTHING)
