// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {TestJudge} from "../base/TestJudge.sol";
import {vm} from "../base/Vm.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Bid, Deployment, LeaseState, Seat} from "../../src/types/Types.sol";

contract JudgeTest is Base {
    function _posted() private returns (bytes32[6] memory bid) {
        bid = openAndStart(jobBid());
        run(bid, 40);
        withdraw(bid);
        post(bid, "root");
    }

    function test_ByAnother() public {
        bytes32[6] memory bid = _posted();
        bytes memory refusal = abi.encodeWithSelector(IEscrowCore.Escrow_NotJudge.selector, CLIENT, TAPE);
        vm.startPrank(CLIENT);
        vm.expectRevert(refusal);
        escrow.freeze(bid);
        vm.expectRevert(refusal);
        escrow.release(bid);
        vm.expectRevert(refusal);
        escrow.convict(bid, 0);
        vm.stopPrank();
    }

    function test_AJudgeOfAnotherKindHasNoSay() public {
        Bid memory b = jobBid();
        b.verification = 0;
        bytes32[6] memory bid = openAndStart(b);
        post(bid, "root");
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotJudge.selector, address(judge), 0));
        judge.freeze(bid);
        // Who has no seat is of kind 0, and that must not make him a judge of it.
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotJudge.selector, STRANGER, 0));
        vm.prank(STRANGER);
        escrow.freeze(bid);
        // Nor by passing another kind with the same hash: there is none.
        bid[5] = bytes32(uint256(bid[5]) | (uint256(TAPE) << 72));
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.None)
        );
        judge.freeze(bid);
    }

    function test_ASeatOfAnotherKindHasNoSayEither() public {
        Deployment memory d = deployment();
        d.seats = new Seat[](2);
        d.seats[0] = Seat(STRANGER, TAPE);
        d.seats[1] = Seat(address(judge), 2);
        _redeploy(d);
        bytes32[6] memory bid = _posted();
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotJudge.selector, address(judge), TAPE));
        judge.freeze(bid);
    }

    /// Games, delivery and audits are judges of one kind: each holds on its own, and any may convict.
    function test_JudgesOfOneKind() public {
        TestJudge delivery = new TestJudge();
        Deployment memory d = deployment();
        d.seats = new Seat[](2);
        d.seats[0] = Seat(address(judge), TAPE);
        d.seats[1] = Seat(address(delivery), TAPE);
        _redeploy(d);
        delivery.setHost(escrow);
        bytes32[6] memory bid = _posted();
        judge.freeze(bid);
        (bytes32 root, uint32 freezes,) = delivery.freeze(bid);
        eq(root, "root", "the same result");
        eq(freezes, 2, "holds of all judges together");
        judge.release(bid);
        judge.freeze(bid);
        vm.roll(1200);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_Held.selector, idOf(bid), 2));
        escrow.finalize(bid);
        eq(delivery.convict(bid, 10 ether), 10 ether, "reward");
        eq(credits(address(delivery)), 10 ether, "to the judge that convicted");
        eq(credits(address(judge)), 0, "not to the other");
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.Convicted)
        );
        judge.release(bid);
    }

    function _redeploy(Deployment memory d) private {
        escrow = deployEscrow(d);
        staking = escrow.staking();
        judge.setHost(escrow);
        fundClient(CLIENT, 1_000 ether);
        enrol(OWNER, operator, 1_000 ether);
    }

    function test_WhenNotPosted() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.Running)
        );
        judge.freeze(bid);
    }

    function test_FreezeUntilTheWindowEnds() public {
        bytes32[6] memory bid = _posted();
        vm.roll(1091);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1090, 1091));
        judge.freeze(bid);
        vm.roll(1090);
        (bytes32 root, uint32 freezes, uint32 ran) = judge.freeze(bid);
        eq(root, "root", "what was posted");
        eq(freezes, 1, "this game");
        eq(ran, 40, "from start to result");
        (root, freezes, ran) = judge.freeze(bid);
        eq(root, "root", "the same");
        eq(freezes, 2, "and the other");
        eq(ran, 40, "time stands still after the result");
        // Held already, and yet: games lost on purpose, one after another, must not hold it for ever.
        vm.roll(1091);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1090, 1091));
        judge.freeze(bid);
        eq(view_(bid).freezes, 2, "games");
    }

    function test_Release() public {
        bytes32[6] memory bid = _posted();
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotHeld.selector, idOf(bid)));
        judge.release(bid);
        judge.freeze(bid);
        judge.freeze(bid);
        vm.roll(1200);
        judge.release(bid);
        inState(bid, LeaseState.Posted);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_Held.selector, idOf(bid), 1));
        escrow.finalize(bid);
        judge.release(bid);
        inState(bid, LeaseState.Posted);
        escrow.finalize(bid);
    }

    function test_Convict() public {
        bytes32[6] memory bid = _posted();
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotHeld.selector, idOf(bid)));
        judge.convict(bid, 0);
        judge.freeze(bid);
        judge.freeze(bid);
        vm.expectEmit();
        emit IEscrowCore.Ended(idOf(bid), LeaseState.Convicted, 0, 207 ether, 60 ether, 40 ether);
        eq(judge.convict(bid, 20 ether), 20 ether, "reward as asked");
        eq(credits(CLIENT), 5_000 ether, "the client is whole");
        eq(credits(address(judge)), 20 ether, "for the challengers");
        eq(stakeOf(OWNER).staked, 900 ether, "the whole bond");
        eq(staking.burntOf(0), 40 ether, "burnt");
        judge.takeCredits(0, STRANGER, 20 ether);
        eq(token.balanceOf(STRANGER), 20 ether, "paid out");
        vm.expectRevert();
        judge.convict(bid, 0);
        vm.roll(3000);
        vm.expectRevert();
        escrow.finalize(bid);
    }

    /// Whatever a judge asks: the client first, at least half of the rest burns.
    function testFuzz_SlashingSplit(uint256 reward, uint32 blocks) public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, bound(blocks, 0, 100));
        uint256 advance = withdraw(bid);
        post(bid, "root");
        judge.freeze(bid);
        uint256 paid = judge.convict(bid, reward);
        eq(credits(CLIENT), 5_000 ether, "client");
        le(paid, (BOND - advance) / 2, "at most half of the rest");
        eq(paid, reward < (BOND - advance) / 2 ? reward : (BOND - advance) / 2, "what was asked");
        eq(staking.burntOf(0), BOND - advance - paid, "the rest burns");
        eq(token.balanceOf(address(staking)), 1_000 ether - advance - paid, "and stays");
        le((BOND - advance) / 2, staking.burntOf(0), "at least half burns");
    }
}
