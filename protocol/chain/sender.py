"""Sending transactions of one key: nonces, fees, replacement of what is stuck, one transaction per effect."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from eth_account import Account

from protocol.chain.calls import Call, TxReceipt
from protocol.chain.errors import Revert, revert_of
from protocol.chain.fees import Fee, bumped, ceiling, fee_now
from protocol.chain.networks import Clock, Network
from protocol.chain.node import Node
from protocol.chain.rpc import BUSY_CODES, RpcRefused
from protocol.chain.sent import Attempt, MemoryJournal, Sent, SentJournal, trimmed
from protocol.crypto import address_of
from protocol.types import Address, BlockNo, Hash32, InputError, TransientError, Wei, to_hex

_PATIENCE_BLOCKS = 3
"""Blocks that a transaction may miss before it is replaced by one that pays more."""
_LOST_AFTER = 5
"""Polls for which a spent nonce may lack a receipt: nodes index receipts a little late."""
_KNOWN = ("already known", "already imported", "alreadyknown", "known transaction")
_NONCE_TAKEN = (
    "nonce too low",
    "nonce is too low",
    "replacement transaction underpriced",
    "future transaction",
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Names a transaction on its way; `Sender.poll` tells what became of it."""

    nonce: int
    what: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a transaction that is not in a block yet may still take out of the wallet."""

    effect: str
    value: Wei
    gas: Wei
    """Most that its gas may cost as it is signed now; a replacement may cost more."""


class NonceTakenError(TransientError):
    """Another transaction of the key has the nonce, so this one can never be mined: send it again."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__(f"{ticket.what}: its nonce {ticket.nonce} was taken by another transaction")


