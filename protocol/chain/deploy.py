"""Putting the contracts on a chain: probe, create, check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.codec import Abi, decode_values
from protocol.chain.errors import Revert
from protocol.chain.networks import Clock, Deployment, Network, Token
from protocol.chain.node import Node
from protocol.chain.sender import Sends
from protocol.chain.staking import TokenCalls
from protocol.chain.views import Limits
from protocol.types import (
    ZERO_ADDRESS,
    Address,
    Amount,
    Blocks,
    BrokenInvariant,
    InputError,
    TransientError,
    to_hex,
)

_CLZ_OF_ONE = bytes.fromhex("60011e5f5260205ff3")
"""PUSH1 1, CLZ, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN."""
_CLOCK_KINDS = {Clock.BLOCK: 1, Clock.TIMESTAMP: 2}
_DAY = 86_400
_MOST_GRACE = (1 << 16) - 1


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """A token to list. The reserve is four times a dispute's gas, at a price that the deployer expects."""

    address: Address
    reserve: Amount
    show_up_sum: Amount = Amount(0)  # noqa: RUF009 - an int by another name
    show_up_bps: int = 1_000
    """1/10000 of rate x start deadline."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A judge's place: it decides leases of this verification kind."""

    judge: Address
    kind: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment fixes for ever. Spans are in units of its clock."""

    tokens: tuple[TokenTerms, ...]
    seats: tuple[Seat, ...]
    """Bids of a kind without a judge are refused."""
    min_grace: Blocks
    max_challenge_window: Blocks
    game_span: Blocks
    unbonding_delay: Blocks


def default_terms(
    network: Network,
    tokens: Sequence[TokenTerms],
    seats: Sequence[Seat] = (),
    min_grace: int | None = None,
    longest_window_seconds: int = 7 * _DAY,
) -> Terms:
    """Return the terms that fit a network: grace by RULES 15, unbonding longer than a window and a game.

    `InputError` if the grace that the chain needs is more than a bid can state and none was given.
    """
    grace = min_grace or max(1, 2 * network.forced_inclusion_blocks)
    if grace > _MOST_GRACE:
        raise InputError(
            f"network {network.name!r} needs a grace of {grace} clock units, a bid can state {_MOST_GRACE}",
            "choose a lower one with --min-grace: after a longer outage of the chain streams will gap",
        )
    window, game = network.span(longest_window_seconds), network.span(longest_window_seconds / 4)
    return Terms(tuple(tokens), tuple(seats), Blocks(grace), window, game, Blocks(window + game + 1))


def deploy(
    network: Network, sender: Sends, terms: Terms, name: str = "v1", say: Callable[[str], None] | None = None
) -> Deployment:
    """Create the contracts and return where they stand, checked. Nothing is written to any file.

    `InputError` if the chain lacks CLZ, the balance does not reach, or the contracts refuse the terms.
    """
    tell, node = say or (lambda _: None), Node.of(network)
    probe_clz(node)
    if not terms.tokens:
        raise InputError("a deployment lists one token at least", "name one with --token")
    tokens = tuple(_describe(node, each.address) for each in terms.tokens)
    tell(f"deploying to {network.name} from {to_hex(sender.address)}")
    code = Abi.shipped("Escrow").creation_code(_constructor_argument(network, terms))
    receipt = sender.send(Call(None, code, "create Escrow"))
    if receipt.created is None:
        raise BrokenInvariant("the node reports no address for the new contract")
    escrow = receipt.created
    staking = _staking_of(node, escrow)
    tell(f"Escrow {to_hex(escrow)}, Staking {to_hex(staking)}, {receipt.gas_used} gas, {receipt.fee} wei")
    made = Deployment(name, escrow, staking, receipt.block, tokens)
    check(Chain(node, network, made, None), terms)
    return made


def create_local_token(sender: Sends, symbol: str = "LOC", decimals: int = 18) -> Address:
    """Create the test token that its creator can mint, and return its address."""
    code = Abi.shipped("LocalToken").creation_code("Local test token", symbol, decimals)
    created = sender.send(Call(None, code, "create LocalToken")).created
    if created is None:
        raise BrokenInvariant("the node reports no address for the new contract")
    return created


def probe_clz(node: Node) -> None:
    """Refuse a chain whose EVM does not have CLZ (EIP-7939, Osaka), which the contracts' bytecode needs."""
    try:
        answer = node.call(Call(None, _CLZ_OF_ONE, "probe"))
    except (Revert, TransientError) as error:
        reason = error.message
        if isinstance(error, TransientError) and "refuses" not in reason:
            raise  # nobody answered: that says nothing about the chain
    else:
        if int.from_bytes(answer, "big") == 255:
            return
        reason = f"it answers {to_hex(answer)} for clz(1)"
    raise InputError(
        f"chain {node.rpc.chain_id} does not have the CLZ instruction: {reason}",
        "the contracts need an EVM with EIP-7939 (Osaka or later)",
    )


def check(chain: Chain, terms: Terms) -> None:
    """Make sure that what stands on the chain is what was asked for. `BrokenInvariant` if not."""
    chain.check()
    listed = tuple(
        TokenTerms(each.token, each.reserve, each.show_up_sum, each.show_up_bps) for each in chain.listings()
    )
    limits = Limits(terms.min_grace, terms.max_challenge_window, terms.unbonding_delay)
    facts: dict[str, tuple[object, object]] = {
        "tokens": (listed, terms.tokens),
        "limits": (chain.limits(), limits),
        "domain": (chain.domain_separator(), chain.domain.separator()),
        "seats": (tuple(Seat(each.judge, chain.kind_of(each.judge)) for each in terms.seats), terms.seats),
        "staking's escrow": (chain.escrow_of_staking(), chain.escrow.address),
    }
    for what, (found, wanted) in facts.items():
        if found != wanted:
            raise BrokenInvariant(f"deployed contract has other {what}: {found} instead of {wanted}")


def _constructor_argument(network: Network, terms: Terms) -> tuple[object, ...]:
    return (
        [(t.address, t.reserve, t.show_up_sum, t.show_up_bps) for t in terms.tokens],
        [(seat.judge, seat.kind) for seat in terms.seats],
        _CLOCK_KINDS[network.clock],
        ZERO_ADDRESS,
        terms.min_grace,
        terms.max_challenge_window,
        terms.game_span,
        terms.unbonding_delay,
    )


def _staking_of(node: Node, escrow: Address) -> Address:
    abi = Abi.shipped("Escrow")
    answer = node.call(Call(escrow, abi.call_data("staking"), "Escrow.staking"))
    return Address(abi.results("staking", answer)[0])


def _describe(node: Node, address: Address) -> Token:
    calls = TokenCalls(address)
    if not node.code(address):
        raise InputError(f"there is no token contract at {to_hex(address)}")
    try:
        symbol = decode_values(["string"], node.call(calls.name()), "symbol")[0]
        decimals = decode_values(["uint8"], node.call(calls.decimals()), "decimals")[0]
    except (Revert, BrokenInvariant) as error:
        raise InputError(
            f"{to_hex(address)} is not an ERC-20 with symbol and decimals: {error.message}"
        ) from None
    return Token(str(symbol)[:64], address, int(decimals))
