// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Bid, LeaseId, LeaseMoney, LeaseState, LeaseView} from "../../src/types/Types.sol";

contract StartTest is Base {
    function test_WhenNotTheOperator() public {
        bytes32[6] memory bid = open(jobBid());
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotOperator.selector, OWNER, operator));
        vm.prank(OWNER);
        escrow.start(bid);
    }

    function test_WhenNotOpened() public {
        bytes32[6] memory bid = pack(jobBid());
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.None)
        );
        vm.prank(operator);
        escrow.start(bid);
        openAndStart(jobBid());
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.Running)
        );
        vm.prank(operator);
        escrow.start(bid);
    }

    function test_WhenLate() public {
        bytes32[6] memory bid = open(jobBid());
        vm.roll(1021);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1020, 1021));
        vm.prank(operator);
        escrow.start(bid);
    }

    function test_WhenInTimeForAJob() public {
        bytes32[6] memory bid = open(jobBid());
        vm.roll(1020);
        vm.expectEmit();
        emit IEscrowCore.Started(idOf(bid), 1020);
        start(bid);
        LeaseView memory v = view_(bid);
        eq(uint8(v.state), uint8(LeaseState.Running), "state");
        eq(v.startedAt, 1020, "started");
        eq(v.lastBeat, 1020, "first beat");
        eq(v.deadline, 1270, "deadline");
        eq(v.openedAt, 0, "opening is over");
    }

    function test_WhenInTimeForAService() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        inState(bid, LeaseState.Serving);
        eq(view_(bid).deadline, 0, "owes no result");
    }
}

contract BeatTest is Base {
    function test_WhenNotTheOperator() public {
        openAndStart(jobBid());
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_NotOperator.selector, STRANGER, operator));
        vm.prank(STRANGER);
        escrow.beat(OWNER, new bytes32[](1));
    }

    function test_WhenSomeCannotCount() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        bytes32[6] memory unstarted = open(serviceBid());
        bytes32[] memory hashes = new bytes32[](5);
        hashes[0] = keccak256("unknown");
        hashes[1] = escrow.bidHash(unstarted);
        hashes[2] = escrow.bidHash(bid);
        hashes[3] = hashes[2]; // twice
        skip(4);
        LeaseId[] memory counted = new LeaseId[](1);
        counted[0] = idOf(bid);
        vm.expectEmit();
        emit IEscrowCore.Beat(OWNER, counted);
        vm.prank(operator);
        escrow.beat(OWNER, hashes);
        eq(view_(bid).paidBlocks, 4, "paid");
        eq(view_(unstarted).paidBlocks, 0, "unstarted");
    }

    function test_WhenNoneIsGiven() public {
        vm.expectEmit();
        emit IEscrowCore.Beat(OWNER, new LeaseId[](0));
        vm.prank(operator);
        escrow.beat(OWNER, new bytes32[](0));
    }

    function test_WhenWithinGrace() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        skip(10);
        beat(bid);
        eq(view_(bid).paidBlocks, 10, "paid");
        eq(view_(bid).lastBeat, 1010, "last");
        skip(3);
        beat(bid);
        eq(view_(bid).paidBlocks, 13, "paid");
    }

    function test_WhenExactlyAtGraceOnAService() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        skip(10);
        beat(bid);
        eq(view_(bid).paidBlocks, 10, "paid");
        eq(view_(bid).gaps, 0, "no gap");
    }

    function test_WhenBeyondGraceOnAService() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        skip(11);
        beat(bid);
        eq(view_(bid).paidBlocks, 10, "grace is paid, the gap is not");
        eq(view_(bid).gaps, 1, "gap");
        skip(500);
        beat(bid);
        eq(view_(bid).paidBlocks, 20, "grace again");
        eq(view_(bid).gaps, 2, "one a silence, however long");
    }

    function test_WhenFundsEnd() public {
        Bid memory b = serviceBid();
        b.maxBlocks = 12;
        bytes32[6] memory bid = openAndStart(b);
        skip(8);
        beat(bid);
        skip(100); // four blocks are left, fewer than grace: no silence
        beat(bid);
        eq(view_(bid).paidBlocks, 12, "all");
        eq(view_(bid).gaps, 0, "no gap");
        skip(100);
        beat(bid); // nothing more
        eq(view_(bid).lastBeat, 1108, "unchanged");
    }

    function test_WhenPastTheDeadlineOfAJob() public {
        Bid memory b = jobBid();
        b.resultDeadline = 15;
        bytes32[6] memory bid = openAndStart(b);
        skip(8);
        beat(bid);
        skip(9); // two beyond the deadline
        beat(bid);
        eq(view_(bid).paidBlocks, 15, "up to the deadline");
        skip(5);
        beat(bid);
        eq(view_(bid).paidBlocks, 15, "nothing beyond");
    }
}

