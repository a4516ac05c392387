import io
import json
from pathlib import Path

import pytest

from protocol.runtime import keystore
from protocol.types import InputError

SECRET = bytes(range(1, 33))
# The well-known address of the key above.
ADDRESS = "0x6370ef2f4db3611d657b90667de398a2cc2a370c"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    monkeypatch.delenv("GAVEL_PASSWORD_FILE", raising=False)
    return tmp_path


def password_file(home: Path, text: str = "pass\n", mode: int = 0o600) -> Path:
    path = home / "password"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_comes_back_with_its_password_only(home: Path) -> None:
    key = keystore.store_key("me", SECRET, "pass", light=True)
    assert "0x" + key.address.hex() == ADDRESS
    assert key.path.stat().st_mode & 0o777 == 0o600
    assert bytes(keystore.load_account("me", password_file(home)).key) == SECRET
    with pytest.raises(InputError, match="does not open wallet me"):
        keystore.unlock(key, "wrong")
    assert SECRET.hex() not in key.path.read_text()


def test_the_file_is_keystore_v3() -> None:
    sealed = json.loads(keystore.create_key("me", "pass", light=True).path.read_text())
    assert sealed["version"] == 3
    assert sealed["crypto"]["kdf"] == "scrypt"


def test_keys_are_found_by_name_address_and_path() -> None:
    key = keystore.store_key("me", SECRET, "pass", light=True)
    other = keystore.create_key("other", "pass", light=True)
    assert keystore.find_key("me") == keystore.find_key(ADDRESS) == keystore.find_key(str(key.path)) == key
    assert keystore.list_keys() == [key, other]
    with pytest.raises(InputError, match=r"no wallet you .*there are: me, other"):
        keystore.find_key("you")
    with pytest.raises(InputError, match="no wallet"):
        keystore.find_key("../../no/such/file")


def test_a_name_is_taken_once_and_never_leads_outside(home: Path) -> None:
    keystore.store_key("me", SECRET, "pass", light=True)
    with pytest.raises(InputError, match="exists already"):
        keystore.create_key("me", "pass", light=True)
    for name in ("../me", "a/b", "", ".hidden", "x" * 65):
        with pytest.raises(InputError, match="no wallet name"):
            keystore.create_key(name, "pass", light=True)


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32])
def test_numbers_outside_the_curve_are_no_keys(secret: bytes) -> None:
    with pytest.raises(InputError, match="no private key"):
        keystore.store_key("me", secret, "pass", light=True)


def test_what_others_can_read_is_refused(home: Path) -> None:
    for mode in (0o644, 0o640, 0o660, 0o620, 0o604):
        with pytest.raises(InputError, match=r"is open to others than its owner .*chmod 600"):
            keystore.read_password(password_file(home, mode=mode))
    key = keystore.store_key("me", SECRET, "pass", light=True)
    key.path.chmod(0o640)
    with pytest.raises(InputError, match="open to others"):
        keystore.find_key("me")


def test_systemd_shows_the_right_of_the_unit_as_one_of_a_group(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home))
    assert keystore.read_password(password_file(home, mode=0o440)) == "pass"
    with pytest.raises(InputError, match="open to others"):
        keystore.read_password(password_file(home, mode=0o444))


def test_the_password_comes_from_the_file_that_the_environment_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVEL_PASSWORD_FILE", str(password_file(home, "a b \r\n")))
    assert keystore.read_password() == "a b "
    with pytest.raises(InputError, match="is empty"):
        keystore.read_password(password_file(home, "\n"))


def test_without_file_and_terminal_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(InputError, match="--password-file or GAVEL_PASSWORD_FILE"):
        keystore.read_password(prompt="Password")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "crypto": {}}', "\xff"])
def test_a_file_that_is_no_keystore_is_named(home: Path, text: str) -> None:
    path = password_file(home, text)
    with pytest.raises(InputError, match="is no keystore file"):
        keystore.find_key(str(path))


def test_a_private_key_is_never_repeated_in_an_error() -> None:
    assert keystore.parse_key("0x" + SECRET.hex() + "\n") == SECRET
    with pytest.raises(InputError) as caught:
        keystore.parse_key(SECRET.hex() + "zz")
    assert SECRET.hex()[:8] not in str(caught.value)


def test_a_damaged_keystore_is_named(home: Path) -> None:
    key = keystore.store_key("me", SECRET, "pass", light=True)
    whole = json.loads(key.path.read_text())
    for part in ("kdf", "kdfparams", "ciphertext", "cipherparams", "mac"):
        broken = {**whole, "crypto": {**whole["crypto"], part: 5}}
        key.path.write_text(json.dumps(broken))
        with pytest.raises(InputError, match="wallet me"):
            keystore.unlock(key, "pass")
    (home / "binary").write_bytes(b"\xff\xfe")
    (home / "binary").chmod(0o600)
    with pytest.raises(InputError, match="not UTF-8"):
        keystore.read_password(home / "binary")
