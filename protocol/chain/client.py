"""The chain as roles see it: typed reads, past events, calls to send. Blocking; see `AsyncChain`."""

from collections.abc import Sequence
from functools import cached_property, partial

from protocol.chain.audit_reads import AuditReads
from protocol.chain.book import AddressBook, weights_of
from protocol.chain.calls import Call, TxReceipt
from protocol.chain.codec import decode_values
from protocol.chain.delivery_reads import SeenDemand
from protocol.chain.demands import DemandReader
from protocol.chain.events import LeaseOpened
from protocol.chain.game_steps import PlayedGame
from protocol.chain.games import GameReader
from protocol.chain.histories import Histories
from protocol.chain.kept import Kept
from protocol.chain.networks import Clock, Deployment, Network
from protocol.chain.networks_file import newest
from protocol.chain.node import Node
from protocol.chain.permits import Permit, sign_permit
from protocol.chain.scan import Scanner
from protocol.chain.sender import Sender
from protocol.chain.sent import SentJournal
from protocol.chain.views import OpenedLease, ProviderHistory, Registered
from protocol.dispute.names import Job
from protocol.messages import Bid
from protocol.types import (
    Address,
    Amount,
    BlockNo,
    Hash32,
    InputError,
    LeaseId,
    Verification,
    to_hex,
)

_FAR_FUTURE = 1 << 48
_READ_S = 10.0
"""For so long logs are read where nobody waits for them with money at stake."""