contract TopUpTest is Base {
    function _wrong(bytes32[6] memory bid, LeaseState at_) private {
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), at_));
        vm.prank(CLIENT);
        escrow.topUp(bid, 1);
    }

    function test_WhenThereIsNoStreamToCome() public {
        bytes32[6] memory bid = pack(jobBid());
        _wrong(bid, LeaseState.None);
        openAndStart(jobBid());
        closeByClient(bid);
        _wrong(bid, LeaseState.Closing);
        post(bid, keccak256("r"));
        _wrong(bid, LeaseState.Posted);
        skip(60);
        escrow.finalize(bid);
        _wrong(bid, LeaseState.Finalized);
    }

    function test_WhenLate() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        vm.roll(1251);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1250, 1251));
        vm.prank(CLIENT);
        escrow.topUp(bid, 1);
    }

    function test_BeforeTheStart() public {
        bytes32[6] memory bid = open(jobBid());
        vm.roll(1020);
        vm.prank(CLIENT);
        escrow.topUp(bid, 20);
        inState(bid, LeaseState.Opened);
        eq(view_(bid).fundedBlocks, 220, "funded");
        eq(escrow.moneyOf(bid).held, 227 ether, "held");
        vm.roll(1021);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1020, 1021));
        vm.prank(CLIENT);
        escrow.topUp(bid, 1);
    }

    function test_WhenServiceHasEnded() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        skip(10);
        beat(bid);
        vm.roll(1200); // earns its last block now
        vm.prank(CLIENT);
        escrow.topUp(bid, 1);
        vm.roll(1202);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, idOf(bid), 1201, 1202));
        vm.prank(CLIENT);
        escrow.topUp(bid, 1);
    }

    function test_WhenBeyondTheCap() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        vm.prank(CLIENT);
        escrow.topUp(bid, 100);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_OverCap.selector, idOf(bid), 301, 300));
        vm.prank(CLIENT);
        escrow.topUp(bid, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrowCore.Escrow_OverCap.selector, idOf(bid), 300 + uint256(type(uint32).max), 300
            )
        );
        vm.prank(CLIENT);
        escrow.topUp(bid, type(uint32).max);
    }

    function test_ByAStrangerFromCreditsAndWallet() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        fundClient(STRANGER, 100 ether);
        vm.expectEmit();
        emit IEscrowCore.ToppedUp(idOf(bid), STRANGER, 20, 20 ether);
        vm.prank(STRANGER);
        escrow.topUp(bid, 20);
        eq(credits(STRANGER), 30 ether, "credits");
        vm.prank(STRANGER);
        escrow.topUpFromWallet(bid, 30);
        eq(token.balanceOf(STRANGER), 20 ether, "wallet");
        eq(view_(bid).fundedBlocks, 250, "funded");
        eq(view_(bid).deadline, 1250, "the deadline stays");
        eq(escrow.moneyOf(bid).held, 257 ether, "held");
    }
}

