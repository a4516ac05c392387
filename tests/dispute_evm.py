"""The real contracts in an EVM in this process: Escrow, Staking, Referee, Disputes, and a posted lease."""

import re
from functools import cache
from itertools import count
from typing import Any

from eth_abi import encode
from pyrevm import EVM, AccountInfo, BlockEnv

from protocol.chain.codec import Abi
from protocol.crypto import keccak256, sign_digest
from protocol.dispute.calls import FUNCTIONS, arguments
from protocol.dispute.model import Context, Sentence, State, Stored
from protocol.dispute.moves import Call, Challenge
from protocol.dispute.names import Case
from protocol.dispute.records import Game
from protocol.messages import Bid
from protocol.messages.message import Domain
from protocol.types import ZERO_HASH, Address, Hash32, LeaseId
from tests.dispute_table import CLIENT, OPERATOR, OPERATOR_KEY, OWNER, SEATS, STRANGER, TERMS
from tests.portable import portable

DEPLOYER = Address(b"\xde" * 20)
RICH = 10**30
GAS = 60_000_000
_REVERT = re.compile(r"output: 0x([0-9a-f]*)")


def hexed(address: Address) -> str:
    """As pyrevm takes it."""
    return "0x" + address.hex()


def _words(bid: Bid) -> list[bytes]:
    packed = bid.packed()
    return [packed[at : at + 32] for at in range(0, len(packed), 32)]


def created(nonce: int) -> Address:
    """Where the deployer's contract of this nonce stands."""
    rlp = b"\xd6\x94" + DEPLOYER + (nonce.to_bytes(1, "big") if nonce else b"\x80")
    return Address(keccak256(rlp)[12:])


