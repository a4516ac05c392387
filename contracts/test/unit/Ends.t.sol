// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Bid, LeaseState, LeaseView} from "../../src/types/Types.sol";

/// @notice Helpers that compare where all money went.
abstract contract EndsBase is Base {
    uint256 internal constant DEPOSIT = 207 ether;
    /// flat sum + 5 % of rate x start deadline
    uint256 internal constant SHOWN = 3 ether;

    function wrong(bytes32[6] memory bid, LeaseState at_) internal {
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), at_));
    }

    function tooEarly(bytes32[6] memory bid, uint256 deadline) internal {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrowCore.Escrow_TooEarly.selector, idOf(bid), deadline, vm.getBlockNumber()
            )
        );
    }

    /// No reading tells of a start that never was, for a service as for a job.
    function neverStarted(bytes32[6] memory bid) internal view {
        LeaseView memory v = view_(bid);
        eq(v.openedAt, 0, "open no more");
        eq(v.startedAt, 0, "never started");
        eq(v.lastBeat, 0, "never beat");
        eq(v.deadline, 0, "no result is owed");
        eq(v.fundedBlocks, 200, "what was funded stays to be read");
    }

    /// The share of rate x start deadline alone, 500 ether, is more than deposit or bond.
    function longWaitBid() internal view returns (Bid memory b) {
        b = jobBid();
        b.bond = RESERVE;
        b.startDeadline = 10_000;
    }

    /// What client and owner have more or less than before the lease, the owner's wallet and credits together.
    function settled(int256 client, int256 ownerCredits, uint256 stakeLost, uint256 burntDeposit)
        internal
        view
    {
        eq(uint256(int256(credits(CLIENT)) - client), 5_000 ether, "client");
        eq(uint256(int256(credits(OWNER)) - ownerCredits), 0, "owner");
        eq(stakeOf(OWNER).locked, 0, "bond is free");
        eq(stakeOf(OWNER).staked, 1_000 ether - stakeLost, "stake");
        eq(escrow.burntOf(0), burntDeposit, "burnt deposit");
    }
}

contract PostResultTest is EndsBase {
    function test_Refusals() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        bytes32 hash = escrow.bidHash(bid);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotOperator.selector, OWNER, operator));
        vm.prank(OWNER);
        escrow.postResult(OWNER, hash, "root");
        vm.startPrank(operator);
        vm.expectRevert(IEscrowCore.Escrow_ZeroResult.selector);
        escrow.postResult(OWNER, hash, 0);
        bytes32 unknown = escrow.bidHash(pack(serviceBid()));
        wrong(pack(serviceBid()), LeaseState.None);
        escrow.postResult(OWNER, unknown, "root");
        vm.roll(1251);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1250, 1251));
        escrow.postResult(OWNER, hash, "root");
        vm.roll(1250);
        escrow.postResult(OWNER, hash, "root");
        wrong(bid, LeaseState.Posted);
        escrow.postResult(OWNER, hash, "other root");
        vm.stopPrank();
        eq(escrow.resultOf(idOf(bid)), "root", "written once");
    }

    function test_OfAService() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        bytes32 hash = escrow.bidHash(bid);
        wrong(bid, LeaseState.Serving);
        vm.prank(operator);
        escrow.postResult(OWNER, hash, "root");
    }

    function test_InTime() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 20);
        skip(7);
        vm.expectEmit();
        emit IEscrowCore.ResultPosted(idOf(bid), "root", 1027);
        post(bid, "root");
        eq(view_(bid).paidBlocks, 27, "a sign of life");
        eq(view_(bid).lastBeat, 1027, "posted at");
        eq(view_(bid).outputRoot, "root", "root");
        eq(view_(bid).deadline, 0, "no deadline any more");
        skip(5);
        beat(bid);
        eq(view_(bid).paidBlocks, 27, "the stream has ended");
        eq(withdraw(bid), 27 ether, "still an advance");
    }

    function test_AfterSilence() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        skip(100);
        post(bid, "root");
        eq(view_(bid).paidBlocks, 10, "only grace is paid");
        eq(view_(bid).lastBeat, 1100, "the window runs from the posting");
    }
}

