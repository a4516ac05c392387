"""`--token` is read whole before a node is asked what stands at its address."""

from dataclasses import replace

import pytest

from protocol.chain.networks_file import shipped_network
from protocol.chain.sender import Sends
from protocol.chain.token_option import listed_tokens
from protocol.types import InputError

NOBODY = replace(shipped_network("sepolia"), rpc_urls=("http://127.0.0.1:1",))
TOKEN = "0x" + "5f" * 20


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TOKEN, "must be ADDRESS,RESERVE"),
        (f"{TOKEN},1,2,3,4,5", "must be ADDRESS,RESERVE"),
        ("0x5f,1", "address is not 20 bytes"),
        (f"{TOKEN},-1", "RESERVE must be a number"),
        (f"{TOKEN},1e9999999", "RESERVE must be a number"),
        (f"{TOKEN},1,abc", "SHOWUP must be a number"),
        (f"{TOKEN},1,,1000", "SHOWUP must be a number"),
        (f"{TOKEN},1,0,10001", "BPS must be 0 to 10000"),
        (f"{TOKEN},1,0,1000,", "COINS must be a number"),
    ],
)
def test_a_mistyped_option_asks_no_node(text: str, complaint: str, sender: Sends) -> None:
    with pytest.raises(InputError, match=f"^--token {complaint}"):
        listed_tokens(NOBODY, sender, (f"{TOKEN},1", text))


@pytest.fixture
def sender() -> Sends:
    """Never used: nothing is sent for tokens that are there."""
    return None  # type: ignore[return-value]
