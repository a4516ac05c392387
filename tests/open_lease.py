"""A posted result about which a game, a demand and an audit are open at once, and calls about it in bulk.

The job is made of hashes alone: nothing of it is ever computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import requests

from protocol.chain.localnet import Localnet
from protocol.crypto import address_of, keccak256
from protocol.dispute import moves
from protocol.dispute.calls import values_of
from protocol.dispute.delivery import DemandItems, Kind, Spot, Wanted
from protocol.dispute.names import Case, Job, Position, Program, game_id
from protocol.dispute.records import Phase
from protocol.dispute.trees import root_of
from protocol.tape.roots import items_tree
from protocol.types import ZERO_HASH, Amount, Blocks, Verification
from tests.audit_rig import TO_DRAW, enlist
from tests.chain_helpers import OPERATOR, make_bid, ready_client, ready_provider, sign_bid
from tests.chain_helpers import STRANGER as CHALLENGER
from tests.malformed import Bad

CONTRACTS = ("Escrow", "Staking", "Disputes", "Delivery", "Audits")
AUDITOR = 6
ITEMS, NODES, OUTPUTS = 4, 40, 1
SEAL = keccak256(b"seal")
LEAVES = tuple(keccak256(bytes([i])) if i < NODES - OUTPUTS else ZERO_HASH for i in range(64))
CHILDREN = tuple(root_of(LEAVES[i : i + 2]) for i in range(0, 64, 2))
GAS, MANY = 400_000, 500
"""Of each call; calls in one request."""
Sent = tuple[int, Bad]
"""An account's number, and what it calls."""


class Contract(NamedTuple):
    """What one contract holds."""

    storage: str
    """The root of it."""
    coin: str


Print = tuple[Contract, ...]
"""Of all contracts; the token is the last."""


