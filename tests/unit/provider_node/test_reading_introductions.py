"""An owner registers an operator that signed for it, and none that somebody else signed for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.crypto import address_of
from protocol.messages import Domain, sign
from protocol.types import Address, InputError
from provider_node.introduction import read_introduction
from tests.registrations import registration_of

KEY, OTHER = b"\7" * 32, b"\x08" * 32
OWNER = Address(b"\1" * 20)
DOMAIN = Domain(1, Address(b"\2" * 20))
CHAIN: Any = SimpleNamespace(domain=DOMAIN)
SAID = registration_of(OWNER, address_of(KEY))


def test_an_introduction_that_another_key_signed_is_refused(tmp_path: Path) -> None:
    """An owner that registered it would be told that all is well, and no client could find the operator."""
    file = tmp_path / "introduction"
    file.write_text(sign(SAID, DOMAIN, KEY).encode().hex())
    assert read_introduction(file, CHAIN, OWNER).message == SAID
    file.write_text(sign(SAID, DOMAIN, OTHER).encode().hex())
    with pytest.raises(InputError, match="is not signed by its operator for this network"):
        read_introduction(file, CHAIN, OWNER)
    file.write_text(sign(SAID, Domain(2, DOMAIN.escrow), KEY).encode().hex())
    with pytest.raises(InputError, match="is not signed by its operator for this network"):
        read_introduction(file, CHAIN, OWNER)
