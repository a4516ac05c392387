// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {vm} from "../base/Vm.sol";
import {IAuditEvents} from "../../src/interfaces/IAuditEvents.sol";
import {Auditor, Part, Stage} from "../../src/types/AuditTypes.sol";
import {LeaseId, LeaseState} from "../../src/types/Types.sol";

/// @notice audits.tree: abstain, and what it must not be good for.
contract AuditAbstainTest is AuditBase {
    function refrain(uint256 i) external {
        abstain(i);
    }

    function pledge(uint256 i, bytes32 traceRoot, bytes32 item) external {
        commit(i, traceRoot, item);
    }

    function show(uint256 i, bytes32 traceRoot, bytes32 item) external {
        reveal(i, traceRoot, item);
    }

    function showAsProvider(bytes32 traceRoot) external {
        revealAsProvider(traceRoot);
    }

    function end() external {
        finish();
    }

    // ------------------------------------------------------------------------------------------------- who may

    function test_AbstainByAnother() public {
        drawn(2);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotAuditor.selector, address(this)));
        audits.abstain(bid, true, 0, "seed");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotAuditor.selector, address(this)));
        audits.abstain(bid, true, 2, "seed"); // no such task
        address other = task(1).auditor;
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_NotAuditor.selector, other));
        audits.abstain(bid, true, 0, "seed");
    }

    function test_AbstainFromNoAudit() public {
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.None));
        audits.abstain(bid, true, 0, "seed");
        order(CLIENT, 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.Called));
        audits.abstain(bid, true, 0, "seed");
        skip(5);
        audits.draw(bid, true);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.None));
        audits.abstain(bid, false, 0, "seed"); // the strangers' audit
        bytes32[6] memory another = bid;
        another[2] = "another job"; // whose fee would be another one
        address who = task(0).auditor;
        vm.prank(who);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.None));
        audits.abstain(another, true, 0, "seed");
    }

    function test_AbstainTwiceOrAfterCommittingOrLate() public {
        drawn(3);
        abstain(0);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        this.refrain(0);
        commit(1, TRACE, right());
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Committed));
        this.refrain(1);
        uint256 until = audit().commitUntil;
        vm.roll(until + 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooLate.selector, until));
        this.refrain(2);
        vm.roll(until);
        abstain(2);
    }

    // ------------------------------------------------------------------------------------------- what it does

    function test_Abstain() public {
        drawn(2);
        address who = task(0).auditor;
        Auditor memory before = audits.auditorOf(who);
        LeaseId id = idOf(bid);
        vm.expectEmit();
        emit IAuditEvents.Abstained(id, true, who);
        vm.expectEmit();
        emit IAuditEvents.Returned(id, CLIENT, fee());
        abstain(0);
        atPart(0, Part.Done);
        eq(owed(CLIENT), fee(), "paid back");
        eq(owed(who), 0, "not paid");
        Auditor memory now_ = audits.auditorOf(who);
        eq(now_.busy, 0, "free");
        before.busy = 0;
        eq(keccak256(abi.encode(now_)), keccak256(abi.encode(before)), "stake and place are as they were");
        eq(audits.countAt(block.number), AUDITORS, "in the list");
        bytes32 item = right();
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        this.pledge(0, TRACE, item);
        vm.roll(audit().commitUntil + 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        this.show(0, TRACE, item);
    }

    /// @dev Nothing is shown while somebody could still commit to a copy of it, and nobody waits for who cannot.
    function test_RevealsBeginWithTheLastCommitmentOfTheOthers() public {
        drawn(3);
        bytes32 item = right();
        abstain(1);
        commit(0, TRACE, item);
        commitAsProvider(TRACE, item);
        uint256 until = audit().commitUntil;
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Sealed.selector, until));
        this.show(0, TRACE, item);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Sealed.selector, until));
        this.showAsProvider(TRACE);
        commit(2, TRACE, item);
        reveal(0, TRACE, item);
        revealAsProvider(TRACE);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooEarly.selector, until + REVEAL));
        this.end();
        reveal(2, TRACE, item);
        finish(); // at once
        atStage(Stage.Over);
        eq(owed(task(0).auditor), fee(), "paid");
        eq(owed(task(1).auditor), 0, "not paid");
        eq(owed(task(2).auditor), fee(), "paid");
        eq(owed(CLIENT), fee(), "paid back once");
        eq(audits.burntStake(), 0, "nobody is punished");
        eq(audits.auditorOf(task(1).auditor).busy, 0, "free, once");
        eq(freezes(), 0, "let go");
    }

    function test_TheLastToAbstainOpensTheReveals() public {
        drawn(2);
        bytes32 item = right();
        commit(0, TRACE, item);
        commitAsProvider(TRACE, item);
        vm.expectPartialRevert(IAuditEvents.Audits_Sealed.selector);
        this.show(0, TRACE, item);
        abstain(1);
        reveal(0, TRACE, item);
        revealAsProvider(TRACE);
        finish();
        atStage(Stage.Over);
    }

    // ---------------------------------------------------------------------------------------- all who are drawn

    function test_AllAbstainAndTheProviderAnswers() public {
        drawn(2);
        bytes32 item = right();
        abstain(0);
        abstain(1);
        vm.expectPartialRevert(IAuditEvents.Audits_TooEarly.selector);
        this.end();
        commitAsProvider(TRACE, item);
        revealAsProvider(TRACE);
        finish();
        atStage(Stage.Over);
        eq(owed(CLIENT), 2 * fee(), "paid back");
        eq(freezes(), 0, "let go");
        skip(WINDOW);
        escrow.finalize(bid);
        inState(bid, LeaseState.Finalized);
    }

    function test_AllAbstainAndTheProviderDoesNotCommit() public {
        drawn(2);
        abstain(0);
        abstain(1);
        uint256 until = audit().commitUntil;
        vm.roll(until);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooEarly.selector, until));
        this.end();
        vm.roll(until + 1);
        finish();
        convictedForNobody();
    }

    function test_AllAbstainAndTheProviderDoesNotReveal() public {
        drawn(2);
        commitAsProvider(TRACE, right());
        abstain(0);
        abstain(1);
        uint256 until = audit().commitUntil + REVEAL;
        vm.roll(until);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooEarly.selector, until));
        this.end();
        vm.roll(until + 1);
        finish();
        convictedForNobody();
    }

    /// @dev Rule 6: its silence convicts, whoever watches. Nobody has a share.
    function convictedForNobody() private {
        atStage(Stage.Silent);
        eq(owed(CLIENT), 2 * fee(), "paid back");
        settle();
        inState(bid, LeaseState.Convicted);
        eq(escrow.creditsOf(0, address(disputes)), 0, "and nothing is kept that nobody can take");
        for (uint256 i; i < 2; ++i) {
            eq(stakeLeft(task(i).auditor), STAKE, "not punished");
            vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
            audits.takeReward(bid, true, i);
        }
    }

    // ------------------------------------------------------------------------------------------- beside others

    function test_WhoAbstainsSharesInNoReward() public {
        drawn(3);
        commit(0, TRACE, right());
        abstain(1); // the third does nothing
        vm.roll(audit().commitUntil + 1);
        finish();
        settle();
        audits.takeReward(bid, true, 0);
        eq(token.balanceOf(task(0).auditor), RESERVE / 4, "a whole claim");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        audits.takeReward(bid, true, 1);
        eq(owed(task(1).auditor), 0, "no fee");
        eq(stakeLeft(task(1).auditor), STAKE, "no loss");
        eq(stakeLeft(task(2).auditor), STAKE - STAKE / 8, "silence is something else");
        eq(owed(CLIENT), 2 * fee(), "paid back");
    }

    function test_AnAccusationBesideAnAbstention() public {
        drawn(2);
        bytes32 item = right();
        abstain(0);
        commit(1, "another trace", item);
        commitAsProvider(TRACE, item);
        reveal(1, "another trace", item);
        revealAsProvider(TRACE);
        finish();
        atStage(Stage.Contested);
        atPart(0, Part.Done);
        vm.roll(uint256(view_(bid).lastBeat) + WINDOW + 1);
        close(TRACE);
        eq(stakeLeft(task(0).auditor), STAKE, "it accused nobody");
        eq(stakeLeft(task(1).auditor), STAKE / 2, "it did");
        eq(owed(CLIENT), 2 * fee(), "paid back once each");
        eq(freezes(), 0, "let go");
    }

    function test_ConvictedElsewhereAfterAnAbstention() public {
        drawn(3);
        abstain(0);
        commit(1, TRACE, right());
        judge.freeze(bid);
        judge.convict(bid, 0);
        finish();
        atStage(Stage.Over);
        eq(owed(CLIENT), 2 * fee(), "paid back once each");
        eq(owed(task(0).auditor), 0, "not paid");
        for (uint256 i; i < 3; ++i) {
            eq(audits.auditorOf(task(i).auditor).busy, 0, "free");
        }
    }

    /// @dev Rule 11: who abstains is freed once. One that has left, and enrolled anew, cannot make the audit's end fail.
    function test_Rule11WhoAbstainsAndLeavesLocksNothing() public {
        drawn(2);
        address who = task(0).auditor;
        bytes32 item = right();
        quit(who);
        abstain(0);
        commit(1, TRACE, item);
        commitAsProvider(TRACE, item);
        reveal(1, TRACE, item);
        revealAsProvider(TRACE);
        skip(LEAVE + 1);
        vm.prank(who);
        audits.takeStake(who);
        finish();
        atStage(Stage.Over);
        eq(audits.auditorOf(who).since, 0, "gone");
        eq(freezes(), 0, "let go");
    }

    function test_WhoIsDrawnTwiceIsFreedOnce() public {
        order(STRANGER, 8);
        drawn(8);
        audits.draw(bid, false);
        address who = task(0).auditor;
        eq(audits.auditorOf(who).busy, 2, "in both audits");
        abstain(0);
        eq(audits.auditorOf(who).busy, 1, "in the other one");
        skip(COMMIT + 2 * 10 + 1);
        finish();
        eq(audits.auditorOf(who).busy, 1, "still");
        audits.finish(bid, false);
        eq(audits.auditorOf(who).busy, 0, "free");
        eq(stakeLeft(who), STAKE, "cut short: nobody is punished for the other one");
    }

    /// @dev Rule 25: a provider with a client of its own, which serves the inputs to nobody, drives nobody out.
    function test_Rule25AProviderThatServesNobodyDrivesNobodyOut() public {
        for (uint64 n; n < 4; ++n) {
            if (n != 0) bid = posted(auditedBid(20 + n));
            uint256 assigned = drawn(8).assigned;
            for (uint256 i; i < assigned; ++i) {
                abstain(i);
            }
            commitAsProvider("made up", right());
            revealAsProvider("made up");
            finish();
            skip(WINDOW);
            escrow.finalize(bid);
        }
        eq(audits.countAt(block.number), AUDITORS, "all are there");
        eq(audits.burntStake(), 0, "nothing is lost");
        yes(owed(CLIENT) != 0 && owed(CLIENT) % fee() == 0, "every fee went back");
    }
}
