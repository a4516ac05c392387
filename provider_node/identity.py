"""Who this provider is: the operator key that works, the owner that is paid, the chain they are on."""

from dataclasses import dataclass
from pathlib import Path

from protocol.chain.client import Chain
from protocol.chain.networks import Deployment, Network
from protocol.chain.networks_file import load_network
from protocol.chain.sent import FileJournal
from protocol.crypto import address_of
from protocol.runtime.keystore import find_key, load_account
from protocol.store.files import write_whole
from protocol.types import Address, InputError, parse_address, to_hex
from provider_node.config import ProviderConfig
from provider_node.folder import data_dir


@dataclass(frozen=True)
class Identity:
    """Keys and addresses. `owner_key` is there only if the config lets the daemon use it."""

    operator_key: bytes
    operator: Address
    owner: Address
    owner_key: bytes | None


def load_identity(config: ProviderConfig) -> Identity:
    """Unlock the wallets that the config names; `InputError` says which is missing or does not open."""
    operator_key = unlock(config.operator, config.password_file)
    operator = address_of(operator_key)
    owner_key = None
    if config.owner_wallet:
        owner_key = unlock(config.owner_wallet, config.owner_password_file or config.password_file)
    owner = owner_address(config, operator)
    if owner_key is not None and address_of(owner_key) != owner:
        raise InputError(
            f"owner is 0x{owner.hex()}, but owner_wallet {config.owner_wallet} is another address",
            "leave owner empty to take the wallet's",
        )
    return Identity(operator_key, operator, owner, owner_key)


def owner_address(config: ProviderConfig, operator: Address | None = None) -> Address:
    """Return the owner; needs no password. `operator` saves a look at the operator's wallet."""
    if config.owner:
        return (
            parse_address(config.owner, "owner")
            if config.owner.startswith("0x")
            else find_key(config.owner).address
        )
    if config.owner_wallet:
        return find_key(config.owner_wallet).address
    return operator or find_key(config.operator).address


def note_owner(config: ProviderConfig, owner: Address) -> None:
    """Write down for whom the daemon works, for commands that are not told what it was told by flags."""
    write_whole(_note(config), f"{config.network} {to_hex(owner)}\n".encode())


def owner_of(config: ProviderConfig) -> Address:
    """Return the owner that the config names, else that of the last daemon of its data folder."""
    named = config.owner or config.owner_wallet or config.operator != ProviderConfig().operator
    try:
        network, _, noted = _note(config).read_text().partition(" ")
    except FileNotFoundError:
        network = noted = ""
    if not named and network == config.network:
        return parse_address(noted.strip(), str(_note(config)))
    return owner_address(config)


def _note(config: ProviderConfig) -> Path:
    return data_dir(config) / "owner"


def connect(config: ProviderConfig, key: bytes | None = None, deployment: Deployment | None = None) -> Chain:
    """Return the chain of the configured network; nothing is asked of a node yet.

    With `key`, transactions are journaled in the data folder, so that a crash sends none twice. Without
    `deployment`, the newest one.
    """
    network: Network = load_network(config.network)
    if key is None:
        return Chain.connect(network, deployment=deployment)
    file = data_dir(config) / f"sent-{network.chain_id}-0x{address_of(key).hex()}.json"
    return Chain.connect(network, key, deployment, FileJournal(file))


def unlock(wallet: str, password_file: str) -> bytes:
    """Return a wallet's private key; without a password file, the password is asked."""
    account = load_account(wallet, Path(password_file).expanduser() if password_file else None)
    return bytes(account.key)
