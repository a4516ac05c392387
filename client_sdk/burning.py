"""Burning the completion fee of a result that is too large to be demanded: no ransom is paid for it."""

from pathlib import Path

from client_sdk.wallet import Wallet
from client_sdk.worker import WorkerLimits, open_worker
from protocol.chain.client import Chain
from protocol.chain.views import LeaseState
from protocol.games.demanding import DemandTerms, demand_terms
from protocol.messages import Bid
from protocol.runtime.signals import run_blocking
from protocol.types import Amount, InputError


def terms_of(program: Path, inputs: Path, limits: WorkerLimits | None = None) -> DemandTerms:
    """Return what the contract asks for about a job, from its bytes, read within `limits`; blocking."""

    async def read() -> DemandTerms:
        async with open_worker(limits) as child:
            return await demand_terms(child, str(program), str(inputs))

    return run_blocking(read)


def check_burn(chain: Chain, wallet: Wallet, bid: Bid) -> None:
    """Raise `InputError` with the reason if the fee cannot be burnt now, whatever the size; blocking."""
    if not bid.completion_fee:
        raise InputError("the lease has no completion fee: nothing would be burnt")
    _ = chain.delivery  # says so if the deployment has none
    if wallet.client != bid.client:
        raise InputError("only the client of the lease may burn its fee", "name that wallet with --wallet")
    view, now = chain.lease(bid.lease_id()), chain.clock()
    if view.state is not LeaseState.POSTED:
        raise InputError(f"no result stands: the lease is {view.state.name.lower().replace('_', ' ')}")
    end = view.last_beat + bid.challenge_window
    if now > end:
        raise InputError(f"the challenge window ended at {end}, it is {now}")
    held = chain.credits(bid.token, bid.client)
    if held < bid.completion_fee:
        raise InputError(
            f"as much as the fee burns of the client's credits: {bid.completion_fee}, there are {held}",
            "buy credits first: gavel wallet deposit",
        )


def burn_fee(chain: Chain, wallet: Wallet, bid: Bid, terms: DemandTerms) -> Amount:
    """Burn the fee, and as much of the client's credits; return how much of each. Blocking.

    `InputError` if the outputs are so small that they can be demanded.
    """
    if not terms.shape.big:
        raise InputError(
            f"the outputs are {terms.shape.leaves} leaves of 128 bytes: they can be demanded on chain",
            "gavel job result demands them by itself",
        )
    call = chain.delivery.burn_fee(bid, terms.job, terms.headers)
    chain.send(wallet.through(call))
    return bid.completion_fee
