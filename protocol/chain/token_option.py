"""Tokens to list, as they stand on a command line."""

from decimal import Decimal, InvalidOperation

from protocol.chain.codec import decode_values
from protocol.chain.deploy import create_local_token
from protocol.chain.deploy_terms import TokenTerms
from protocol.chain.localnet import COIN_PRICE, NAME, RESERVE, SHOW_UP
from protocol.chain.networks import Network
from protocol.chain.node import Node
from protocol.chain.sender import Sends
from protocol.chain.staking import TokenCalls
from protocol.types import Amount, InputError, Wei, parse_address

FORM = "ADDRESS,RESERVE[,SHOWUP[,BPS[,COINS]]]"
_WEI_DIGITS = 18
_UNIT_DIGITS = 18
"""A coin price is stated for 10^18 smallest units."""


def listed_tokens(network: Network, sender: Sends, texts: tuple[str, ...]) -> list[TokenTerms]:
    """Return the terms of the tokens that `texts` name, sums in whole tokens.

    Without any: a new test token on the local network, `InputError` elsewhere.
    """
    if not texts and network.name != NAME:
        raise InputError("name the token to list", "--token ADDRESS,RESERVE, repeat it for more")
    if not texts:
        return [TokenTerms(create_local_token(sender), RESERVE, SHOW_UP, coin_price=COIN_PRICE)]
    return [_token_terms(network, text) for text in texts]


def _token_terms(network: Network, text: str) -> TokenTerms:
    parts = text.split(",")
    if not 2 <= len(parts) <= 5:
        raise InputError(f"--token must be {FORM}, found {text!r}")
    address = parse_address(parts[0], "--token address")
    call = TokenCalls(address).decimals()
    decimals = decode_values(["uint8"], Node.of(network).call(call), call.what)[0]
    reserve, show_up = (_amount(part, decimals) for part in [*parts[1:3], "0"][:2])
    if len(parts) < 4:
        return TokenTerms(address, reserve, show_up)
    if not parts[3].isdecimal() or int(parts[3]) > 10_000:
        raise InputError(f"--token BPS must be 0 to 10000, found {parts[3]!r}")
    price = _coin_price(parts[4], decimals) if len(parts) == 5 else Wei(0)
    return TokenTerms(address, reserve, show_up, int(parts[3]), price)


def _coin_price(text: str, decimals: int) -> Wei:
    """Return wei for 10^18 smallest units, given coins for a whole token of 10^decimals."""
    try:
        value = Decimal(text).scaleb(_WEI_DIGITS + _UNIT_DIGITS - decimals)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 1 <= value < 1 << 128:
        raise InputError(f"--token COINS must be what a whole token is worth in coins, found {text!r}")
    return Wei(int(value))


def _amount(text: str, decimals: int) -> Amount:
    try:
        value = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0 or value != int(value):
        raise InputError(f"{text!r} is not a sum in whole tokens with at most {decimals} decimals")
    return Amount(int(value))
