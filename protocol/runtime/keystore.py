"""Keys on disk: Ethereum keystore v3 files, opened with a password from a file or a prompt.

A raw key never stands in a flag or an environment variable, where other users and shell histories see it.
"""

import json
import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.runtime import paths
from protocol.store.files import write_whole
from protocol.types import Address, InputError, parse_address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LOCAL_CLIENT = "local-client"
"""Made, with its password's file, by `gavel localnet`; worthless anywhere else."""
LOCAL_PASSWORD_FILE = "local.password"  # noqa: S105 - a name
"""Of all wallets that it makes, in the user's folder."""
LIGHT_ROUNDS = 1 << 12
"""Rounds of scrypt for keys of demos and tests: opened in milliseconds, and as quickly guessed."""


@dataclass(frozen=True)
class Key:
    """A keystore file: its name, address and path."""

    name: str
    address: Address
    path: Path


def list_keys() -> list[Key]:
    """Return the keys in `$GAVEL_HOME/keys`, by name; `InputError` if a file there is no keystore."""
    files = sorted(paths.keys_dir().glob("*.json"))
    return [Key(file.stem, _address(_read(file), file), file) for file in files]


def find_key(name_or_path: str) -> Key:
    """Return the key of that name, address or path; `InputError` says which there are."""
    path = Path(name_or_path)
    if not path.is_file():
        path = _path(name_or_path) if _NAME.fullmatch(name_or_path) else path
    if not path.is_file():
        keys = list_keys()
        for key in keys:
            if "0x" + key.address.hex() == name_or_path.lower():
                return key
        names = ", ".join(key.name for key in keys) or "none yet"
        raise InputError(
            f"there is no wallet {name_or_path}",
            f"there are: {names}; gavel wallet new {name_or_path} makes one",
        )
    return Key(path.stem, _address(_read(path), path), path)


def create_key(name: str, password: str, light: bool = False) -> Key:
    """Make a new key from the system's randomness and store it; `InputError` if the name is taken."""
    from eth_account import Account

    return store_key(name, bytes(Account.create().key), password, light)


def store_key(name: str, private_key: bytes, password: str, light: bool = False) -> Key:
    """Store a key under `name`, encrypted; `InputError` if the name is taken or the key is none."""
    from eth_account import Account

    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no wallet name: letters, digits, dot, dash and underscore")
    path = _path(name)
    if path.exists():
        raise InputError(f"wallet {name} exists already", f"move {path} away, or take another name")
    try:
        account = Account.from_key(private_key)
    except Exception as error:  # eth-keys raises several kinds for a number outside the curve's order
        raise InputError("these bytes are no private key of secp256k1") from error
    sealed = Account.encrypt(account.key, password, kdf="scrypt", iterations=LIGHT_ROUNDS if light else None)
    write_whole(path, json.dumps(sealed).encode())
    return find_key(name)


def parse_key(text: str) -> bytes:
    """Return the 32 bytes of a private key in hex; the `InputError` does not repeat what was typed."""
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise InputError("a private key is 32 bytes of hex")
    return key


def unlock(key: Key, password: str) -> "LocalAccount":
    """Return the account that signs with `key`; `InputError` if the password is wrong."""
    from eth_account import Account

    sealed = _read(key.path)
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(sealed, password))
    except ValueError as error:
        raise InputError(f"the password does not open wallet {key.name} ({key.path})") from error
    except Exception as error:  # eth-keyfile trusts the file's structure and raises whatever comes of it
        raise InputError(f"wallet {key.name} ({key.path}) is damaged: {error!r}") from error
    return account


def load_account(name_or_path: str, password_file: Path | None = None) -> "LocalAccount":
    """Return the signing account of a wallet, with the password that `read_password` finds."""
    key = find_key(name_or_path)
    return unlock(key, read_password(password_file, f"Password of wallet {key.name}"))


def load_payer(name: str | None, password_file: Path | None = None, network: str = "") -> "LocalAccount":
    """Return the signing account of the wallet that pays: `name`, else the one named "default".

    On a local chain, where nobody has made that, it is the client's wallet that `gavel localnet` makes; the
    password of its wallets lies beside them.
    """
    name = payer_name(network) if name is None else name
    if name.startswith("local-") and password_file is None and "GAVEL_PASSWORD_FILE" not in os.environ:
        made = paths.home() / LOCAL_PASSWORD_FILE
        password_file = made if made.exists() else None
    return load_account(name, password_file)


def payer_name(network: str = "") -> str:
    """Return the name of the wallet that pays where none is named; see `load_payer`."""
    known = {key.name for key in list_keys()} if network == "local" else set()
    return LOCAL_CLIENT if "default" not in known and LOCAL_CLIENT in known else "default"


def read_password(file: Path | None = None, prompt: str | None = None, confirm: bool = False) -> str:
    """Return the password in `file`, else in the file that `GAVEL_PASSWORD_FILE` names, else ask for it.

    A line break at the end of the file does not count. Raises `InputError` if the file is open to
    others than its owner, is empty, or if there is no file and nobody to ask.
    """
    if file is None and (named := os.environ.get("GAVEL_PASSWORD_FILE")):
        file = Path(named)
    if file is not None:
        try:
            password = read_private(file).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise InputError(f"password file {file} is not UTF-8 text") from None
        if not password:
            raise InputError(f"password file {file} is empty")
        return password
    if prompt is None or not sys.stdin.isatty():
        raise InputError("no password given", "name its file with --password-file or GAVEL_PASSWORD_FILE")
    import click

    answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def _read(path: Path) -> dict[str, Any]:
    try:
        sealed = json.loads(read_private(path))
    except ValueError:
        sealed = None
    if (
        not isinstance(sealed, dict)
        or sealed.get("version") != 3
        or not isinstance(sealed.get("crypto"), dict)
    ):
        raise InputError(f"{path} is no keystore file of version 3")
    return sealed


def read_private(path: Path) -> bytes:
    """Return the contents of a small file; `InputError` if its mode lets a group or everybody at it."""
    others = stat.S_IRWXG | stat.S_IRWXO
    # systemd gives a unit its credentials by an access list, whose mask the mode shows as a group's rights.
    if os.environ.get("CREDENTIALS_DIRECTORY") == str(path.parent):
        others = stat.S_IRWXO
    try:
        with path.open("rb") as file:
            if _mode(file.fileno()) & others:
                raise InputError(f"{path} is open to others than its owner", f"chmod 600 {path}")
            return file.read(1 << 16)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _mode(handle: int) -> int:
    return stat.S_IMODE(os.fstat(handle).st_mode)


def _address(sealed: dict[str, Any], path: Path) -> Address:
    return parse_address(str(sealed.get("address", "")), f"address in {path}")


def _path(name: str) -> Path:
    return paths.keys_dir() / f"{name}.json"