class Chain(AuditReads):
    """One deployment on one network, with or without a key to send from. Thread-safe; blocking."""

    def __init__(self, node: Node, network: Network, deployment: Deployment, sender: Sender | None) -> None:
        super().__init__(node, network, deployment)
        self._sender = sender
        self.scanner = Scanner(self)
        self.games = GameReader(self, self.scanner)
        self.demands = DemandReader(self, self.scanner)
        self.book = AddressBook(self, self.scanner, Kept.of(network, deployment, "providers"))
        self.histories = Histories(self, self.scanner, Kept.of(network, deployment, "histories"))

    @classmethod
    def connect(
        cls,
        network: Network,
        key: bytes | None = None,
        deployment: Deployment | None = None,
        journal: SentJournal | None = None,
    ) -> "Chain":
        """Return the adapter; nothing is asked of any node yet.

        Without `deployment`, the newest (`InputError` if the network has none). `key` is a 32-byte private
        key; a daemon gives a `FileJournal` too, so that a crash cannot make it send twice.
        """
        node = Node.of(network)
        sender = Sender(node, network, key, journal) if key is not None else None
        return cls(node, network, deployment or newest(network), sender)

    def with_key(self, key: bytes, journal: SentJournal | None = None) -> "Chain":
        """Return the same chain sending from another key."""
        return Chain(self.node, self.network, self.deployment, Sender(self.node, self.network, key, journal))

    def check(self) -> None:
        """Make sure that node, contracts and networks.yaml agree. `InputError` says what does not."""
        where = f"network {self.network.name!r} in {self.network.source}"
        for name, address in (("escrow", self.escrow.address), ("staking", self.staking.address)):
            if not self.node.code(address):
                raise InputError(f"{where}: there is no contract at {name} {to_hex(address)}")
        made = self.deployment
        judges = {"disputes": made.disputes, "delivery": made.delivery, "audits": made.audits}
        for name, judge in judges.items():
            if judge is not None and self.kind_of(judge) != Verification.TAPE:
                raise InputError(f"{where}: {name} {to_hex(judge)} is no judge of tapes for that Escrow")
        mode = self.node.view(self._plain("CLOCK_MODE"), partial(_text, what="Escrow.CLOCK_MODE"))
        found = Clock.TIMESTAMP if "timestamp" in mode else Clock.BLOCK
        if found is not self.network.clock:
            raise InputError(f"{where}: clock must be {found.value!r}, as the Escrow says ({mode})")
        listed = tuple(listing.token for listing in self.listings())
        if listed != tuple(token.address for token in self.deployment.tokens):
            raise InputError(f"{where}: tokens must be {', '.join(map(to_hex, listed))}, as the Escrow lists")
        for index, token in enumerate(self.deployment.tokens):
            # A wrong number of decimals makes "0.40" another sum than the one that was meant.
            if (found_decimals := self.decimals(index)) not in (None, token.decimals):
                raise InputError(
                    f"{where}: token {token.symbol} has {found_decimals} decimals, as it says itself"
                )

    @property
    def standstill(self) -> str:
        """Say for how long the chain has not moved, if that is too long; nothing is asked."""
        return self.node.rpc.standstill

    # -- sending ---------------------------------------------------------------------------------------

    @property
    def sender(self) -> Sender:
        """The sender of this chain's key; `InputError` without one."""
        if self._sender is None:
            raise InputError("this needs a wallet", "name one with --wallet")
        return self._sender

    @property
    def address(self) -> Address:
        """The address that sends."""
        return self.sender.address

    def send(self, call: Call, effect: str = "", timeout: float | None = None) -> TxReceipt:
        """Send a call and wait until it is in a block; see `Sender.send`."""
        return self.sender.send(call, effect, timeout)

    def permit(
        self, key: bytes, token: int, amount: Amount, spender: Address, deadline: int = _FAR_FUTURE
    ) -> Permit:
        """Return a permit by the holder of `key`, for `spender` to pull `amount` of a listed token."""
        from protocol.crypto import address_of

        owner, calls = address_of(key), self.token(token)
        separator = self.node.view(calls.domain_separator(), _word)
        nonce = self._number(calls.nonces(owner))
        return sign_permit(
            key,
            separator=separator,
            owner=owner,
            spender=spender,
            value=amount,
            nonce=nonce,
            deadline=deadline,
        )

    # -- past events -----------------------------------------------------------------------------------

    def leases_of(
        self, owner: Address | None = None, client: Address | None = None
    ) -> tuple[OpenedLease, ...]:
        """Return every lease ever opened, of one owner or one client or both, oldest first.

        Read from the chain itself: after any gap this and `leases` tell a role all that it missed.
        """
        topics = (self._topic("LeaseOpened"), None, _padded(owner), _padded(client))
        found = self.scanner.all(topics)
        return tuple(OpenedLease(e.lease, e.bid, e.at.block) for e in found if isinstance(e, LeaseOpened))

    def registrations(self, seconds: float = _READ_S) -> tuple[Registered, ...]:
        """Return the providers that the address book knows, after reading on for `seconds` at most.

        Who registered last stands last. Anybody can fill it: who acts for an owner, the contract tells
        (`operator_of`).
        """
        return self.book.read(seconds)

    def registration_of(self, owner: Address, seconds: float = _READ_S) -> Registered | None:
        """Return an owner's newest registration, or None. `TransientError` if it cannot be read in time."""
        return self.book.find(owner, seconds)

    def weights(self, owners: Sequence[Address]) -> dict[Address, int]:
        """Return how many of the smallest bonds each owner's stake makes; 0 for too little for any."""
        return weights_of(self, owners)

    def history(self, owner: Address, seconds: float = _READ_S) -> ProviderHistory:
        """Return how an owner's leases ended, and how many capacity nonces it cancelled.

        `TransientError` if that cannot be read in time; then asking again goes on from there.
        """
        return self.histories.read(owner, seconds)

    def games_of(
        self,
        bid: Bid,
        job: Job | None = None,
        since: BlockNo | None = None,
        until: BlockNo | None = None,
    ) -> tuple[PlayedGame, ...]:
        """Return every game ever opened on the lease of `bid`; see `GameReader.of_lease`."""
        return self.games.of_lease(bid, job, since, until)

    def demands_of(self, lease: LeaseId, since: BlockNo | None = None) -> tuple[SeenDemand, ...]:
        """Return every demand ever made of a lease, with its answer; see `DemandReader.of_lease`."""
        return self.demands.of_lease(lease, since)

    def _topic(self, name: str) -> bytes:
        return self._topics[name]

    @cached_property
    def _topics(self) -> dict[str, bytes]:
        return {entry.name: topic for topic, entry in self.escrow.abi.events.items()}

    def _plain(self, function: str) -> Call:
        return Call(self.escrow.address, self.escrow.abi.call_data(function), f"Escrow.{function}")


def _text(answer: bytes, what: str) -> str:
    return str(decode_values(["string"], answer, what)[0])


def _word(answer: bytes) -> Hash32:
    if len(answer) != 32:
        raise ValueError("answers something else than a word")
    return Hash32(answer)


def _padded(address: Address | None) -> bytes | None:
    return None if address is None else bytes(12) + address
