"""The few node methods that we use, typed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from protocol.chain.calls import Call, Log, TxReceipt
from protocol.chain.errors import revert_of
from protocol.chain.networks import Network
from protocol.chain.rpc import MOST_READ, STILL_S, Rpc, RpcRefused, quantity
from protocol.types import Address, BlockNo, Hash32, Wei, to_hex

T = TypeVar("T")
Tag = str | int
"""A block number, or "latest", "pending"."""
_SLOW_BLOCKS = 5
"""Times a chain's usual time after which a block is late."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as it was signed: what its hash fixes."""

    sender: Address
    to: Address | None
    data: bytes
    value: Wei
    """Native coin that went with it."""


@dataclass(frozen=True, slots=True)
class BlockHead:
    """A block, as far as we look at it."""

    number: BlockNo
    hash: Hash32
    parent: Hash32
    timestamp: int


class Node:
    """Typed JSON-RPC. Every method raises `TransientError` while no node answers what can be read.

    Thread-safe; blocking.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    @classmethod
    def of(cls, network: Network) -> "Node":
        """Return the node behind a network's URLs; nothing is asked yet."""
        still_s = max(STILL_S, _SLOW_BLOCKS * network.seconds_per_block)
        urls, restarts = network.rpc_urls, network.may_restart
        return cls(Rpc(urls, network.chain_id, may_restart=restarts, still_s=still_s))

    def block_number(self) -> BlockNo:
        """Return the number of the newest block."""
        return BlockNo(self.rpc.block_number())

    def has_reached(self, block: BlockNo) -> bool:
        """Whether whoever is read from now on has a block that some node has shown."""
        return self.rpc.front is None or self.block_number() >= block

    def head(self, number: Tag = "latest") -> BlockHead | None:
        """Return a block's head, or None if the node does not have it."""
        parse = _some_head if isinstance(number, str) else block_head
        return self._ask(parse, "eth_getBlockByNumber", _tag(number), False)

    def genesis(self) -> Hash32:
        """Return the hash of block 0: tells a local chain from the one that had its chain id before.

        Public nodes have often dropped it.
        """
        return self._ask(_some_head, "eth_getBlockByNumber", _tag(0), False).hash

    def base_fee(self) -> Wei:
        """Return the newest block's base fee per gas; the node's gas price where there is none."""
        fee = self._ask(_base_fee, "eth_getBlockByNumber", "latest", False)
        return Wei(self._ask(quantity, "eth_gasPrice") if fee is None else fee)

    def balance(self, address: Address) -> Wei:
        """Return a balance of native coin."""
        return Wei(self._ask(quantity, "eth_getBalance", to_hex(address), "latest"))

    def nonce(self, address: Address, tag: Tag) -> int:
        """Return how many transactions of `address` are mined ("latest") or at least known ("pending")."""
        return self._ask(quantity, "eth_getTransactionCount", to_hex(address), _tag(tag))

    def code(self, address: Address) -> bytes:
        """Return a contract's code; empty for anything else."""
        return self._ask(_bytes, "eth_getCode", to_hex(address), "latest")

    def call(
        self, call: Call, sender: Address | None = None, tag: Tag = "latest", gas: int | None = None
    ) -> bytes:
        """Return what `call` would return. `Revert` if it would fail, also for want of `gas`, if given."""
        return self.view(call, bytes, sender, tag, gas)

    def view(
        self,
        call: Call,
        parse: Callable[[bytes], T],
        sender: Address | None = None,
        tag: Tag = "latest",
        gas: int | None = None,
        *,
        sure: bool = False,
    ) -> T:
        """Return what `parse` makes of a call's answer; a node whose answer it refuses is passed over.

        `Revert` if it fails, but for what is `sure` not to, whatever strangers put into it: then the node is
        wrong.
        """
        fields = _call_object(call, sender) | ({} if gas is None else {"gas": hex(gas)})
        request = ("eth_call", [fields, _tag(tag)])
        try:
            return self.rpc.read(lambda found: parse(_bytes(found[0])), request, sure=sure)
        except RpcRefused as error:
            if error.is_verdict:
                raise revert_of(error.data, call.what) from None
            raise

    def views(
        self, calls: Sequence[Call], parse: Callable[[bytes], T], tag: Tag = "latest", *, sure: bool = True
    ) -> list[T]:
        """Return what many calls return, as `view`, in requests of as many as public nodes accept."""
        requests = [("eth_call", [_call_object(call, None), _tag(tag)]) for call in calls]
        found: list[T] = []
        for first in range(0, len(requests), MOST_READ):
            part = requests[first : first + MOST_READ]
            found += self.rpc.read(lambda each: [parse(_bytes(one)) for one in each], *part, sure=sure)
        return found

    def estimate_gas(self, call: Call, sender: Address, tag: Tag) -> int:
        """Return the gas that `call` needs. `RpcRefused` if it would fail."""
        return self._ask(quantity, "eth_estimateGas", _call_object(call, sender), _tag(tag))

    def _ask(self, parse: Callable[[Any], T], method: str, *params: Any) -> T:
        return self.rpc.read(lambda found: parse(found[0]), (method, params))

    def send_raw(self, raw: bytes) -> None:
        """Hand a signed transaction to the network."""
        self.rpc.call("eth_sendRawTransaction", to_hex(raw))

    def knows_transaction(self, tx: Hash32) -> bool:
        """Tell whether the node has a transaction, mined or not."""
        return self._ask(lambda found: found is not None, "eth_getTransactionByHash", to_hex(tx))

    def transactions(self, hashes: Sequence[Hash32]) -> list[Transaction]:
        """Return transactions, in order. `TransientError` if no node has one: a re-org took it, say."""
        found: list[Transaction] = []
        for first in range(0, len(hashes), MOST_READ):
            part = hashes[first : first + MOST_READ]
            requests = (("eth_getTransactionByHash", [to_hex(tx)]) for tx in part)
            found += self.rpc.read(partial(_transactions, part), *requests)
        return found

    def receipt(self, tx: Hash32) -> tuple[TxReceipt, bool] | None:
        """Return a mined transaction's receipt and whether it succeeded, or None."""
        return self._ask(partial(_receipt, tx), "eth_getTransactionReceipt", to_hex(tx))

    def fate(self, hashes: Sequence[Hash32], sender: Address) -> tuple[tuple[TxReceipt, bool] | None, int]:
        """Return the receipt of whichever of these transactions is mined, and `sender`'s mined ones' number.

        By one node: what one calls spent, another that is behind would say has no receipt.
        """
        receipts = [("eth_getTransactionReceipt", [to_hex(tx)]) for tx in hashes[: MOST_READ - 1]]

        def read(answers: list[Any]) -> tuple[tuple[TxReceipt, bool] | None, int]:
            found = (_receipt(tx, raw) for tx, raw in zip(hashes, answers[:-1], strict=False))
            return next(filter(None, found), None), quantity(answers[-1])

        return self.rpc.read(read, *receipts, ("eth_getTransactionCount", [to_hex(sender), "latest"]))

    def logs(
        self,
        addresses: Sequence[Address],
        first: int,
        last: int,
        topics: Sequence[bytes | Sequence[bytes] | None],
        parse: Callable[[tuple[Log, ...]], T],
    ) -> tuple[T, BlockHead]:
        """Return what `parse` makes of the logs of blocks `first` to `last`, oldest first, and the last head.

        Both come from one node in one request, so a node that lags behind `last` is noticed, passed over
        and cannot hide logs by not having them yet. So is one whose logs `parse` refuses.
        """
        query = {
            "address": [to_hex(a) for a in addresses],
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [_topic(t) for t in topics],
        }

        def read(answers: list[Any]) -> tuple[T, BlockHead]:
            head = block_head(answers[1])
            if head is None:
                raise ValueError(f"does not have block {last} yet")
            if not isinstance(answers[0], list):  # an object or a text would pass for no logs
                raise ValueError("lists no logs")
            logs = sorted(map(_log, answers[0]), key=lambda log: (log.block, log.index))
            return parse(tuple(logs)), head

        return self.rpc.read(read, ("eth_getLogs", [query]), ("eth_getBlockByNumber", [hex(last), False]))


