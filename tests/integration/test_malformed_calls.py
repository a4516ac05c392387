"""Malformed calldata at every entry point while a game, a demand and an audit are open, on a real node.

Each call is made by somebody who has no part in the lease, and by all who have one.
"""

from collections.abc import Iterator

import pytest

from protocol.chain.codec import Abi
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from tests.chain_helpers import CLIENT, OPERATOR, OWNER
from tests.malformed import Bad, changed, changing, cut, longer, plausible
from tests.open_lease import AUDITOR, CHALLENGER, CONTRACTS, OpenLease, Print, Sent, open_lease

NOBODY = 9
NOTHING = ("Audits.withdraw", "Disputes.withdrawCoin")
"""What anybody may call, and get nothing from here."""
PAYS = "Escrow.withdraw"
"""What anybody may call, but it pays the provider's owner."""
OWN = ("Escrow.register", "Escrow.setOperator", "Staking.setCaps")
"""What anybody may call about its own account."""
ANYBODY = (*NOTHING, *OWN, PAYS)
LAWFUL = {
    CLIENT: ("Escrow.withdrawCredits",),
    OWNER: ("Escrow.cancelNonces", "Staking.unbond"),
    OPERATOR: ("Audits.commitAsProvider", "Delivery.deliver", "Escrow.beat", "Escrow.cancelNonces"),
    CHALLENGER: ("Disputes.pick", "Disputes.resign"),
    AUDITOR: ("Audits.abstain", "Audits.commit", "Audits.quit"),
    NOBODY: (),
}
"""Whose turn it is, and what goes on beside the lease. Every other call is at the wrong point."""
FOREIGN = (b"TransferFromFailed()",)
"""Errors of the library that moves tokens; they are in no ABI of ours."""
EACH = 5
"""Only so many of the refused calls go into blocks as well: they take ten times as long."""


@pytest.fixture
def lease(localnet: Localnet) -> OpenLease:
    return open_lease(localnet)


def every(lease: OpenLease) -> Iterator[Sent]:
    """All calls, as they are, cut short, lengthened, and, by nobody, with each word changed."""
    for contract in CONTRACTS:
        for data in (b"", keccak256(b"nothing")[:4]):
            yield NOBODY, Bad(contract, "nothing", "unknown", data)
        for entry in changing(contract):
            call = plausible(contract, entry, lease.known)
            for who in LAWFUL:
                yield who, call
                yield who, longer(call)
                yield from ((who, each) for each in cut(call, 1 if who == NOBODY else EACH))
            yield from ((NOBODY, each) for each in changed(call))


def lawful(who: int, call: Bad) -> bool:
    """Whether a call may be taken."""
    if call.how in ("well-formed", "longer"):
        return call.name in (*ANYBODY, *LAWFUL[who])
    return call.how.startswith("word") and call.name in ANYBODY


def test_malformed_calls_are_refused_with_a_reason_and_change_nothing(lease: OpenLease) -> None:
    names = (*CONTRACTS, "Referee", "LocalToken")
    typed = {selector for name in names for selector in Abi.shipped(name).errors}
    typed |= {keccak256(each)[:4] for each in FOREIGN}
    calls = list(every(lease))
    refused, untyped = [], []
    for (who, call), answer in zip(calls, lease.answers(calls), strict=True):
        if "error" not in answer:
            assert lawful(who, call), (who, call)
            continue
        assert not (call.how == "well-formed" and lawful(who, call)), (who, call, answer)
        refused.append((who, call))
        said = bytes.fromhex(answer["error"].get("data", "0x")[2:])
        if said and said[:4] not in typed:
            untyped.append((call, said))
    assert not untyped, untyped[:5]
    assert len(refused) > 5_000
    before = lease.print()
    assert not any(lease.send(refused[::EACH]))
    assert lease.print() == before
    nothing = [(who, call) for who, call in calls if call.name in NOTHING and who == NOBODY]
    assert any(lease.send(nothing))
    # What was zero is written as zero, which anvil counts into the root of the storage. No money moved:
    after = lease.print()
    assert (after[-1], [each.coin for each in after]) == (before[-1], [each.coin for each in before])


def test_what_follows_a_call_is_ignored(lease: OpenLease) -> None:
    acted = 0
    for who, own in LAWFUL.items():
        for name in (*ANYBODY, *own):
            call = well_formed(lease, name)
            done = outcome(lease, who, call)
            assert outcome(lease, who, longer(call)) == done, (who, name)
            acted += done != lease.print()
    assert acted > len(LAWFUL)


def test_a_changed_list_of_bids_pays_nobody(lease: OpenLease) -> None:
    chain, leased, owner = lease.net.chain(), lease.known["leaseId:bytes32"], lease.known["owner:address"]

    def paid(call: Bad | None) -> tuple[object, ...]:
        saved = lease.net.anvil.snapshot()
        lease.send([(NOBODY, call)] if call else [])
        found = chain.lease(leased), chain.credits(0, owner), lease.print()[-1]
        lease.net.anvil.revert(saved)
        return found

    call = well_formed(lease, PAYS)
    assert paid(call) != paid(None)
    assert {paid(each) for each in changed(call)} == {paid(None)}


def well_formed(lease: OpenLease, name: str) -> Bad:
    """The call as it should be."""
    contract, _, function = name.partition(".")
    (entry,) = (each for each in changing(contract) if each["name"] == function)
    return plausible(contract, entry, lease.known)


def outcome(lease: OpenLease, who: int, call: Bad) -> Print:
    """All storage and coin after a call, which is taken back."""
    saved = lease.net.anvil.snapshot()
    lease.send([(who, call)])
    found = lease.print()
    lease.net.anvil.revert(saved)
    return found
