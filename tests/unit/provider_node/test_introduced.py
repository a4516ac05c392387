"""A provider whose registration leads no client to it says so."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.chain.views import Registered
from protocol.types import Address
from provider_node.introduced import ADVICE, RESTART, Introduced, flaw_of
from tests.registrations import registration_of

OWNER, OPERATOR, OTHER = (Address(bytes([each]) * 20) for each in (1, 2, 3))
HERE, THERE = "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1"
SAID = registration_of(OWNER, OPERATOR, (HERE,))


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (Registered(OWNER, OPERATOR, SAID), ""),
        (Registered(OWNER, OPERATOR, replace(SAID, addrs=(THERE, HERE))), ""),
        (None, "no addresses"),
        (Registered(OWNER, OPERATOR, None), "not signed by this operator"),
        (Registered(OWNER, OTHER, None), "another operator"),
        (Registered(OWNER, OPERATOR, replace(SAID, addrs=())), "no addresses"),
        (Registered(OWNER, OPERATOR, replace(SAID, addrs=(THERE,))), f"old addresses: {THERE}, now {HERE}"),
    ],
)
def test_what_leads_nobody_here_is_named(known: Registered | None, said: str) -> None:
    found = flaw_of(known, OPERATOR, (HERE,))
    assert said in found
    assert bool(found) == bool(said)


def test_a_node_that_knows_no_address_of_its_own_complains_of_none() -> None:
    assert flaw_of(Registered(OWNER, OPERATOR, SAID), OPERATOR, ()) == ""


@pytest.mark.parametrize(("has_hand", "advice"), [(True, RESTART), (False, ADVICE)])
def test_who_has_the_owners_wallet_is_told_to_restart(
    has_hand: bool, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two daemons with one operator's key: the later one's addresses stay, though it ended long ago."""
    nothing: Any = None
    Introduced(nothing, nothing, OWNER, has_hand)._note("the owner has registered old addresses")
    assert caplog.messages[0].endswith(advice)
