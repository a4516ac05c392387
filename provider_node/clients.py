"""Which clients a bid is made for: offers cost nothing, and bids must not be spent on who could open none."""

from protocol.chain.client import Chain
from protocol.chain.contract_wallet import signs_for
from protocol.messages import Bid, Offer, Signed


def places_of(per_client: int, taken: int, places: int) -> int:
    """Return how many bids may be open for one client while `taken` of all `places` are.

    The fuller it gets, the fewer: so that one client, under however few names, leaves room for others.
    """
    return max(per_client * (places - taken) // places, 1)


def client_flaw(chain: Chain, offer: Signed[Offer], bid: Bid) -> str:
    """Return why the client would not open the bid that it asks for, or nothing. Blocking.

    Peer ids are free, so who signs an offer proves little; that it has the money, or is the key of a contract
    that has it, is what a stranger with a thousand keys would have to pay for.
    """
    client = offer.message.client
    if client != offer.signer and not signs_for(chain.node, client, offer.digest, offer.signature):
        return (
            "the offer is signed by another key than its client's, which is no contract wallet of that key's"
        )
    held = chain.credits(bid.token, client) + chain.token_balance(bid.token, client)
    if held < bid.deposit():
        symbol = chain.deployment.tokens[bid.token].symbol
        return f"the client holds {held} of {symbol}'s smallest unit, the bid would take {bid.deposit()}"
    return ""
