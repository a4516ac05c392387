"""Tokens to list, as they stand on a command line."""

from dataclasses import dataclass
from decimal import Decimal

from protocol.auction.money import Unit, check_sum
from protocol.chain.deploy import create_local_token, describe_token
from protocol.chain.deploy_terms import TokenTerms
from protocol.chain.localnet import COIN_PRICE, NAME, RESERVE, SHOW_UP
from protocol.chain.networks import Network, Token
from protocol.chain.node import Node
from protocol.chain.sender import Sends
from protocol.types import Address, InputError, Wei, parse_address

FORM = "ADDRESS,RESERVE[,SHOWUP[,BPS[,COINS]]]"
_RESERVE, _SHOW_UP = "--token RESERVE", "--token SHOWUP"
_WEI_DIGITS = 18
_UNIT_DIGITS = 18
"""A coin price is stated for 10^18 smallest units."""


def listed_tokens(network: Network, sender: Sends, texts: tuple[str, ...]) -> list[TokenTerms]:
    """Return the terms of the tokens that `texts` name, sums in whole tokens.

    All are read before a node is asked about one. Without any: a new test token on the local network,
    `InputError` elsewhere.
    """
    if not texts and network.name != NAME:
        raise InputError("name the token to list", "--token ADDRESS,RESERVE, repeat it for more")
    if not texts:
        return [TokenTerms(create_local_token(sender), RESERVE, SHOW_UP, coin_price=COIN_PRICE)]
    written, node = [_read(text) for text in texts], Node.of(network)
    return [each.terms(describe_token(node, each.address)) for each in written]


@dataclass(frozen=True, slots=True)
class _Written:
    """What stands in one option: sums of whole tokens, and coins, as text."""

    address: Address
    reserve: str
    show_up: str = "0"
    bps: str = "1000"
    coins: str = ""

    def terms(self, token: Token) -> TokenTerms:
        unit = Unit(token.symbol, token.decimals)
        return TokenTerms(
            self.address,
            unit.parse(self.reserve, _RESERVE),
            unit.parse(self.show_up, _SHOW_UP),
            int(self.bps),
            _coin_price(self.coins, token.decimals) if self.coins else Wei(0),
        )


def _read(text: str) -> _Written:
    address, *parts = text.split(",")
    if not 1 <= len(parts) <= 4:
        raise InputError(f"--token must be {FORM}, found {text!r}")
    found = _Written(parse_address(address, "--token address"), *parts)
    check_sum(found.reserve, _RESERVE)
    check_sum(found.show_up, _SHOW_UP)
    if not found.bps.isdecimal() or int(found.bps) > 10_000:
        raise InputError(f"--token BPS must be 0 to 10000, found {found.bps!r}")
    if len(parts) == 4:
        check_sum(found.coins, "--token COINS")
    return found


def _coin_price(text: str, decimals: int) -> Wei:
    """Return wei for 10^18 smallest units, given coins for a whole token of 10^decimals."""
    value = Decimal(text).scaleb(_WEI_DIGITS + _UNIT_DIGITS - decimals)
    if not 1 <= value < 1 << 128:
        raise InputError(f"--token COINS must be what a whole token is worth in coins, found {text!r}")
    return Wei(int(value))
