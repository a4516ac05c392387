// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {Caller} from "../base/Caller.sol";
import {HookToken} from "../base/HookToken.sol";
import {vm} from "../base/Vm.sol";
import {Wanted} from "../../src/types/DeliveryTypes.sol";

/// @notice Repeats one call whenever coin or tokens reach it.
contract Repeater is Caller {
    address private _to;
    bytes private _data;

    /// @dev What is called now, and again from within.
    function exec(address to, bytes calldata data) public override {
        (_to, _data) = (to, data);
        super.exec(to, data);
    }

    function _again() internal override {
        if (_to == address(0) || reached > 8) return;
        ++reached;
        (bool ok,) = _to.call(_data);
        ok; // refused or not: what counts is what it has in the end
    }
}

/// @notice Who calls again while it is paid by Delivery or Audits has what it is owed, once.
contract ReentrancyOfJudgesTest is AuditBase {
    /// @dev Its address holds a Repeater from now on, which the token calls.
    function _repeats(address who) private returns (Repeater r) {
        vm.etch(address(token), type(HookToken).runtimeCode);
        vm.etch(who, type(Repeater).runtimeCode);
        r = Repeater(payable(who));
        vm.prank(who);
        HookToken(address(token)).hook();
    }

    function test_CollectARestAgain() public {
        Repeater r = _repeats(STRANGER);
        bytes32 demand = demandRoots(STRANGER, 0);
        demandRoots(CLIENT, 1); // what there is to steal
        uint256 others = delivery.bondOf(64);
        deliverRoots(0);
        uint256 rest = uint256(delivery.demandOf(demand).bond) * 1 gwei;
        uint256 had = STRANGER.balance;
        r.exec(address(delivery), abi.encodeCall(delivery.collect, (bid, wantedRoots(0))));
        yes(r.reached() != 0, "called back");
        eq(STRANGER.balance - had, rest, "the rest, once");
        eq(address(delivery).balance, others, "the other's bond is there");
    }

    function test_CollectABondAndAPartAgain() public {
        Repeater r = _repeats(STRANGER);
        uint256 had = token.balanceOf(STRANGER);
        demandRoots(STRANGER, 0);
        demandRoots(CLIENT, 1);
        uint256 one = delivery.bondOf(64);
        skip(3 * CLOCK);
        delivery.timeout(bid, wantedRoots(0));
        settle();
        uint256 coin = STRANGER.balance;
        r.exec(address(delivery), abi.encodeCall(delivery.collect, (bid, wantedRoots(0))));
        yes(r.reached() >= 2, "called back by coin and token");
        eq(STRANGER.balance - coin, one, "its bond, once");
        eq(token.balanceOf(STRANGER) - had, RESERVE / 4, "its part, once");
        Wanted memory his = wantedRoots(1);
        eq(collect(CLIENT, his), one, "the other's bond is there");
    }

    function test_WithdrawAFeeAgain() public {
        drawn(2);
        play(2, 2);
        finish();
        (address first, address second) = (task(0).auditor, task(1).auditor);
        Repeater r = _repeats(first);
        r.exec(address(audits), abi.encodeCall(audits.withdraw, (0, first)));
        yes(r.reached() != 0, "called back");
        eq(token.balanceOf(first), fee(), "its fee, once");
        vm.prank(second);
        audits.withdraw(0, second);
        eq(token.balanceOf(second), fee(), "the other's is there");
        eq(token.balanceOf(address(audits)), AUDITORS * STAKE, "and all stakes");
    }

    function test_TakeAStakeAgain() public {
        address who = auditor(4);
        quit(who);
        skip(LEAVE + 1);
        Repeater r = _repeats(who);
        r.exec(address(audits), abi.encodeCall(audits.takeStake, (who)));
        yes(r.reached() != 0, "called back");
        eq(token.balanceOf(who), STAKE, "its stake, once");
        eq(token.balanceOf(address(audits)), (AUDITORS - 1) * STAKE, "the others' are there");
    }

    function test_TakeARewardAgain() public {
        drawn(2);
        commit(0, TRACE, right());
        commit(1, TRACE, right());
        vm.roll(audit().commitUntil + 1);
        finish();
        settle();
        (address first, address second) = (task(0).auditor, task(1).auditor);
        Repeater r = _repeats(first);
        r.exec(address(audits), abi.encodeCall(audits.takeReward, (bid, true, 0)));
        yes(r.reached() != 0, "called back");
        eq(token.balanceOf(first), RESERVE / 4, "its part, once");
        audits.takeReward(bid, true, 1);
        eq(token.balanceOf(second), RESERVE / 4, "the other's is there");
    }
}
