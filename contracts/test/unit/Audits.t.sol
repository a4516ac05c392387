// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IAuditEvents} from "../../src/interfaces/IAuditEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Answer, Audit, Auditor, AuditTerms, Part, Stage} from "../../src/types/AuditTypes.sol";
import {Job} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";

/// @notice audits.tree, but for its last two parts.
contract AuditsTest is AuditBase {
    using TestTree for bytes32[][];

    // --------------------------------------------------------------------------------------------- deployment

    function create(AuditTerms calldata t, address escrow_, address disputes_)
        external
        returns (address made)
    {
        bytes memory code = abi.encodePacked(
            vm.getCode("Audits.sol:Audits"), abi.encode(escrow_, disputes_, t)
        );
        assembly {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function _refuse(AuditTerms memory t, bytes32 reason) private {
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_BadTerms.selector, reason));
        this.create(t, address(escrow), address(disputes));
    }

    function test_BadTerms() public {
        AuditTerms memory t = terms();
        eq(keccak256(abi.encode(audits.terms())), keccak256(abi.encode(t)), "terms");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_BadTerms.selector, bytes32("escrow")));
        this.create(t, STRANGER, address(disputes));
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_BadTerms.selector, bytes32("disputes")));
        this.create(t, address(escrow), STRANGER);
        t.stake = 0;
        _refuse(t, "stake");
        t = terms();
        t.commitClock = 0;
        _refuse(t, "commitClock");
        t = terms();
        t.revealClock = 0;
        _refuse(t, "revealClock");
        t = terms();
        t.contestClock = 0;
        _refuse(t, "contestClock");
        t = terms();
        t.leaveDelay = t.drawClock;
        _refuse(t, "leaveDelay");
        t = terms();
        t.stakeToken = 2;
        _refuse(t, "stakeToken");
    }

    // ---------------------------------------------------------------------------------------------- auditors

    function test_EnrolTwice() public {
        vm.prank(auditor(0));
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Known.selector, auditor(0)));
        audits.enrol();
        quit(auditor(0));
        vm.prank(auditor(0));
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Known.selector, auditor(0)));
        audits.enrol();
    }

    function test_Enrol() public {
        address who = address(0xE4A01);
        uint256 held = token.balanceOf(address(audits));
        enrolAuditor(who);
        eq(token.balanceOf(address(audits)), held + STAKE, "pulled");
        eq(audits.countAt(block.number), AUDITORS + 1, "count");
        eq(audits.auditorAt(AUDITORS, block.number), who, "last");
        Auditor memory a = audits.auditorOf(who);
        eq(a.stake, STAKE, "stake");
        eq(a.since, vm.getBlockNumber(), "since");
    }

    function test_QuitFillsThePlaceAndKeepsThePast() public {
        uint256 then = vm.getBlockNumber();
        skip(3);
        quit(auditor(1));
        uint256 now_ = vm.getBlockNumber();
        eq(audits.countAt(now_), AUDITORS - 1, "count");
        eq(audits.auditorAt(1, now_), auditor(AUDITORS - 1), "the last took the place");
        eq(audits.auditorOf(auditor(AUDITORS - 1)).place, 1, "and knows it");
        eq(audits.countAt(then), AUDITORS, "the list as it was");
        eq(audits.auditorAt(1, then), auditor(1), "its places as they were");
        eq(audits.auditorAt(AUDITORS - 1, then), auditor(AUDITORS - 1), "all of them");
        quit(auditor(AUDITORS - 1)); // from its new place
        eq(audits.auditorAt(1, now_), auditor(3), "filled again");
        vm.prank(auditor(1));
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotEnrolled.selector, auditor(1)));
        audits.quit();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotEnrolled.selector, STRANGER));
        audits.quit();
    }

    function test_TakeStake() public {
        address who = auditor(2);
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_StillEnrolled.selector, who));
        audits.takeStake(who);
        audits.quit();
        uint256 until = vm.getBlockNumber() + LEAVE;
        skip(LEAVE);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooEarly.selector, until));
        audits.takeStake(who);
        skip(1);
        vm.expectRevert(IAuditEvents.Audits_ZeroAddress.selector);
        audits.takeStake(address(0));
        audits.takeStake(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotEnrolled.selector, who));
        audits.takeStake(STRANGER);
        vm.stopPrank();
        eq(token.balanceOf(STRANGER), 1000 ether + STAKE, "paid");
        enrolAuditor(who); // anew
    }

    function test_TakeStakeWhileDrawn() public {
        drawn(1);
        address who = task(0).auditor;
        quit(who);
        skip(LEAVE + 1);
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Busy.selector, who, 1));
        audits.takeStake(who);
        finish(); // nobody has committed
        vm.prank(who);
        audits.takeStake(who);
        eq(token.balanceOf(who), STAKE - STAKE / 8, "all that is left");
    }

    // ---------------------------------------------------------------------------------------------- ordering

    function place(address by, uint256 tasks) external {
        order(by, tasks);
    }

    function test_OrderOnALeaseThatIsNotPosted() public {
        bid = openAndStart(auditedBid(10));
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(bid), LeaseState.Running)
        );
        this.place(CLIENT, 1);
    }

    function test_OrderByAnotherJob() public {
        Job memory j = job();
        j.items = 4;
        vm.prank(CLIENT);
        vm.expectPartialRevert(IAuditEvents.Audits_WrongJob.selector);
        audits.order(bid, j, 1);
    }

    function test_OrderOnAPrivateLease() public {
        Bid memory b = auditedBid(10);
        b.flags = 1;
        bid = posted(b);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Private.selector, idOf(bid)));
        this.place(CLIENT, 1);
    }

    function test_OrderTooLate() public {
        uint256 needed = audits.spanOf(bid, true);
        eq(needed, DRAW + COMMIT + 10 + REVEAL + CONTEST, "span");
        eq(audits.spanOf(bid, false), needed + 10, "strangers wait for the client's");
        skip(WINDOW - needed);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NoTime.selector, needed + 10, needed));
        this.place(STRANGER, 1);
        order(CLIENT, 1); // at the last reading
        Bid memory b = auditedBid(10);
        bid = posted(b);
        skip(WINDOW - needed + 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NoTime.selector, needed, needed - 1));
        this.place(CLIENT, 1);
    }

    function test_OrderOfNoneOrTooMany() public {
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Count.selector, 8, 0));
        this.place(CLIENT, 0);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Count.selector, 8, 9));
        this.place(CLIENT, 9);
        order(CLIENT, 5);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Count.selector, 3, 4));
        this.place(CLIENT, 4);
        order(CLIENT, 3);
    }

    function test_OrderOnceTheBlockIsThere() public {
        order(CLIENT, 1);
        uint256 block_ = audit().drawBlock;
        eq(block_, vm.getBlockNumber() + 4, "a later block");
        skip(4);
        order(CLIENT, 1); // in that block nobody knows its hash
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooLate.selector, block_));
        this.place(CLIENT, 1);
        audits.draw(bid, true);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.Drawn));
        this.place(CLIENT, 1);
    }

    function test_Order() public {
        // (200 blocks at 1 + 7) x 150 % / 3 items, and the fixed sum.
        eq(fee(), 103.5 ether + 1 ether, "fee");
        uint256 before = token.balanceOf(CLIENT);
        order(CLIENT, 3);
        eq(token.balanceOf(CLIENT), before - 3 * fee(), "pulled");
        eq(freezes(), 1, "held");
        order(STRANGER, 2);
        eq(freezes(), 2, "the strangers' audit is another");
        eq(audits.auditOf(idOf(bid), false).tasks, 2, "tasks");
        eq(audit().tasks, 3, "tasks of the client's");
        atPart(2, Part.Ordered);
    }

    function test_FeeIsRoundedUp() public {
        Bid memory b = auditedBid(10);
        b.completionFee = 7 ether + 1; // 150 % of a sum that leaves a rest
        bid = pack(b);
        eq(audits.feeOf(bid, 7), (uint256(207 ether + 1) * 150 + 699) / 700 + FIXED, "fee");
        b.token = 9;
        bid = pack(b);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_UnlistedToken.selector, 9));
        audits.feeOf(bid, 7);
    }

    // ------------------------------------------------------------------------------------------------ drawing

    function test_DrawWithoutAHash() public {
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.None));
        audits.draw(bid, true);
        order(CLIENT, 1);
        skip(4);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NoHash.selector, block.number));
        audits.draw(bid, true);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_HashIsThere.selector, block.number));
        audits.redraw(bid, true);
        skip(1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_HashIsThere.selector, block.number - 1));
        audits.redraw(bid, true);
        audits.draw(bid, true);
    }

    function test_DrawTooLateIsRepeated() public {
        order(CLIENT, 2);
        uint256 until = vm.getBlockNumber() + DRAW;
        skip(DRAW + 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooLate.selector, until));
        audits.draw(bid, true);
        audits.redraw(bid, true);
        eq(audit().drawBlock, vm.getBlockNumber() + 4, "another block");
        skip(5);
        audits.draw(bid, true);
        atStage(Stage.Drawn);
    }

    function test_RedrawWithoutTimePaysBack() public {
        uint256 before = token.balanceOf(CLIENT);
        order(CLIENT, 2);
        order(STRANGER, 1);
        skip(WINDOW - audits.spanOf(bid, true) + 1);
        audits.redraw(bid, true);
        atStage(Stage.Over);
        vm.prank(CLIENT);
        audits.withdraw(0, CLIENT);
        eq(token.balanceOf(CLIENT), before, "to the wei");
        eq(freezes(), 1, "let go");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.Over));
        audits.redraw(bid, true);
    }

    function test_DrawWithNobodyToDraw() public {
        skip(WINDOW); // a lease of the first hour: nobody had enrolled when it opened
        for (uint256 i; i < AUDITORS; ++i) {
            quit(auditor(i));
        }
        skip(30);
        bid = posted(auditedBid(10));
        order(CLIENT, 2);
        enrolAuditor(address(0x1A7E));
        skip(5);
        audits.draw(bid, true);
        atStage(Stage.Over);
        eq(owed(CLIENT), 2 * fee(), "all fees");
        eq(freezes(), 0, "let go");
    }

    function test_DrawFindsDifferentAuditors() public {
        Audit memory a = drawn(8); // of five
        yes(a.item < ITEMS, "an item");
        eq(a.commitUntil, vm.getBlockNumber() + COMMIT + 10, "clock and allowance");
        eq(a.assigned, AUDITORS, "all of them");
        for (uint256 i; i < AUDITORS; ++i) {
            eq(audits.auditorOf(auditor(i)).busy, 1, "each once");
            atPart(i, Part.Assigned);
        }
        atPart(AUDITORS, Part.Done);
        eq(owed(CLIENT), 3 * fee(), "what nobody was found for");
    }

    // ---------------------------------------------------------------------------------------------- answering

    function pledge(uint256 i, bytes32 traceRoot, bytes32 item) external {
        commit(i, traceRoot, item);
    }

    function show(uint256 i, bytes32 traceRoot, bytes32 item) external {
        reveal(i, traceRoot, item);
    }

    function pledgeAsProvider(bytes32 traceRoot, bytes32 item) external {
        commitAsProvider(traceRoot, item);
    }

    function showAsProvider(bytes32 traceRoot) external {
        revealAsProvider(traceRoot);
    }

    function showRoots(bytes32[] memory roots) external {
        revealRoots(TRACE, roots);
    }

    function test_CommitByAnother() public {
        drawn(1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotAuditor.selector, address(this)));
        audits.commit(bid, true, 0, "seed", "seal", "root");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotAuditor.selector, address(this)));
        audits.commit(bid, true, 1, "seed", "seal", "root"); // no such task
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotProvider.selector, address(this)));
        audits.commitAsProvider(bid, true, "seed", "seal");
    }

    function test_CommitTwiceOrZeroOrLate() public {
        drawn(2);
        bytes32 item = right();
        commit(0, TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Committed));
        this.pledge(0, TRACE, item);
        address who = task(1).auditor;
        vm.prank(who);
        vm.expectRevert(IAuditEvents.Audits_ZeroCommitment.selector);
        audits.commit(bid, true, 1, "seed", 0, "root");
        commitAsProvider(TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongAnswer.selector, Answer.Committed));
        this.pledgeAsProvider(TRACE, item);
        uint256 until = audit().commitUntil;
        vm.roll(until + 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooLate.selector, until));
        this.pledge(1, TRACE, item);
        vm.roll(until);
        commit(1, TRACE, item);
    }

    function test_RevealWhileACommitmentMayCome() public {
        drawn(2);
        bytes32 item = right();
        commit(0, TRACE, item);
        commitAsProvider(TRACE, item);
        uint256 until = audit().commitUntil;
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Sealed.selector, until));
        this.show(0, TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Sealed.selector, until));
        this.showAsProvider(TRACE);
        vm.roll(until); // the second auditor can still copy what is shown
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Sealed.selector, until));
        this.show(0, TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Sealed.selector, until));
        this.showAsProvider(TRACE);
        vm.roll(until + 1); // the second auditor is too late
        reveal(0, TRACE, item);
        vm.roll(until + REVEAL + 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooLate.selector, until + REVEAL));
        this.showAsProvider(TRACE);
        vm.roll(until + REVEAL);
        revealAsProvider(TRACE);
    }

    function test_RevealSomethingElse() public {
        drawn(1);
        bytes32 item = right();
        commit(0, TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongAnswer.selector, Answer.None));
        this.showAsProvider(TRACE);
        commitAsProvider(TRACE, item);
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.show(0, "another", item);
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.showAsProvider("another");
        reveal(0, TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Revealed));
        this.show(0, TRACE, item);
    }

    function test_RevealAnItemThatIsNotUnderTheResult() public {
        drawn(1);
        uint256 other = (audit().item + 1) % ITEMS;
        commitAsProvider(TRACE, itemRoot(other));
        commit(0, TRACE, right());
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        this.showRoots(rootsOf(other));
        skip(60);
        finish();
        atStage(Stage.Silent); // it had no answer
    }

    function test_RevealWithATooLongProof() public {
        drawn(1);
        commitAsProvider(TRACE, right());
        commit(0, TRACE, right());
        uint256 item = audit().item;
        vm.prank(operator, operator);
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        audits.revealAsProvider(bid, true, TRACE, rootsOf(item), SALT, new bytes32[](3), TRACE, none_);
    }

    /// @dev What cannot be read from the transaction could be kept from an accuser: by a contract that calls, and by a key
    /// that has code.
    function test_RevealByAContract() public {
        drawn(1);
        commitAsProvider(TRACE, right());
        commit(0, TRACE, right());
        bytes32[] memory roots = rootsOf(audit().item);
        bytes32[] memory proof = itemsTree().proof(0, audit().item);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotPlain.selector, operator));
        audits.revealAsProvider(bid, true, TRACE, roots, SALT, proof, TRACE, none_);
        vm.etch(operator, hex"00");
        vm.prank(operator, operator);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotPlain.selector, operator));
        audits.revealAsProvider(bid, true, TRACE, roots, SALT, proof, TRACE, none_);
        vm.etch(operator, "");
        revealAsProvider(TRACE);
    }

    /// @dev A key that is replaced in between: the new one opens what the old one committed to.
    function test_RevealByTheNewOperator() public {
        drawn(1);
        bytes32 item = right();
        commitAsProvider(TRACE, item);
        commit(0, TRACE, item);
        vm.prank(OWNER);
        escrow.setOperator(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotProvider.selector, operator));
        this.showAsProvider(TRACE);
        operator = STRANGER;
        revealAsProvider(TRACE);
    }
}