contract WithdrawTest is Base {
    function test_WhenMixed() public {
        enrol(STRANGER, operator, 1_000 ether);
        Bid memory b = serviceBid();
        b.owner = STRANGER;
        bytes32[6][] memory bids = new bytes32[6][](2);
        bids[0] = openAndStart(serviceBid());
        bids[1] = openAndStart(b);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_MixedBatch.selector, 1));
        escrow.withdraw(bids);
        b = serviceBid();
        b.token = 1;
        bids[1] = pack(b);
        vm.expectRevert(abi.encodeWithSelector(IEscrowCore.Escrow_MixedBatch.selector, 1));
        escrow.withdraw(bids);
    }

    function test_Batch() public {
        Bid memory b = serviceBid();
        b.capacityNonce = 60;
        bytes32[6][] memory bids = new bytes32[6][](4);
        bids[0] = openAndStart(serviceBid());
        bids[1] = pack(jobBid()); // no such lease
        bids[2] = openAndStart(b);
        bids[3] = bids[0]; // again
        run(bids[0], 40);
        run(bids[2], 5); // silent for 40 blocks: grace is paid, 45 in all elapsed
        uint256 before = token.balanceOf(OWNER);
        vm.prank(STRANGER);
        uint256 amount = escrow.withdraw(bids);
        eq(amount, 50 ether, "sum");
        eq(token.balanceOf(OWNER), before + 50 ether, "paid to the owner");
        eq(escrow.withdraw(bids), 0, "nothing twice");
        eq(escrow.withdraw(new bytes32[6][](0)), 0, "nothing at all");
        eq(view_(bids[0]).withdrawnBlocks, 40, "withdrawn");
    }

    function test_JobUpToBondLessReserve() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 59);
        eq(escrow.moneyOf(bid).withdrawable, 59 ether, "all of it");
        eq(withdraw(bid), 59 ether, "all of it");
        run(bid, 30);
        eq(withdraw(bid), 1 ether, "up to bond - reserve");
        eq(withdraw(bid), 0, "no more");
        LeaseMoney memory m = escrow.moneyOf(bid);
        eq(m.accrued, 89 ether, "accrued");
        eq(m.withdrawn, 60 ether, "withdrawn");
        eq(m.held, 147 ether, "held");
        eq(m.refundable, 118 ether, "refundable");
    }

    function test_ServiceBeyondTheBond() public {
        bytes32[6] memory bid = openAndStart(serviceBid());
        run(bid, 150);
        eq(withdraw(bid), 150 ether, "each paid block is final");
    }

    function test_RateOfZeroInABatch() public {
        Bid memory b = jobBid();
        b.ratePerBlock = 0;
        bytes32[6][] memory bids = new bytes32[6][](2);
        bids[0] = openAndStart(b);
        run(bids[0], 5);
        bids[1] = openAndStart(serviceBid());
        run(bids[1], 5);
        eq(escrow.withdraw(bids), 5 ether, "the other is served");
    }

    /// What an ended lease owed is in credits: to pay it here too would take it from others.
    function test_WhenTheLeaseHasEnded() public {
        bytes32[6] memory service = openAndStart(serviceBid());
        run(service, 40);
        bytes32[6] memory job = openAndStart(jobBid());
        run(job, 40);
        Bid memory b = jobBid();
        b.capacityNonce = 60;
        bytes32[6] memory given = openAndStart(b);
        run(given, 40);
        closeByClient(service);
        closeByProvider(given);
        post(job, keccak256("r"));
        skip(51);
        escrow.finalize(job);
        uint256 before = token.balanceOf(OWNER);
        eq(withdraw(service), 0, "closed service");
        eq(withdraw(given), 0, "job without a result");
        eq(withdraw(job), 0, "final job");
        eq(token.balanceOf(OWNER), before, "nothing is paid");
        eq(view_(service).withdrawnBlocks, 0, "nothing is counted");
    }

    /// However beats and withdrawals fall, a job's withdrawals stay within bond - reserve and within what is earned.
    function testFuzz_JobNeverOverdraws(uint256 seed, uint96 rate, uint96 bond) public {
        Bid memory b = jobBid();
        b.ratePerBlock = uint96(bound(rate, 0, 20 ether));
        b.bond = uint96(bound(bond, RESERVE, BOND));
        bytes32[6] memory bid = openAndStart(b);
        uint256 got;
        for (uint256 i; i < 12; ++i) {
            skip(uint256(keccak256(abi.encode(seed, i))) % 14);
            beat(bid);
            if (uint256(keccak256(abi.encode(seed, i, "w"))) % 3 == 0) got += withdraw(bid);
            le(got, b.bond - RESERVE, "covered by the bond less the reserve");
            le(got, uint256(b.ratePerBlock) * view_(bid).paidBlocks, "earned");
        }
    }
}
