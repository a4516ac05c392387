"""Which clients a bid is made for: offers cost nothing, and bids must not be spent on who could open none."""

from protocol.chain.client import Chain
from protocol.types import Address, Amount


def places_of(per_client: int, taken: int, places: int) -> int:
    """Return how many bids may be open for one client while `taken` of all `places` are.

    The fuller it gets, the fewer: so that one client, under however few names, leaves room for others.
    """
    return max(per_client * (places - taken) // places, 1)


def client_flaw(chain: Chain, client: Address, signer: Address, token: int, deposit: Amount) -> str:
    """Return why a client would not open a lease that takes `deposit`, or nothing. Blocking.

    Peer ids are free, so who signs an offer proves little; that it has the money, or is the key of a contract
    that has it, is what a stranger with a thousand keys would have to pay for.
    """
    if client != signer and not chain.node.code(client):
        return "the offer is signed by another key than its client's, which is no contract wallet"
    held = chain.credits(token, client) + chain.token_balance(token, client)
    if held < deposit:
        symbol = chain.deployment.tokens[token].symbol
        return f"the client holds {held} of {symbol}'s smallest unit, the bid would take {deposit}"
    return ""
