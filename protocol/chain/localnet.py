"""A whole local chain in one call: anvil, the contracts, a token, funded accounts, and its networks entry."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from protocol.chain.anvil import Anvil, dev_keys
from protocol.chain.client import Chain
from protocol.chain.deploy import create_local_token, deploy
from protocol.chain.deploy_terms import TokenTerms, default_dispute_terms, default_terms
from protocol.chain.judges import of_tapes
from protocol.chain.networks import Deployment, Network
from protocol.chain.networks_file import drop_network, load_network, newest, shipped_network, write_deployment
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.crypto import address_of
from protocol.types import Address, Amount, Blocks, GavelError, InputError, Wei

NAME = "local"
UNIT = 10**18
FUNDS = Amount(1_000_000 * UNIT)
"""Of the token, for every account; anvil gives each 10,000 coins."""
RESERVE = Amount(UNIT)
SHOW_UP = Amount(UNIT // 1_000)
COIN_PRICE = Wei(UNIT)
"""One coin for one token."""
_LONGEST_WINDOW_SECONDS = 1200
"""Short, so that unbonding can be waited for where blocks are made at will."""
_GAME: dict[str, Any] = {"move_clock": Blocks(30), "increment": Blocks(10), "claim_period": Blocks(10)}
"""Units of the clock: a game can be watched."""


@dataclass(frozen=True)
class Localnet:
    """A running local chain. `keys[0]` deployed, and may mint; all keys are funded alike."""

    anvil: Anvil
    network: Network
    keys: tuple[bytes, ...]

    @property
    def url(self) -> str:
        """Where the node listens."""
        return self.anvil.url

    @property
    def deployment(self) -> Deployment:
        """The contracts."""
        return self.network.deployments[0]

    def chain(self, account: int | None = None) -> Chain:
        """Return the adapter, sending from the account of that number if one is given."""
        return Chain.connect(self.network, self.keys[account] if account is not None else None)


@contextmanager
def run_localnet(
    *,
    block_time: int | None = 1,
    port: int = 0,
    accounts: int = 10,
    state: Path | None = None,
    networks_file: Path | None = None,
) -> Iterator[Localnet]:
    """Run a local chain for the length of the block.

    A block every `block_time` seconds; None: one per transaction. With `networks_file`, the entry "local"
    there is replaced, so that other processes find the chain. With `state`, a chain saved there goes on,
    contracts and all, and is saved at the end.
    """
    if block_time is not None and block_time < 1:
        raise InputError(f"block time must be a whole number of seconds, 1 or more, not {block_time}")
    with Anvil(port=port, accounts=accounts, state=state) as anvil:
        entry = {"rpc_urls": [anvil.url], "seconds_per_block": block_time or 1}
        base = replace(shipped_network(NAME), rpc_urls=(anvil.url,), seconds_per_block=block_time or 1)
        keys = dev_keys(accounts)
        made = _saved(base, state) or set_up(base, keys)
        for file in (_beside(state), networks_file):
            if file is not None:
                drop_network(file, NAME)  # an older local chain is gone
                write_deployment(file, NAME, made, **entry)
        if block_time is not None:
            anvil.set_block_time(block_time)
        try:
            yield Localnet(anvil, replace(base, deployments=(made,)), keys)
        finally:
            if networks_file is not None:
                drop_network(networks_file, NAME)


def _beside(state: Path | None) -> Path | None:
    return state.with_name(state.name + ".networks.yaml") if state is not None else None


def _saved(base: Network, state: Path | None) -> Deployment | None:
    """Return the contracts of a loaded chain, if they are there."""
    file = _beside(state)
    if file is None or not file.exists():
        return None
    made = newest(load_network(NAME, file))
    try:
        Chain.connect(base, deployment=made).check()
    except GavelError:
        return None  # the chain's own file was removed or never written
    return made


def set_up(network: Network, keys: tuple[bytes, ...]) -> Deployment:
    """Deploy contracts and token with the first key, and give every key's account `FUNDS` of the token."""
    sender = Sender(Node.of(network), network, keys[0])
    tokens = [TokenTerms(create_local_token(sender), RESERVE, SHOW_UP, coin_price=COIN_PRICE)]
    clocks = replace(default_dispute_terms(network), **_GAME)
    # Shorter than the longest game, for it only sets the unbonding delay, and anvil makes many blocks slowly.
    # A bond in play stays locked until its lease ends, whatever unbonds.
    terms = default_terms(network, tokens, longest_window_seconds=_LONGEST_WINDOW_SECONDS)
    made = deploy(network, sender, terms, name="local", judges=of_tapes(network, clocks, tokens))
    fund(Chain.connect(replace(network, deployments=(made,)), keys[0]), [address_of(key) for key in keys])
    return made


def fund(chain: Chain, accounts: Sequence[Address], amount: Amount = FUNDS) -> None:
    """Mint `amount` of the first token to each account; all transactions go out before any is waited for."""
    tickets = [chain.sender.submit(chain.token(0).mint(account, amount)) for account in accounts]
    for ticket in tickets:
        chain.sender.wait(ticket)