contract FinalizeTest is EndsBase {
    function test_Refusals() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        wrong(bid, LeaseState.Running);
        escrow.finalize(bid);
        skip(10);
        post(bid, "root");
        vm.roll(1060);
        tooEarly(bid, 1060);
        escrow.finalize(bid);
        judge.freeze(bid);
        vm.roll(2000);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_Held.selector, idOf(bid), 1));
        escrow.finalize(bid);
        judge.release(bid);
        escrow.finalize(bid);
        wrong(bid, LeaseState.Finalized);
        escrow.finalize(bid);
    }

    function test_ByAnyone() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 100);
        eq(withdraw(bid), 60 ether, "advance");
        post(bid, "root");
        skip(51);
        vm.expectEmit();
        emit IEscrowCore.Ended(idOf(bid), LeaseState.Finalized, 47 ether, 100 ether, 0, 0);
        vm.prank(STRANGER);
        escrow.finalize(bid);
        settled(-107 ether, 47 ether, 0, 0);
        eq(token.balanceOf(OWNER), 60 ether, "advance kept");
        eq(escrow.moneyOf(bid).held, 0, "nothing is left");
    }
}

contract CloseByClientTest is EndsBase {
    function test_ByAnother() public {
        bytes32[6] memory bid = open(jobBid());
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotClient.selector, operator, CLIENT));
        vm.prank(operator);
        escrow.closeByClient(bid);
    }

    function test_Unstarted() public {
        bytes32[6] memory bid = open(jobBid());
        (uint256 client, uint256 provider) = escrow.showUpOf(bid);
        eq(client, SHOWN, "show-up");
        eq(provider, SHOWN, "show-up");
        vm.expectEmit();
        emit IEscrowCore.Ended(idOf(bid), LeaseState.ClientClosed, 0, DEPOSIT - SHOWN, 0, SHOWN);
        closeByClient(bid);
        settled(-int256(SHOWN), 0, 0, SHOWN);
        neverStarted(bid);
        wrong(bid, LeaseState.ClientClosed);
        closeByClient(bid);
    }

    function test_ShowUpIsNeverMoreThanTheDeposit() public {
        Bid memory b = jobBid();
        b.maxBlocks = 1;
        b.ratePerBlock = 1;
        b.completionFee = 0;
        bytes32[6] memory bid = open(b);
        closeByClient(bid);
        settled(-1, 0, 0, 1);
    }

    function test_Service() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        run(bid, 50);
        eq(withdraw(bid), 50 ether, "final");
        run(bid, 30);
        closeByClient(bid);
        settled(-80 ether, 30 ether, 0, 0);
        inState(bid, LeaseState.ClientClosed);
    }

    function test_ServiceThatFellSilent() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        skip(40);
        beat(bid);
        skip(40);
        closeByClient(bid); // two silences: one counted, one that still lasts
        settled(-10 ether, 10 ether, uint256(BOND) * 2 / 64, 0);
        eq(staking.burntOf(0), uint256(BOND) * 2 / 64, "burnt");
    }

    function test_ServiceLosesAtMostItsBond() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        vm.prank(CLIENT);
        escrow.topUp(bid, 100);
        for (uint256 i; i < 14; ++i) {
            skip(11);
            beat(bid);
        }
        eq(view_(bid).gaps, 14, "gaps");
        closeByClient(bid);
        settled(-140 ether, 140 ether, uint256(BOND) * 14 / 64, 0);
    }

    /// More silences than a bond has parts: the lease still ends, and no other lease's stake pays for it.
    function test_ServiceWithMoreGapsThanParts() public {
        bytes32[6] memory bid = _silentService(66);
        closeByClient(bid);
        inState(bid, LeaseState.ClientClosed);
        settled(-660 ether, 660 ether, BOND, 0);
        eq(staking.burntOf(0), BOND, "all of the bond, no more");
    }

    function test_ServiceWhoseLastingSilenceIsOneTooMany() public {
        bytes32[6] memory bid = _silentService(64);
        skip(361); // 360 blocks are left
        escrow.expire(bid);
        inState(bid, LeaseState.RanOut);
        settled(-640 ether, 640 ether, BOND, 0);
        eq(staking.burntOf(0), BOND, "all of the bond, no more");
    }

    function _silentService(uint256 gaps) private returns (bytes32[6] memory bid) {
        Bid memory b = serviceBid();
        b.maxBlocks = 1000;
        b.topUpCap = 1000;
        bid = openAndStart(b);
        for (uint256 i; i < gaps; ++i) {
            skip(11);
            beat(bid);
        }
        eq(view_(bid).gaps, gaps, "gaps");
    }

    function test_RunningJob() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 20);
        vm.expectEmit();
        emit IEscrowCore.Closing(idOf(bid), 1030);
        closeByClient(bid);
        inState(bid, LeaseState.Closing);
        eq(view_(bid).deadline, 1030, "moved");
        wrong(bid, LeaseState.Closing);
        closeByClient(bid);
        vm.roll(1030);
        tooEarly(bid, 1030);
        escrow.expire(bid);
    }

    function test_RunningJobNearItsDeadline() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        vm.roll(1240);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1240, 1240));
        closeByClient(bid);
        vm.roll(1239);
        closeByClient(bid);
        eq(view_(bid).deadline, 1249, "earlier than before");
    }
}

