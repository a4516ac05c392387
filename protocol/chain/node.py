"""The few node methods that we use, typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from protocol.chain.calls import Call, Log, TxReceipt
from protocol.chain.errors import revert_of
from protocol.chain.networks import Network
from protocol.chain.rpc import Rpc, RpcRefused
from protocol.types import Address, BlockNo, Hash32, TransientError, Wei, to_hex

Tag = str | int
"""A block number, or "latest", "pending"."""


_PER_BATCH = 100


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
    """Typed JSON-RPC. Every method raises `TransientError` while no node answers. Thread-safe; blocking."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    @classmethod
    def of(cls, network: Network) -> "Node":
        """Return the node behind a network's URLs; nothing is asked yet."""
        return cls(Rpc(network.rpc_urls, network.chain_id))

    def block_number(self) -> BlockNo:
        """Return the number of the newest block."""
        return BlockNo(_int(self.rpc.call("eth_blockNumber")))

    def head(self, number: Tag = "latest") -> BlockHead | None:
        """Return a block's head, or None if the node does not have it."""
        return block_head(self.rpc.call("eth_getBlockByNumber", _tag(number), False))

    def genesis(self) -> Hash32:
        """Return the hash of block 0: tells a local chain from the one that had its chain id before."""
        head = self.head(0)
        if head is None:
            raise TransientError("the node does not have block 0")
        return head.hash

    def base_fee(self) -> Wei:
        """Return the newest block's base fee per gas; the node's gas price where there is none."""
        block = self.rpc.call("eth_getBlockByNumber", "latest", False)
        if block is None:
            raise TransientError("the node has no newest block")
        return Wei(_int(block.get("baseFeePerGas") or self.rpc.call("eth_gasPrice")))

    def balance(self, address: Address) -> Wei:
        """Return a balance of native coin."""
        return Wei(_int(self.rpc.call("eth_getBalance", to_hex(address), "latest")))

    def nonce(self, address: Address, tag: Tag) -> int:
        """Return how many transactions of `address` are mined ("latest") or at least known ("pending")."""
        return _int(self.rpc.call("eth_getTransactionCount", to_hex(address), _tag(tag)))

    def code(self, address: Address) -> bytes:
        """Return a contract's code; empty for anything else."""
        return _bytes(self.rpc.call("eth_getCode", to_hex(address), "latest"))

    def call(
        self, call: Call, sender: Address | None = None, tag: Tag = "latest", gas: int | None = None
    ) -> bytes:
        """Return what `call` would return. `Revert` if it would fail, also for want of `gas`, if given."""
        fields = _call_object(call, sender) | ({} if gas is None else {"gas": hex(gas)})
        try:
            return _bytes(self.rpc.call("eth_call", fields, _tag(tag)))
        except RpcRefused as error:
            if error.code == 3 or error.data:
                raise revert_of(error.data, call.what) from None
            raise

    def call_many(self, calls: Sequence[Call], tag: Tag = "latest") -> list[bytes]:
        """Return what many calls return, in requests of as many as public nodes accept."""
        requests = [("eth_call", [_call_object(call, None), _tag(tag)]) for call in calls]
        parts = (requests[first : first + _PER_BATCH] for first in range(0, len(requests), _PER_BATCH))
        return [_bytes(result) for part in parts for result in self.rpc.batch(*part)]

    def estimate_gas(self, call: Call, sender: Address, tag: Tag) -> int:
        """Return the gas that `call` needs. `RpcRefused` if it would fail."""
        return _int(self.rpc.call("eth_estimateGas", _call_object(call, sender), _tag(tag)))

    def send_raw(self, raw: bytes) -> None:
        """Hand a signed transaction to the network."""
        self.rpc.call("eth_sendRawTransaction", to_hex(raw))

    def knows_transaction(self, tx: Hash32) -> bool:
        """Tell whether the node has a transaction, mined or not."""
        return self.rpc.call("eth_getTransactionByHash", to_hex(tx)) is not None

    def transactions(self, hashes: Sequence[Hash32]) -> list[Transaction]:
        """Return transactions, in order. `TransientError` if the node lacks one: a re-org took it, say."""
        found: list[Transaction] = []
        for first in range(0, len(hashes), _PER_BATCH):
            part = hashes[first : first + _PER_BATCH]
            raw = self.rpc.batch(*(("eth_getTransactionByHash", [to_hex(tx)]) for tx in part))
            if None in raw:
                raise TransientError(f"the node does not have transaction {to_hex(part[raw.index(None)])}")
            found.extend(map(_transaction, raw))
        return found

    def receipt(self, tx: Hash32) -> tuple[TxReceipt, bool] | None:
        """Return a mined transaction's receipt and whether it succeeded, or None."""
        raw = self.rpc.call("eth_getTransactionReceipt", to_hex(tx))
        if raw is None or raw.get("blockNumber") is None:
            return None
        gas = _int(raw["gasUsed"])
        fee = gas * _int(raw["effectiveGasPrice"]) + _int(raw.get("l1Fee") or "0x0")
        created = raw.get("contractAddress")
        receipt = TxReceipt(
            tx=tx,
            block=BlockNo(_int(raw["blockNumber"])),
            gas_used=gas,
            fee=Wei(fee),
            created=Address(_bytes(created)) if created else None,
            logs=tuple(map(_log, raw["logs"])),
        )
        return receipt, _int(raw["status"]) == 1

    def logs(
        self,
        addresses: Sequence[Address],
        first: int,
        last: int,
        topics: Sequence[bytes | Sequence[bytes] | None] = (),
    ) -> tuple[tuple[Log, ...], BlockHead]:
        """Return the logs of blocks `first` to `last`, oldest first, and the head of `last`.

        Both come from one node in one request, so a node that lags behind `last` is noticed
        (`TransientError`) and cannot hide logs by not having them yet.
        """
        query = {
            "address": [to_hex(a) for a in addresses],
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "topics": [_topic(t) for t in topics],
        }
        found, block = self.rpc.batch(("eth_getLogs", [query]), ("eth_getBlockByNumber", [hex(last), False]))
        head = block_head(block)
        if head is None:
            raise TransientError(f"the node that answered does not have block {last} yet")
        logs = tuple(sorted(map(_log, found), key=lambda log: (log.block, log.index)))
        return logs, head


def block_head(raw: Any) -> BlockHead | None:
    """Return the head in a node's block object."""
    if raw is None:
        return None
    return BlockHead(
        BlockNo(_int(raw["number"])),
        Hash32(_bytes(raw["hash"])),
        Hash32(_bytes(raw["parentHash"])),
        _int(raw["timestamp"]),
    )


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
        block=BlockNo(_int(raw["blockNumber"])),
        block_hash=Hash32(_bytes(raw["blockHash"])),
        index=_int(raw["logIndex"]),
        tx=Hash32(_bytes(raw["transactionHash"])),
    )


def _transaction(raw: Any) -> Transaction:
    to = raw.get("to")
    data = raw.get("input") or raw.get("data") or "0x"
    sender, receiver = Address(_bytes(raw["from"])), Address(_bytes(to)) if to else None
    return Transaction(sender, receiver, _bytes(data), Wei(_int(raw["value"])))


def _topic(topic: bytes | Sequence[bytes] | None) -> str | list[str] | None:
    if topic is None:
        return None
    return to_hex(topic) if isinstance(topic, bytes) else [to_hex(t) for t in topic]


def _tag(tag: Tag) -> str:
    return hex(tag) if isinstance(tag, int) else tag


def _int(text: Any) -> int:
    return int(text, 16)


def _bytes(text: Any) -> bytes:
    return bytes.fromhex(text[2:])
