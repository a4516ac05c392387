"""Opening a seal after a conviction: the leaf of one's own trace at the convicted place, with its proofs."""

from protocol.dispute.moves import Claim
from protocol.dispute.names import Case, seal_of
from protocol.dispute.records import Place
from protocol.dispute.trace import Trace
from protocol.types import Address, Hash32


def own_seal(own: Trace, challenger: Address, case: Case, salt: Hash32) -> Hash32:
    """The seal of a challenger's own run, which its opening carries."""
    return seal_of(own.root, own.item_root, challenger, case, salt)


def claim_of(own: Trace, case: Case, place: Place, salt: Hash32) -> Claim:
    """The claim that opens one's seal at the convicted place."""
    inner = place.output == 0
    return Claim(
        case,
        place,
        salt,
        own.item_root if inner else own.root,
        own.node_leaf(place.node, place.leaf),
        tuple(own.tensor(own.plan.tape.first_node + place.node).proof(place.leaf)),
        tuple(own.tree.proof(place.node)) if inner else own.output_roots,
    )
