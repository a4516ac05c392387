"""Putting the contracts on a chain: probe, create, check."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from protocol.chain.calls import Call, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.codec import Abi, decode_values
from protocol.chain.deploy_terms import CLOCK_KINDS, Seat, Terms
from protocol.chain.errors import Revert
from protocol.chain.judges import ESCROW, REFEREE, Judge, Places, places
from protocol.chain.networks import FURTHER, Deployment, Network, Token
from protocol.chain.node import Node
from protocol.chain.sender import Sends
from protocol.chain.staking import TokenCalls
from protocol.chain.views import Limits
from protocol.types import (
    ZERO_ADDRESS,
    Address,
    BrokenInvariant,
    GavelError,
    InputError,
    TransientError,
    to_hex,
)

_CLZ_OF_ONE = bytes.fromhex("60011e5f5260205ff3")
"""PUSH1 1, CLZ, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN."""


def deploy(
    network: Network,
    sender: Sends,
    terms: Terms,
    name: str = "v1",
    say: Callable[[str], None] | None = None,
    *,
    judges: Sequence[Judge] = (),
    stands: Callable[[Deployment], None] | None = None,
) -> Deployment:
    """Create the contracts and return where they stand, checked. Nothing is written to any file.

    `stands` gets to know where they do before that is checked. The Escrow names its judges and they name it,
    so it comes first, with their addresses to come. Interrupted in the middle, nothing is lost but gas: the
    next call starts with an Escrow of its own. `InputError` if the chain lacks CLZ, the balance does not
    reach, the contracts refuse the terms, or another transaction of the sender comes between. An error after
    the first transaction says what was created until then.
    """
    tell, node = say or (lambda _: None), Node.of(network)
    probe_clz(node)
    if not terms.tokens:
        raise InputError("a deployment lists one token at least", "name one with --token")
    tokens = tuple(describe_token(node, each.address) for each in terms.tokens)
    tell(f"deploying to {network.name} from {to_hex(sender.address)}")
    at = places(sender.address, node.nonce(sender.address, "pending"), judges)
    terms = replace(terms, seats=(*(Seat(at[j.name], j.kind) for j in judges), *terms.seats))
    code = Abi.shipped(ESCROW).creation_code(_constructor_argument(network, terms))
    first = _create(sender, ESCROW, code, at)
    created = [ESCROW]
    try:
        staking = _staking_of(node, at[ESCROW])
        tell(f"Escrow {to_hex(at[ESCROW])}, Staking {to_hex(staking)}, {first.gas_used} gas, {first.fee} wei")
        for each, code in _followers(judges, at):
            receipt = _create(sender, each, code, at)
            created.append(each)
            tell(f"{each} {to_hex(at[each])}, {receipt.gas_used} gas, {receipt.fee} wei")
    except GavelError as error:
        stand = ", ".join(f"{each} {to_hex(at[each])}" for each in created)
        error.message = f"{error.message}; created until then, and of no use alone: {stand}"
        raise
    fields = {each.lower(): address for each, address in at.items() if each.lower() in FURTHER}
    made = Deployment(name, at[ESCROW], staking, first.block, tokens, **fields)
    if stands is not None:
        stands(made)
    check(Chain(node, network, made, None), terms, at)
    return made


def _followers(judges: Sequence[Judge], at: Places) -> Iterator[tuple[str, bytes]]:
    """Give name and creation code of what comes after the Escrow, in the order of `places`."""
    if judges:
        yield REFEREE, Abi.shipped(REFEREE).creation_code()
    for judge in judges:
        yield judge.name, judge.code(at)


def _create(sender: Sends, name: str, code: bytes, at: Places) -> TxReceipt:
    receipt = sender.send(Call(None, code, f"create {name}"))
    if receipt.created is None:
        raise BrokenInvariant("the node reports no address for the new contract")
    if receipt.created != at[name]:
        raise InputError(
            f"{name} stands at {to_hex(receipt.created)}, the others look for it at {to_hex(at[name])}: "
            "another transaction of this wallet came between",
            "deploy again, and leave the wallet alone meanwhile; what was created so far is of no use",
        )
    return receipt


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


def check(chain: Chain, terms: Terms, at: Places) -> None:
    """Make sure that what stands on the chain is what was asked for. `BrokenInvariant` if not."""
    chain.check()
    for name, address in at.items():
        if not chain.node.code(address):
            raise BrokenInvariant(f"there is no {name} at {to_hex(address)}")
    listed = tuple(
        (each.token, each.reserve, each.show_up_sum, each.show_up_bps) for each in chain.listings()
    )
    asked = tuple((each.address, each.reserve, each.show_up_sum, each.show_up_bps) for each in terms.tokens)
    limits = Limits(terms.min_grace, terms.max_challenge_window, terms.unbonding_delay)
    facts: dict[str, tuple[object, object]] = {
        "tokens": (listed, asked),
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
        CLOCK_KINDS[network.clock],
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


def describe_token(node: Node, address: Address) -> Token:
    """Return how a token calls and divides itself; `InputError` if none stands at `address`."""
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