def block_head(raw: Any) -> BlockHead | None:
    """Return the head in a node's block object."""
    if raw is None:
        return None
    return BlockHead(
        BlockNo(quantity(raw["number"])),
        Hash32(_bytes(raw["hash"])),
        Hash32(_bytes(raw["parentHash"])),
        quantity(raw["timestamp"]),
    )


def _some_head(raw: Any) -> BlockHead:
    head = block_head(raw)
    if head is None:
        raise ValueError("does not have that block")
    return head


def _base_fee(block: Any) -> int | None:
    _some_head(block)
    fee = block.get("baseFeePerGas")
    return None if fee is None else quantity(fee)


def _receipt(tx: Hash32, raw: Any) -> tuple[TxReceipt, bool] | None:
    if raw is None or raw.get("blockNumber") is None:
        return None
    gas = quantity(raw["gasUsed"])
    fee = gas * quantity(raw["effectiveGasPrice"]) + quantity(raw.get("l1Fee") or "0x0")
    created = raw.get("contractAddress")
    receipt = TxReceipt(
        tx=tx,
        block=BlockNo(quantity(raw["blockNumber"])),
        gas_used=gas,
        fee=Wei(fee),
        created=Address(_bytes(created)) if created else None,
        logs=tuple(map(_log, raw["logs"])),
    )
    return receipt, quantity(raw["status"]) == 1


def _call_object(call: Call, sender: Address | None) -> dict[str, str]:
    fields = {"data": to_hex(call.data), "value": hex(call.value)}
    if call.to is not None:
        fields["to"] = to_hex(call.to)
    if sender is not None:
        fields["from"] = to_hex(sender)
    return fields


def _log(raw: Any) -> Log:
    return Log(
        address=Address(_bytes(raw["address"])),
        topics=tuple(map(_bytes, raw["topics"])),
        data=_bytes(raw["data"]),
        block=BlockNo(quantity(raw["blockNumber"])),
        block_hash=Hash32(_bytes(raw["blockHash"])),
        index=quantity(raw["logIndex"]),
        tx=Hash32(_bytes(raw["transactionHash"])),
    )


def _transactions(hashes: Sequence[Hash32], raw: list[Any]) -> list[Transaction]:
    if None in raw:
        raise ValueError(f"does not have transaction {to_hex(hashes[raw.index(None)])}")
    return list(map(_transaction, raw))


def _transaction(raw: Any) -> Transaction:
    to = raw.get("to")
    data = raw.get("input") or raw.get("data") or "0x"
    sender, receiver = Address(_bytes(raw["from"])), Address(_bytes(to)) if to else None
    return Transaction(sender, receiver, _bytes(data), Wei(quantity(raw["value"])))


def _topic(topic: bytes | Sequence[bytes] | None) -> str | list[str] | None:
    if topic is None:
        return None
    return to_hex(topic) if isinstance(topic, bytes) else [to_hex(t) for t in topic]


def _tag(tag: Tag) -> str:
    return hex(tag) if isinstance(tag, int) else tag


def _bytes(text: Any) -> bytes:
    if not text.startswith("0x"):
        raise ValueError("is no hexadecimal text")
    return bytes.fromhex(text[2:])
