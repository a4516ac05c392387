"""The demo's own proof that no money appeared or vanished: it must fail when some did."""

from dataclasses import replace

import pytest

from protocol.types import Amount, Wei
from scripts.demo.ledger import Holding, Ledger, check
from scripts.demo.processes import DemoError

GAS = Wei(70)
CLIENT = Holding(Amount(100), Amount(40), Amount(0), Wei(1_000))
PROVIDER = Holding(Amount(5), Amount(0), Amount(60), Wei(500))
BEFORE = Ledger(7, {"client": CLIENT, "provider": PROVIDER}, burnt=3)
AFTER = Ledger(
    20,
    {
        "client": replace(CLIENT, credits=Amount(10), coin=Wei(950)),
        "provider": replace(PROVIDER, credits=Amount(24), stake=Amount(62), coin=Wei(480)),
    },
    burnt=7,
)


def with_(name: str, **changes: int) -> Ledger:
    parties = {**AFTER.parties, name: replace(AFTER.parties[name], **changes)}
    return replace(AFTER, parties=parties)


def test_books_that_balance_pass() -> None:
    check(BEFORE, AFTER, GAS)


@pytest.mark.parametrize(
    "after",
    [
        with_("client", wallet=101),
        with_("client", credits=9),
        with_("provider", stake=61),
        replace(AFTER, burnt=6),
        replace(AFTER, parties={"client": AFTER.parties["client"]}),
    ],
)
def test_one_unit_of_tokens_too_few_or_too_many_fails(after: Ledger) -> None:
    with pytest.raises(DemoError, match="tokens do not add up: 208 before"):
        check(BEFORE, after, GAS)


@pytest.mark.parametrize("after", [with_("client", coin=951), with_("provider", coin=479)])
def test_one_wei_that_gas_does_not_explain_fails(after: Ledger) -> None:
    with pytest.raises(DemoError, match=r"coin does not add up: (69|71) gone, 70 paid for gas"):
        check(BEFORE, after, GAS)
