"""Who pays: a key of its own, or a contract wallet that the key may act for."""

from dataclasses import dataclass, field
from pathlib import Path

from protocol.chain.calls import Call
from protocol.crypto import address_of
from protocol.types import Address, InputError


@dataclass(frozen=True)
class Wallet:
    """A key, and the contract that it is a session key of, if any.

    The key signs on the network (it is the peer id) and sends transactions. With `contract` that contract is
    the client of leases, and makes each call (`protocol.chain.contract_wallet`).
    """

    key: bytes = field(repr=False)
    contract: Address | None = None

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise InputError("a wallet's key has 32 bytes")

    @property
    def peer(self) -> Address:
        """The address that signs and sends."""
        return address_of(self.key)

    @property
    def client(self) -> Address:
        """The address that opens leases and holds the money."""
        return self.contract or self.peer

    def through(self, call: Call) -> Call:
        """Return what the key has to send so that the client makes `call`."""
        if self.contract is None:
            return call
        from protocol.chain.contract_wallet import through

        return through(self.contract, call)


def open_wallet(
    wallet: "Wallet | bytes | str | None",
    password_file: Path | None = None,
    contract: Address | None = None,
    network: str = "",
) -> Wallet:
    """Return the wallet that `wallet` names: one already open, a key of 32 bytes, or a keystore name.

    None is the wallet "default"; on a local chain, where nobody has made one, the client's wallet that
    `gavel localnet` makes.
    """
    if isinstance(wallet, Wallet):
        return wallet
    if isinstance(wallet, bytes):
        return Wallet(wallet, contract)
    from protocol.runtime.keystore import load_payer

    return Wallet(bytes(load_payer(wallet, password_file, network).key), contract)
