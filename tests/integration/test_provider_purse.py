"""The coin that answers are paid from, and the coin that lost games leave, on a real chain."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute import moves
from protocol.dispute.trees import root_of
from protocol.runtime.loop import Loop
from protocol.store.journal import Journal
from protocol.types import Address, Wei
from provider_node.defence.purse import Purse
from provider_node.sending import Sending
from tests.chain_helpers import OPERATOR, OWNER
from tests.dispute_rig import Rig, posted

pytestmark = pytest.mark.trio


def lost_game(rig: Rig) -> None:
    """A challenger opens, sees the trace, and gives up."""
    seal = keccak256(b"seal")
    rig.challenger.send(rig.challenger.disputes.challenge(rig.opening(seal), rig.challenger.bond(rig.bid, 1)))
    leaves = tuple(keccak256(bytes([i])) if i < 39 else bytes(32) for i in range(64))
    children = tuple(root_of(leaves[i : i + 2]) for i in range(0, 64, 2))  # type: ignore[arg-type]
    rig.operator.send(rig.operator.disputes.move(rig.trace(rig.challenger, seal, children)))
    rig.challenger.send(rig.challenger.disputes.move(moves.Resign(rig.bid, rig.case, seal)))


def purse_of(rig: Rig, account: int, owner: Address, folder: Path) -> Purse:
    chain = AsyncChain(rig.net.chain(account))
    loop = Loop(Journal(folder / f"{account}.db"))
    operator = chain.blocking.address
    return Purse(chain, loop, Sending(chain, lambda: None), operator, owner)


async def test_a_wallet_that_could_not_pay_for_its_answers_is_warned_of_and_bids_for_nothing(
    localnet: Localnet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = await trio.to_thread.run_sync(posted, localnet)
    owner = rig.net.chain(OWNER).address
    purse = purse_of(rig, OPERATOR, owner, tmp_path)
    await purse.look()
    assert (purse.low, purse.unable, caplog.records) == (False, "", [])
    assert purse.needed > 0
    rig.net.anvil.call("anvil_setBalance", "0x" + purse.operator.hex(), hex(purse.needed // 2))
    with caplog.at_level(logging.WARNING):
        await purse.look()
        await purse.look()
    assert purse.low
    assert purse.unable.startswith("its gas may cost 0.")
    assert purse.key_trouble == "", "what is open is answered all the same"
    assert len(caplog.records) == 1, "once, not at every look"
    assert "send it some" in caplog.text


def own_purse(net: Localnet, folder: Path) -> Purse:
    """Of an operator that is its own owner."""
    chain = AsyncChain(net.chain(OPERATOR))
    own = chain.blocking.address
    return Purse(chain, Loop(Journal(folder / "journal.db")), Sending(chain, lambda: None), own, own)


async def test_where_no_games_are_a_lease_must_be_paid_for_all_the_same(
    localnet: Localnet, tmp_path: Path
) -> None:
    bare = replace(localnet.network.deployments[0], disputes=None, delivery=None, audits=None)
    purse = own_purse(replace(localnet, network=replace(localnet.network, deployments=(bare,))), tmp_path)
    await purse.look()
    assert (purse.unable, purse.needed > 0) == ("", True)
    localnet.anvil.call("anvil_setBalance", "0x" + purse.operator.hex(), "0x0")
    await purse.look()
    assert purse.unable.endswith("its operator holds 0 coin")


async def test_while_gas_is_dearer_than_the_operator_pays_nothing_is_bid_for(
    localnet: Localnet, tmp_path: Path
) -> None:
    """A lease that cannot be started in time costs both sides the show-up sum."""
    fees = replace(localnet.network.fees, maximum=Wei(1000), priority=Wei(1))
    net = replace(localnet.network, fees=fees, data_fee_wei_per_byte=Wei(10**9))
    purse = own_purse(replace(localnet, network=net), tmp_path)
    for base, unable in ((1001, "base fee is 1001 wei per gas, the limit is 1000"), (1000, "")):
        localnet.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(base))
        localnet.anvil.mine(1)
        await purse.look()
        assert (purse.unable, purse.low) == (unable, False)
        assert purse.needed == 2 * (700_000 * 1000 + 12_000 * 10**9), "with what a roll-up takes for bytes"


async def test_what_lost_games_leave_is_taken_by_who_may(localnet: Localnet, tmp_path: Path) -> None:
    rig = await trio.to_thread.run_sync(posted, localnet)
    await trio.to_thread.run_sync(lost_game, rig)
    owner = rig.net.chain(OWNER).address
    won = rig.challenger.coin(owner)
    assert won > 0
    other = purse_of(rig, OPERATOR, owner, tmp_path)
    await other.look()
    assert other.won == won, "it is shown, and stays where it is: only the owner can take it"
    assert rig.challenger.coin(owner) == won
    own = purse_of(rig, OWNER, owner, tmp_path)
    before = rig.challenger.balance(owner)
    async with trio.open_nursery() as nursery:
        await nursery.start(own.sending.run)
        await own.look()
        nursery.cancel_scope.cancel()
    assert rig.challenger.coin(owner) == 0
    assert rig.challenger.balance(owner) > before + won // 2


async def test_a_key_that_gets_code_while_the_daemon_runs_is_noticed(
    localnet: Localnet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wallet delegates it: from then on the judges take no answer of it."""
    rig = await trio.to_thread.run_sync(posted, localnet)
    purse = purse_of(rig, OPERATOR, rig.net.chain(OWNER).address, tmp_path)
    await purse.look()
    assert (purse.key_trouble, caplog.records) == ("", [])
    operator = "0x" + purse.operator.hex()
    rig.net.anvil.call("anvil_setCode", operator, "0xef0100" + "ab" * 20)
    await purse.look()
    await purse.look()
    assert (
        purse.unable
        == purse.key_trouble
        == f"its operator key delegates to 0x{'ab' * 20}, and can answer nothing"
    )
    assert len(caplog.records) == 1, "once, not at every look"
    assert "take no answers from an account with code" in caplog.text
    rig.net.anvil.call("anvil_setCode", operator, "0x")
    await purse.look()
    assert purse.unable == ""
    assert "plain key again" in caplog.text
