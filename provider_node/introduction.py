"""What an operator key signs so that an owner can register it: who it acts for, and where it is. Blocking.

The key itself has to sign: an owner that named somebody else's key could send its clients astray.
"""

from pathlib import Path

from protocol.chain.client import Chain
from protocol.crypto import address_of
from protocol.messages import Domain, Registration, Signed, open_signed, sign
from protocol.runtime.hardware import detect
from protocol.runtime.keystore import find_key
from protocol.types import Address, InputError, TransientError, parse_address, to_hex
from provider_node.config import ProviderConfig
from provider_node.control import ask
from provider_node.folder import data_dir
from provider_node.identity import connect, owner_address, unlock
from provider_node.registration import Owner, registration_of


def introduce(
    config: ProviderConfig, owner: Address, key: bytes, addrs: tuple[str, ...], domain: Domain
) -> Signed[Registration]:
    """Return the registration of this machine, signed by its operator `key`; no node has to run.

    A daemon that has the owner's wallet publishes its addresses by itself when it starts.
    """
    message = registration_of(config, owner, address_of(key), detect(data_dir(config)), addrs)
    return sign(message, domain, key)


def introduce_here(config: ProviderConfig, owner: str | None, addrs: tuple[str, ...]) -> Signed[Registration]:
    """The same with the operator's wallet of the config, for an owner elsewhere.

    Without addresses, those of the daemon if it runs.
    """
    who = parse_address(owner, "--owner") if owner else owner_address(config)
    domain = connect(config).domain
    return introduce(
        config, who, unlock(config.operator, config.password_file), addrs or _told(config), domain
    )


def introduced_to(hand: Owner, config: ProviderConfig, addrs: tuple[str, ...]) -> Signed[Registration]:
    """The same for an owner whose wallet is at hand too."""
    one = find_key(config.operator).address == address_of(hand.key)
    key = hand.key if one else unlock(config.operator, config.password_file)
    return introduce(config, hand.address, key, addrs or _told(config), hand.chain.domain)


def read_introduction(file: Path, chain: Chain, owner: Address) -> Signed[Registration]:
    """Return what `gavel provider introduce` printed; `InputError` if it is not for this owner."""
    advice = "on the operator's machine run: gavel provider introduce --owner ADDRESS > FILE"
    try:
        data = bytes.fromhex(file.read_text().strip().removeprefix("0x"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", advice) from error
    except ValueError as error:
        raise InputError(f"{file} holds no introduction", advice) from error
    try:
        signed = open_signed(data, Registration, chain.domain)
    except InputError as error:
        raise InputError(f"{file} holds no introduction: {error.message}", advice) from error
    if signed.signer != signed.message.operator:
        raise InputError(f"{file} is not signed by its operator for this network", advice)
    if signed.message.owner != owner:
        raise InputError(f"{file} is for owner {to_hex(signed.message.owner)}, not {to_hex(owner)}", advice)
    return signed


def _told(config: ProviderConfig) -> tuple[str, ...]:
    try:
        return tuple(ask(data_dir(config), "status", token=config.price.token)["addrs"])
    except TransientError:
        return ()