contract CloseByProviderTest is EndsBase {
    function test_ByAnother() public {
        bytes32[6] memory bid = open(jobBid());
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotProvider.selector, CLIENT, OWNER));
        vm.prank(CLIENT);
        escrow.closeByProvider(bid);
    }

    function test_UnstartedByTheOwner() public {
        bytes32[6] memory bid = open(jobBid());
        vm.prank(OWNER);
        escrow.closeByProvider(bid);
        settled(0, 0, SHOWN, 0);
        eq(staking.burntOf(0), SHOWN, "burnt");
        inState(bid, LeaseState.ProviderClosed);
        neverStarted(bid);
    }

    function test_ShowUpIsNeverMoreThanTheBond() public {
        bytes32[6] memory bid = open(longWaitBid());
        (, uint256 provider) = escrow.showUpOf(bid);
        eq(provider, RESERVE, "as shown");
        closeByProvider(bid);
        inState(bid, LeaseState.ProviderClosed);
        settled(0, 0, RESERVE, 0);
        eq(staking.burntOf(0), RESERVE, "the whole bond, no more");
    }

    function test_Service() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        run(bid, 30);
        closeByProvider(bid);
        settled(-30 ether, 30 ether, 0, 0);
        eq(view_(bid).startedAt, 1000, "still known");
    }

    function test_RunningJob() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 80);
        withdraw(bid);
        uint256 penalty = BOND / 8;
        vm.expectEmit();
        emit IEscrowCore.Ended(idOf(bid), LeaseState.ProviderClosed, 0, DEPOSIT, 60 ether, penalty);
        closeByProvider(bid);
        settled(0, 0, 60 ether + penalty, 0);
        wrong(bid, LeaseState.ProviderClosed);
        closeByProvider(bid);
    }

    function test_ClosingAndPosted() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        closeByClient(bid);
        wrong(bid, LeaseState.Closing);
        closeByProvider(bid);
        post(bid, "root");
        wrong(bid, LeaseState.Posted);
        closeByProvider(bid);
        wrong(bid, LeaseState.Posted);
        closeByClient(bid);
    }
}

contract ExpireTest is EndsBase {
    function test_Unstarted() public {
        bytes32[6] memory bid = open(jobBid());
        vm.roll(1020);
        tooEarly(bid, 1020);
        escrow.expire(bid);
        vm.roll(1021);
        vm.expectEmit();
        emit IEscrowCore.Ended(idOf(bid), LeaseState.StartMissed, 0, DEPOSIT - SHOWN, 0, 2 * SHOWN);
        escrow.expire(bid);
        settled(-int256(SHOWN), 0, SHOWN, SHOWN);
        eq(staking.burntOf(0), SHOWN, "the provider's half");
        neverStarted(bid);
    }

    function test_UnstartedWhereBothSumsAreCut() public {
        bytes32[6] memory bid = open(longWaitBid());
        skip(10_001);
        escrow.expire(bid);
        inState(bid, LeaseState.StartMissed);
        settled(-int256(DEPOSIT), 0, RESERVE, DEPOSIT);
        eq(staking.burntOf(0), RESERVE, "the whole bond, no more");
    }

    function test_RunningJob() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 100);
        withdraw(bid);
        vm.roll(1250);
        tooEarly(bid, 1250);
        escrow.expire(bid);
        vm.roll(1251);
        escrow.expire(bid);
        inState(bid, LeaseState.ResultMissed);
        settled(0, 0, 60 ether + BOND / 8, 0);
    }

    function test_ClosingJob() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 80);
        withdraw(bid);
        closeByClient(bid);
        skip(6);
        beat(bid);
        skip(5);
        escrow.expire(bid);
        inState(bid, LeaseState.ClientClosed);
        settled(-86 ether, 26 ether, 0, 0);
    }

    function test_ServiceWhoseFundsAreOver() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        run(bid, 195);
        skip(10); // five blocks left, ten of grace
        tooEarly(bid, 1205);
        escrow.expire(bid);
        skip(1);
        vm.prank(STRANGER);
        escrow.expire(bid);
        inState(bid, LeaseState.RanOut);
        settled(-195 ether, 195 ether, 0, 0);
    }

    function test_InOtherStates() public {
        bytes32[6] memory bid = pack(jobBid());
        wrong(bid, LeaseState.None);
        escrow.expire(bid);
        openAndStart(jobBid());
        post(bid, "root");
        vm.roll(9_000);
        wrong(bid, LeaseState.Posted);
        escrow.expire(bid);
    }
}