@dataclass(frozen=True)
class OpenLease:
    """A lease with a game that waits for its challenger, a demand and a drawn audit; what is known of it."""

    net: Localnet
    known: dict[str, Any]

    @property
    def contracts(self) -> dict[str, str]:
        """Addresses by name, the token's among them."""
        made = self.net.deployment
        found = {name: getattr(made, name.lower()) for name in CONTRACTS}
        return {name: f"0x{each.hex()}" for name, each in {**found, "token": made.tokens[0].address}.items()}

    def account(self, who: int) -> str:
        """The address of an account."""
        return f"0x{address_of(self.net.keys[who]).hex()}"

    def ask(self, method: str, params: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Answers of the node, errors among them."""
        answers: list[dict[str, Any]] = []
        with requests.Session() as session:
            for start in range(0, len(params), MANY):
                part = [
                    {"jsonrpc": "2.0", "id": number, "method": method, "params": each}
                    for number, each in enumerate(params[start : start + MANY])
                ]
                got = session.post(self.net.url, json=part, timeout=120).json()
                answers += sorted(got, key=lambda each: each["id"])
        return answers

    def request(self, who: int, call: Bad) -> dict[str, str]:
        """A call as the node takes it."""
        to = self.contracts[call.contract]
        return {"from": self.account(who), "to": to, "data": f"0x{call.data.hex()}", "gas": hex(GAS)}

    def answers(self, calls: Sequence[Sent]) -> list[dict[str, Any]]:
        """What they would return or say now."""
        return self.ask("eth_call", [[self.request(who, call), "latest"] for who, call in calls])

    def send(self, calls: Sequence[Sent]) -> list[bool]:
        """Put all into one block; tell which succeeded."""
        anvil, requests_, nonces = self.net.anvil, [], {}
        for who, call in calls:
            if who not in nonces:
                nonces[who] = int(anvil.call("eth_getTransactionCount", self.account(who), "latest"), 16)
            requests_.append([{**self.request(who, call), "nonce": hex(nonces[who])}])
            nonces[who] += 1
        anvil.call("evm_setAutomine", False)
        anvil.call("evm_setBlockGasLimit", hex(GAS * (len(calls) + 1)))
        hashes = [each["result"] for each in self.ask("eth_sendTransaction", requests_)]
        anvil.mine()
        anvil.call("evm_setAutomine", True)
        found = self.ask("eth_getTransactionReceipt", [[each] for each in hashes])
        return [int(each["result"]["status"], 16) == 1 for each in found]

    def print(self) -> Print:
        """All storage and all coin of all contracts."""
        asked = [[each, [], "latest"] for each in self.contracts.values()]
        found = [answer["result"] for answer in self.ask("eth_getProof", asked)]
        return tuple(Contract(each["storageHash"], each["balance"]) for each in found)


def open_lease(localnet: Localnet) -> OpenLease:
    """Play until all is open: a game whose trace is posted, a demand of the item roots, one drawn auditor."""
    enlist(localnet, AUDITOR)
    ready_provider(localnet)
    client, operator, challenger = (
        ready_client(localnet),
        localnet.chain(OPERATOR),
        localnet.chain(CHALLENGER),
    )
    roots = (keccak256(name) for name in (b"inputs", b"constants", b"nodes"))
    job = Job(Program(1, 0, NODES, OUTPUTS, *roots), keccak256(b"input"), ITEMS)
    bid = make_bid(
        localnet, job_hash=job.hash, verification=int(Verification.TAPE), challenge_window=Blocks(600)
    )
    items = items_tree([keccak256(b"item %d" % item) for item in range(ITEMS)])
    client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    operator.send(operator.escrow.start(bid))
    operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), items.root))

    fee = client.audit_fee(bid, ITEMS)
    client.send(client.token(0).approve(client.audits.address, Amount(fee)))
    client.send(client.audits.order(bid, job, 1))
    localnet.anvil.mine(TO_DRAW)
    client.send(client.audits.draw(bid, True))

    wanted = Wanted(Kind.ITEMS, items.root, 32 * ITEMS)
    demand = DemandItems(wanted, Spot(0, 0, 0, 2), ())
    client.send(client.delivery.demand(bid, job, demand, client.demand_bond(wanted.size)))

    item_root, proof = items.hash_at(0, 0), tuple(items.proof(0))
    case = Case(bid.lease_id(), job.hash, 0, item_root)
    opening = moves.Challenge(bid, job, 0, item_root, proof, SEAL)
    challenger.send(challenger.disputes.challenge(opening, challenger.bond(bid, ITEMS)))
    owner, bid_hash = bid.owner, bid.struct_hash()
    trace = moves.PostTrace(owner, bid_hash, case, challenger.address, SEAL, CHILDREN)
    operator.send(operator.disputes.move(trace))
    game = game_id(case.id, challenger.address, SEAL)
    now = challenger.game(game).game
    assert (now.phase, challenger.lease(bid.lease_id()).freezes) == (Phase.PICK, 3)
    known = {
        "bid:bytes32[6]": values_of(bid),
        "bids:bytes32[6][]": [values_of(bid)],
        "job:tuple": values_of(job),
        "job[]:tuple": [values_of(job)],
        "case:tuple": values_of(case),
        "caseId:bytes32": case.id,
        "position:tuple": values_of(Position(root_of(CHILDREN), operator=operator.address)),
        "leaseId:bytes32": bid.lease_id(),
        "owner:address": owner,
        "bidHash:bytes32": bid_hash,
        "bidHashes:bytes32[]": [bid_hash],
        "outputRoot:bytes32": items.root,
        "challenger:address": challenger.address,
        "seal:bytes32": SEAL,
        "seed:bytes32": client.audit(bid.lease_id(), True).seed,
        "game:bytes32": game,
        "tag:uint48": now.tag,
        "children:bytes32[]": CHILDREN,
        "item:uint256": 0,
        "itemRoot:bytes32": item_root,
        "proof:bytes32[]": proof,
        "delegates:address[]": [],
        "wanted:tuple": values_of(wanted),
        "kind:uint8": int(Kind.ITEMS),
        "data:bytes": b"".join(items.hash_at(0, item) for item in range(ITEMS)),
        "task:uint256": 0,
        "token:uint8": 0,
        "node:bytes32": items.root,
    }
    return OpenLease(localnet, known)
