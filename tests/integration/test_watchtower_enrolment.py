"""Joining and leaving the list of auditors, and what a survey sees of audits through a re-org."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.chain.localnet import Localnet, run_localnet
from protocol.dispute.audits import Stage
from protocol.types import Amount, Blocks, InputError, Verification
from tests.audit_rig import TOWERS, enlist, order
from tests.watch_rig import open_provider
from watchtower.auditing.enrolment import check_enrolment, enrol, leave, terms_of
from watchtower.auditing.survey import Survey

WINDOW = Blocks(300)


@pytest.fixture
def alone() -> Iterator[Localnet]:
    """A chain that no other test has put back: anvil does not reorganise what lies before that."""
    with run_localnet(block_time=None) as net:
        yield net


def test_who_enrols_stakes_and_who_leaves_has_it_back_after_the_delay(localnet: Localnet) -> None:
    chain = localnet.chain(TOWERS[0])
    held, stake = chain.token_balance(0, chain.address), chain.audit_prices.stake
    assert "The stake is 4 LOC" in terms_of(chain)
    with pytest.raises(InputError, match="is not enrolled"):
        leave(chain)
    row, said = enrol(chain)
    assert (row["stake"], row["token"]) == ("4", "LOC")
    assert "is enrolled with 4 LOC" in said
    assert chain.token_balance(0, chain.address) == held - stake
    with pytest.raises(InputError, match="is enrolled already"):
        check_enrolment(chain)
    row, said = leave(chain)
    assert not row["taken"]
    assert f"run this again after {row['after']}" in said
    assert leave(chain)[0] == row, "asking again changes nothing"
    with pytest.raises(InputError, match="its old stake cannot be taken yet"):
        enrol(chain)
    localnet.anvil.mine(chain.audit_prices.leave_delay + 1)
    assert leave(chain)[0]["taken"]
    assert chain.token_balance(0, chain.address) == held
    enrol(chain)
    leave(chain)
    localnet.anvil.mine(chain.audit_prices.leave_delay + 1)
    enrol(chain)  # the old stake pays for the new one
    assert chain.token_balance(0, chain.address) == held - stake
    poor = localnet.chain(TOWERS[1])
    rest = poor.token_balance(0, poor.address) - stake + 1
    poor.send(poor.token(0).transfer(chain.address, Amount(rest)))
    with pytest.raises(InputError, match="the stake is 4 LOC"):
        enrol(poor)


@pytest.mark.trio
async def test_an_audit_that_a_reorg_brought_back_is_seen_again(alone: Localnet, tmp_path: Path) -> None:
    localnet = alone
    chain = localnet.chain(TOWERS[0])
    enlist(localnet, TOWERS[0])
    async with open_provider(localnet, tmp_path, depth=2) as provider:
        bid = provider.bid(1, challenge_window=WINDOW, verification=int(Verification.TAPE))
        provider.post_under(bid, provider.outputs)
        order(provider, bid, 1)
    survey = Survey(chain.address)

    def look():
        head = chain.node.head()
        assert head is not None
        return survey.look(chain, head)

    (called,) = look().open
    assert (called.sight.audit.stage, called.task(chain.address)) == (Stage.CALLED, None)
    chain.send(chain.audits.draw(bid, True))
    (drawn,) = look().open
    assert (drawn.sight.audit.stage, drawn.task(chain.address)) == (Stage.DRAWN, 0)
    # Nobody commits: the provider is convicted of it, and the auditor, as silent, loses its task.
    localnet.anvil.mine(100)
    chain.send(chain.audits.finish(bid, True))
    assert (look().open, [each.fee for each in survey.endings(chain)]) == ((), [0])
    survey.tell(survey.endings(chain))
    assert (look().open, survey.endings(chain)) == ((), ()), "it is told once"
    localnet.anvil.call("anvil_reorg", 101, [])
    localnet.anvil.mine()
    (again,) = look().open
    assert again.sight.audit.stage is Stage.DRAWN