class NotMinedYetError(TransientError):
    """A transaction is not in a block after the time for which somebody waited for it. It stays pending."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__(
            f"{ticket.what}: nonce {ticket.nonce} is not in a block yet", "it stays pending; try again later"
        )


class Sends(Protocol):
    """Whoever can send a call and wait for it: a `Sender`, or the wallet of another framework."""

    @property
    def address(self) -> Address:
        """The address that sends."""
        ...

    def send(self, call: Call) -> TxReceipt:
        """Send and wait until it is in a block."""
        ...


class Sender:
    """Sends calls for one key. Thread-safe: many threads may submit and poll at once.

    An effect (a name that the caller derives from the cause) never has two transactions: submitting it again,
    also after a restart with the same journal, goes on with the first one.
    """

    def __init__(self, node: Node, network: Network, key: bytes, journal: SentJournal | None = None) -> None:
        self._node, self._network, self._key = node, network, key
        self.address: Address = address_of(key)
        self._journal = journal or MemoryJournal()
        self._lock = threading.RLock()
        self._loaded_for, loaded = self._journal.load()
        # What is signed for another chain, or by another key, must not be sent again as if it were ours.
        own = [entry for entry in loaded if entry.is_of(network.chain_id, self.address)]
        self._sent = {entry.nonce: entry for entry in own}
        self._chain: Hash32 | None = None
        self._misses: dict[int, int] = {}

    def submit(self, call: Call, effect: str = "") -> Ticket:
        """Sign and broadcast `call`; return at once, before it is in a block.

        What was sent for the effect already may cost what `call` may: a clock may run for it by now.
        `Revert` if it would fail now, `InputError` if the balance does not reach (with the figures),
        `TransientError` if no node answers or the base fee is above what the call may cost (`fees.ceiling`).
        """
        self._verify_chain()
        if known := self._of_effect(effect):
            return self._urged(known, call)
        gas = self._gas(call)
        fee = fee_now(self._node, self._network.fees, self._most(call, gas))
        self._check_balance(call, gas, fee)
        block = self._node.block_number()
        with self._lock:
            if known := self._of_effect(effect):  # another thread was quicker
                return self._urged(known, call)
            nonce = self._free_nonce(self._node.nonce(self.address, "pending"))
            for _ in range(8):
                sent = Sent(nonce, call, gas, effect, (self._sign(call, nonce, gas, fee),), block)
                self._keep(sent)  # before it leaves: after a crash it can be found
                if self._broadcast(sent):
                    return Ticket(nonce, call.what)
                # Another process uses this key: its transaction holds the nonce, ours can never be mined.
                self._forget(nonce)
                nonce = self._free_nonce(max(nonce + 1, self._node.nonce(self.address, "latest")))
        raise TransientError(
            f"no free nonce found for {to_hex(self.address)}", "another process uses this key"
        )

    def poll(self, ticket: Ticket) -> TxReceipt | None:
        """Return the receipt, or None while there is none; replaces or repeats what is stuck.

        `Revert` if it failed on chain, `NonceTakenError` if another transaction of this key took its nonce:
        then nothing happened, and the same effect may be submitted again.
        """
        self._verify_chain()
        with self._lock:
            sent = self._sent.get(ticket.nonce)
        if sent is None:
            raise NonceTakenError(ticket)
        hashes = [attempt.tx for attempt in reversed(sent.attempts)]
        found, spent = self._node.fate(hashes, self.address)
        if found is not None:
            receipt = self._mined(sent, *found)
            # Whoever reads what it has changed must not be answered by a node that has not seen it.
            return receipt if self._node.has_reached(receipt.block) else None
        if spent > sent.nonce:
            self._miss(sent)
            return None
        block, most = self._node.block_number(), self._most(sent.call, sent.gas)
        with self._lock:
            # Lower nonces first: while one of them is missing, this one cannot be mined at any price.
            self._hasten([s for s in self._waiting(spent) if s.nonce <= sent.nonce], block, most)
        return None

    def send(self, call: Call, effect: str = "", timeout: float | None = None) -> TxReceipt:
        """Submit and wait until it is in a block, `timeout` seconds at most (default: 60 blocks).

        After that, `TransientError`: it may still be mined, and the same effect sent again goes on waiting.
        """
        return self.wait(self.submit(call, effect), timeout)

    def wait(self, ticket: Ticket, timeout: float | None = None) -> TxReceipt:
        """Return the receipt once there is one; see `send`."""
        deadline = time.monotonic() + (timeout or 30 + 60 * self._network.seconds_per_block)
        while (receipt := self.poll(ticket)) is None:
            if time.monotonic() > deadline:
                raise NotMinedYetError(ticket)
            time.sleep(self.poll_seconds)
        return receipt

    def unmined(self) -> tuple[Ticket, ...]:
        """Return what is not known to be in a block yet; after a restart somebody must go on polling it."""
        with self._lock:
            return tuple(Ticket(s.nonce, s.call.what) for s in self._sent.values() if not s.mined)

    def leaving(self) -> tuple[Leaving, ...]:
        """Return what the wallet may still lose to transactions that are in no block, also of a run before.

        Ask for the balance afterwards: what is mined in between is then missed there and counted here, and no
        coin is there twice. They are hastened as by `poll`, since nobody else may wait for them any more.
        """
        with self._lock:
            if not self._sent:
                return ()
        self._verify_chain()
        spent = self._node.nonce(self.address, "latest")
        with self._lock:
            waiting = self._waiting(spent)
        if not waiting:
            return ()
        block, most, allowed = self._node.block_number(), Wei(0), {}
        for each in reversed(waiting):  # each is worth what those are that wait for it
            allowed[each.nonce] = most = max(most, self._most(each.call, each.gas))
        with self._lock:
            for each in self._waiting(spent):
                if each.nonce in allowed:
                    self._hasten([each], block, allowed[each.nonce])
            return tuple(
                Leaving(s.effect, s.call.value, Wei(s.gas * s.attempts[-1].max_fee))
                for s in self._waiting(spent)
            )

    @property
    def poll_seconds(self) -> float:
        """How long to rest between polls."""
        return min(1.0, self._network.seconds_per_block / 5)

    def _of_effect(self, effect: str) -> Sent | None:
        with self._lock:
            return next((s for s in self._sent.values() if effect and s.effect == effect), None)

    def _urged(self, known: Sent, call: Call) -> Ticket:
        if call.due not in (None, known.call.due) and not known.mined:
            with self._lock:
                if known.nonce in self._sent:
                    sent = self._sent[known.nonce]
                    self._keep(replace(sent, call=replace(sent.call, due=call.due)))
        return Ticket(known.nonce, known.call.what)

    def _waiting(self, spent: int) -> list[Sent]:
        # Not `mined`: nobody may have asked for a receipt, and a re-org may have made one void.
        return [sent for nonce, sent in sorted(self._sent.items()) if nonce >= spent]

    def _hasten(self, waiting: list[Sent], block: BlockNo, most: Wei) -> None:
        for each in waiting:
            if block - each.since >= _PATIENCE_BLOCKS:
                self._replace(each, block, most)
            elif not self._node.knows_transaction(each.attempts[-1].tx):
                self._repeat(each)

    def _gas(self, call: Call) -> int:
        try:
            spent = self._node.nonce(self.address, "latest")
            tag = "pending" if self._has_open(spent) else "latest"
            estimate = self._node.estimate_gas(call, self.address, tag)
        except RpcRefused as error:
            raise self._explained(error, call) from None
        return estimate + estimate // 4 + 10_000 + call.spare  # blocks move on before it is mined

    def _has_open(self, spent: int) -> bool:
        with self._lock:
            return any(nonce >= spent for nonce in self._sent)

    def _explained(self, error: RpcRefused, call: Call) -> Exception:
        if error.is_verdict or "revert" in error.reason.lower():
            return revert_of(error.data, call.what)
        balance = self._node.balance(self.address)
        if balance < call.value or "insufficient funds" in error.reason or "exceeds" in error.reason:
            return _too_little(self.address, call, balance, Wei(call.value + 1))
        return error

    def _check_balance(self, call: Call, gas: int, fee: Fee) -> None:
        balance, need = self._node.balance(self.address), Wei(gas * fee.max_fee + call.value)
        if balance < need:
            raise _too_little(self.address, call, balance, need)

    def _free_nonce(self, first: int) -> int:
        nonce = first
        while nonce in self._sent:  # also a mined one: if its nonce is free again, a re-org threw it out
            nonce += 1
        return nonce

    def _sign(self, call: Call, nonce: int, gas: int, fee: Fee) -> Attempt:
        fields = {
            "type": 2,
            "chainId": self._network.chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": fee.max_fee,
            "maxPriorityFeePerGas": fee.tip,
            "value": call.value,
            "data": call.data,
        }
        if call.to is not None:
            fields["to"] = call.to
        signed = Account.from_key(self._key).sign_transaction(fields)
        return Attempt(Hash32(bytes(signed.hash)), bytes(signed.raw_transaction), fee.max_fee, fee.tip)

    def _broadcast(self, sent: Sent) -> bool:
        """Hand in a new transaction; return False if its nonce belongs to another one.

        A node that cannot be reached may have it or not: `poll` finds out.
        """
        try:
            self._node.send_raw(sent.attempts[-1].raw)
        except RpcRefused as error:
            reason = error.reason.lower()
            if error.code in BUSY_CODES or any(word in reason for word in _KNOWN) or self._is_known(sent):
                return True
            if any(word in reason for word in _NONCE_TAKEN):
                return False
            self._forget(sent.nonce)
            if "insufficient funds" in reason:
                need = Wei(sent.gas * sent.attempts[-1].max_fee + sent.call.value)
                raise _too_little(self.address, sent.call, self._node.balance(self.address), need) from None
            raise
        except TransientError:
            return True
        return True

    def _is_known(self, sent: Sent) -> bool:
        # One URL may take it and time out, the next one then calls the nonce used: by ourselves.
        try:
            return self._node.knows_transaction(sent.attempts[-1].tx)
        except TransientError:
            return True

    def _repeat(self, sent: Sent) -> None:
        # A refusal says nothing about earlier attempts, which may still be mined: nothing is forgotten here.
        with suppress(TransientError):
            self._node.send_raw(sent.attempts[-1].raw)

    def _most(self, call: Call, gas: int) -> Wei:
        if call.due is None:
            return self._network.fees.maximum
        head = self._node.head()
        if head is None:
            raise TransientError("the node has no newest block")
        now = head.timestamp if self._network.clock is Clock.TIMESTAMP else head.number
        return ceiling(self._network.fees, call.due, now, gas)

    def _replace(self, sent: Sent, block: BlockNo, most: Wei) -> None:
        """Pay more; what a later transaction may cost, those that it has to wait for may cost as well."""
        fee = bumped(self._node, self._network.fees, sent.attempts[-1], most)
        # None: it already pays as much as the network's limit allows. What the balance does not reach for
        # would be refused, and the attempt that it replaces is still good.
        if fee is None or self._node.balance(self.address) < sent.gas * fee.max_fee + sent.call.value:
            self._repeat(sent)
            return
        attempt = self._sign(sent.call, sent.nonce, sent.gas, fee)
        self._keep(sent.with_attempt(attempt, block))
        self._repeat(self._sent[sent.nonce])

    def _mined(self, sent: Sent, receipt: TxReceipt, succeeded: bool) -> TxReceipt:
        if not succeeded:
            self._forget(sent.nonce)
            raise self._failure(sent, receipt)
        if not sent.mined:
            self._keep(replace(sent, mined=True))
        return receipt

    def _failure(self, sent: Sent, receipt: TxReceipt) -> Revert:
        if receipt.gas_used >= sent.gas - sent.gas // 50:
            return Revert("OutOfGas", {"gas": sent.gas}, sent.call.what)
        try:
            self._node.call(sent.call, self.address, receipt.block)
        except Revert as error:
            return error
        except TransientError:
            pass
        return Revert("", {"transaction": receipt.tx}, sent.call.what)

    def _miss(self, sent: Sent) -> None:
        with self._lock:
            self._misses[sent.nonce] = self._misses.get(sent.nonce, 0) + 1
            if self._misses[sent.nonce] < _LOST_AFTER:
                return
            self._forget(sent.nonce)
        raise NonceTakenError(Ticket(sent.nonce, sent.call.what))

    def _verify_chain(self) -> None:
        """Forget what was sent to another chain of the same id, as each run of a local chain is."""
        if self._chain is not None:
            return
        if not self._network.may_restart:  # no node's word makes us forget, and send twice
            self._chain = Hash32(self._network.chain_id.to_bytes(32))
            return
        genesis = self._node.genesis()
        with self._lock:
            if self._loaded_for not in (None, genesis):
                self._sent.clear()
            self._chain = genesis

    def _save(self) -> None:
        assert self._chain is not None, "nothing is kept before the chain is verified"
        self._journal.save(self._chain, self._sent.values())

    def _keep(self, sent: Sent) -> None:
        with self._lock:
            self._sent[sent.nonce] = sent
            self._sent = trimmed(self._sent)
            self._save()

    def _forget(self, nonce: int) -> None:
        with self._lock:
            self._sent.pop(nonce, None)
            self._misses.pop(nonce, None)
            self._save()


def _too_little(address: Address, call: Call, balance: int, need: int) -> InputError:
    return InputError(
        f"{to_hex(address)} has {balance} wei, {call.what} needs up to {need} wei (gas and value)",
        f"send it at least {need - balance} wei of the chain's coin",
    )