class Chain:
    """One deployment. Every call is a transaction; a refused one changes nothing."""

    def __init__(self) -> None:
        self.evm = EVM()
        self.token_abi, self.escrow_abi, self.staking_abi = map(
            Abi.shipped, ("LocalToken", "Escrow", "Staking")
        )
        self.abi = Abi.shipped("Disputes")
        self.errors = {
            selector: entry.name
            for each in (self.abi, self.escrow_abi, Abi.shipped("Referee"))
            for selector, entry in each.errors.items()
        }
        self.funded: set[Address] = set()
        self.cases: set[Case] = set()
        self._nonces = count(1)
        self.base = self.base_credits = 0  # coin and rewards that earlier tables left in the contract
        self._block(1)
        self._fund(DEPLOYER)
        token = self._create(self.token_abi.creation_code("Local", "LOC", 18))
        referee = self._create(portable("Referee").bytecode)
        seats = [(created(3), 1), *SEATS.items()]
        listed = [(token, TERMS.reserves[0], 0, 0)]
        escrow = self._create(
            self.escrow_abi.creation_code((listed, seats, 1, bytes(20), 2, 1_000, 500, 1_600))
        )
        t = TERMS
        spans = (1, bytes(20), t.move_clock, t.increment, t.claim_period, t.tip, t.data_fee)
        terms = encode(
            ["address", "address", "(uint8,address,uint32,uint32,uint32,uint64,uint64,uint128[4])"],
            [escrow, referee, (*spans, t.coin_prices)],
        )
        self.disputes = self._create(portable("Disputes").bytecode + terms)
        assert self.disputes == created(3)
        self.token, self.escrow = token, escrow
        (staking,) = self.escrow_abi.results("staking", self._view(escrow, self.escrow_abi, "staking"))
        self._enrol(Address(staking))

    # ----------------------------------------------------------------------------------------------- plumbing

    def _block(self, number: int) -> None:
        self.evm.set_block_env(BlockEnv(number=number, timestamp=number))

    def _fund(self, account: Address) -> None:
        if account not in self.funded:
            self.evm.insert_account_info(hexed(account), AccountInfo(balance=RICH))
            self.funded.add(account)

    def _create(self, code: bytes) -> Address:
        return Address(bytes.fromhex(self.evm.deploy(hexed(DEPLOYER), code, gas=GAS, gas_price=0)[2:]))

    def _send(self, sender: Address, to: Address, abi: Abi, name: str, *values: Any) -> None:
        self._fund(sender)
        data = abi.call_data(name, *values)
        self.evm.message_call(hexed(sender), hexed(to), calldata=data, gas=GAS, gas_price=0)

    def _view(self, to: Address, abi: Abi, name: str, *values: Any) -> bytes:
        data = abi.call_data(name, *values)
        answer = self.evm.message_call(
            hexed(DEPLOYER), hexed(to), calldata=data, gas=GAS, gas_price=0, is_static=True
        )
        return bytes(answer)

    def ask(self, name: str, *values: Any) -> Any:
        """What a view of Disputes says."""
        found = self.abi.results(name, self._view(self.disputes, self.abi, name, *values))
        return found[0] if len(found) == 1 else found

    def _enrol(self, staking: Address) -> None:
        lots = 10**27
        for account, to in ((OWNER, staking), (CLIENT, self.escrow)):
            self._send(DEPLOYER, self.token, self.token_abi, "mint", account, lots)
            self._send(account, self.token, self.token_abi, "approve", to, lots)
        self._send(OWNER, staking, self.staking_abi, "stake", 0, lots, 10**21, lots)
        self._send(OWNER, self.escrow, self.escrow_abi, "register", OPERATOR, b"here")
        self._send(CLIENT, self.escrow, self.escrow_abi, "deposit", 0, CLIENT, lots)
        separator = self._view(self.escrow, self.escrow_abi, "DOMAIN_SEPARATOR")
        self.domain = next(
            domain
            for domain in (Domain(chain, self.escrow) for chain in (1, 31337))
            if domain.separator() == separator
        )

    # ------------------------------------------------------------------------------------------- the contract

    def nonce(self) -> int:
        """See Contract."""
        return next(self._nonces)

    def set_operator(self, operator: Address) -> None:
        """The owner names the key that answers."""
        self._send(OWNER, self.escrow, self.escrow_abi, "setOperator", operator)

    def open_lease(self, bid: Bid, output_root: Hash32, started: int, posted: int) -> None:
        """See Contract."""
        # Nothing of an earlier table may show at this one.
        self._send(OWNER, self.disputes, self.abi, "withdrawCoin", STRANGER)
        self.base, self.base_credits = self.evm.get_balance(hexed(self.disputes)), self._credits()
        words = _words(bid)
        self._block(started - 1)
        signature = sign_digest(OPERATOR_KEY, bid.digest(self.domain))
        self._send(CLIENT, self.escrow, self.escrow_abi, "openLease", words, signature)
        self._block(started)
        self._send(OPERATOR, self.escrow, self.escrow_abi, "start", words)
        self._block(posted)
        self._send(
            OPERATOR, self.escrow, self.escrow_abi, "postResult", OWNER, bid.struct_hash(), output_root
        )

    def _credits(self) -> int:
        of = self._view(self.escrow, self.escrow_abi, "creditsOf", 0, self.disputes)
        return int(self.escrow_abi.results("creditsOf", of)[0])

    def judge(self, judge: Address, function: str, bid: Bid, now: int) -> str | None:
        """See Contract."""
        self._block(now)
        values = (_words(bid), 0) if function == "convict" else (_words(bid),)
        try:
            self._send(judge, self.escrow, self.escrow_abi, function, *values)
        except RuntimeError as error:
            return self._error(str(error))
        return None

    def call(self, call: Call, context: Context) -> str | None:
        """See Contract."""
        self.evm.set_balance(hexed(context.sender), context.balance + GAS * context.gas_price + context.value)
        self.funded.discard(context.sender)
        self._block(context.now)
        data = self.abi.call_data(FUNCTIONS[type(call)], *arguments(call))
        try:
            self.evm.message_call(
                hexed(context.sender),
                hexed(self.disputes),
                calldata=data,
                value=context.value or None,
                gas=GAS,
                gas_price=context.gas_price,
            )
        except RuntimeError as error:
            return self._error(str(error))
        if isinstance(call, Challenge):
            self.cases.add(call.case)
        return None

    def _error(self, text: str) -> str:
        found = _REVERT.search(text)
        assert found, text
        name = self.errors.get(bytes.fromhex(found[1])[:4])
        assert name, text
        return "Referee" if name.startswith("Referee") else name

    def check(self, state: State, game: Hash32 | None) -> None:
        """See Contract."""
        if game is not None:
            held = state.games.get(game)
            *numbers, position = self.ask("gameOf", game)
            names = ("opened_at", "moved_at", "provider_left", "challenger_left", "bond")
            order = ("phase", *names, "path", "levels", "shown", "chosen", "tag")
            theirs = dict(zip(order, numbers, strict=True))
            mine = held or Stored(Game(phase=0))  # type: ignore[arg-type]
            ours = {name: int(getattr(mine.game, name)) for name in order}
            assert theirs == ours, (theirs, ours)
            assert position == mine.position
        assert self.evm.get_balance(hexed(self.disputes)) == self.base + state.held

    def check_all(self, state: State) -> None:
        """See Contract."""
        for game in state.games:
            self.check(state, game)
        for case in self.cases:
            if case.lease_id in state.leases:
                words = (case.lease_id, case.job_hash, case.item, case.item_root)
                assert self.ask("traceOf", words) == state.traces.get(case.id, ZERO_HASH)
        for lease_id, lease in state.leases.items():
            self._check_verdict(lease_id, state.sentences.get(lease_id, Sentence()))
            view = self.escrow_abi.results(
                "leaseOf", self._view(self.escrow, self.escrow_abi, "leaseOf", lease_id)
            )[0]
            assert view[0] == (12 if lease.convicted else 4)
            assert lease.convicted or view[10] == lease.freezes
        assert self._credits() == self.base_credits + state.credits
        for account, coin in state.coins.items():
            assert self.ask("coinOf", account) == coin

    def _check_verdict(self, lease_id: LeaseId, mine: Sentence) -> None:
        reward = mine.fixed if mine.settled else 0
        wanted = (int(mine.how), mine.settled, mine.since, mine.claims, mine.won, reward)
        assert self.ask("verdictOf", lease_id) == wanted


@cache
def portable_chain() -> Chain:
    """The one of this process: compiling takes longer than any test."""
    return Chain()
