// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {vm} from "../base/Vm.sol";
import {IAuditEvents} from "../../src/interfaces/IAuditEvents.sol";
import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Part, Stage} from "../../src/types/AuditTypes.sol";
import {LeaseState} from "../../src/types/Types.sol";

/// @notice audits.tree: finish and close, and who gets what.
contract AuditEndsTest is AuditBase {
    function end() external {
        finish();
    }

    function shut(bytes32 traceRoot) external {
        close(traceRoot);
    }

    function test_FinishTooEarly() public {
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.None));
        this.end();
        order(CLIENT, 1);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.Called));
        this.end();
        skip(5);
        audits.draw(bid, true);
        uint256 until = audit().commitUntil;
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooEarly.selector, until));
        this.end();
        commitAsProvider(TRACE, right());
        vm.roll(until + REVEAL);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_TooEarly.selector, until + REVEAL));
        this.end();
    }

    function test_AllAgree() public {
        drawn(3);
        play(3, 3);
        finish(); // at once
        atStage(Stage.Over);
        eq(freezes(), 0, "let go");
        for (uint256 i; i < 3; ++i) {
            eq(owed(task(i).auditor), fee(), "paid for agreeing");
            eq(audits.auditorOf(task(i).auditor).busy, 0, "free");
            atPart(i, Part.Done);
        }
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.Over));
        this.end();
        skip(WINDOW);
        escrow.finalize(bid);
        inState(bid, LeaseState.Finalized);
    }

    function test_AnAuditorThatDoesNotReveal() public {
        drawn(3);
        bytes32 item = right();
        commitAsProvider(TRACE, item);
        commit(0, TRACE, item);
        commit(1, TRACE, item); // and never opens it; the third does nothing
        skip(COMMIT + 10 + 1);
        revealAsProvider(TRACE);
        reveal(0, TRACE, item);
        skip(REVEAL);
        finish();
        atStage(Stage.Over);
        eq(owed(task(0).auditor), fee(), "paid");
        for (uint256 i = 1; i < 3; ++i) {
            eq(owed(task(i).auditor), 0, "not paid");
            eq(stakeLeft(task(i).auditor), STAKE - STAKE / 8, "punished");
            yes(audits.auditorOf(task(i).auditor).leftAt != 0, "and out");
        }
        eq(audits.countAt(block.number), AUDITORS - 2, "out of the list");
        eq(audits.burntStake(), 2 * (STAKE / 8), "burnt");
        eq(owed(CLIENT), 2 * fee(), "paid back");
        eq(freezes(), 0, "let go");
    }

    function test_AProviderThatDoesNotCommit() public {
        drawn(2);
        commit(0, TRACE, right());
        skip(COMMIT + 10 + 1);
        finish();
        atStage(Stage.Silent);
        eq(owed(task(0).auditor), fee(), "it had done its work");
        eq(stakeLeft(task(1).auditor), STAKE - STAKE / 8, "it had not");
        eq(owed(CLIENT), fee(), "paid back");
        vm.expectPartialRevert(IEscrowCore.Escrow_Held.selector);
        escrow.finalize(bid);
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_NotConvicted.selector, idOf(bid)));
        audits.takeReward(bid, true, 0);
        settle();
        inState(bid, LeaseState.Convicted);
        eq(stakeOf(OWNER).staked, 1000 ether - BOND, "the bond is gone");
        audits.takeReward(bid, true, 0);
        eq(token.balanceOf(task(0).auditor), RESERVE / 4, "one claim's worth");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        audits.takeReward(bid, true, 0);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        audits.takeReward(bid, true, 1);
    }

    function test_AProviderThatDoesNotReveal() public {
        drawn(2);
        bytes32 item = right();
        commitAsProvider(TRACE, item);
        commit(0, TRACE, item);
        commit(1, TRACE, item);
        reveal(0, TRACE, item);
        skip(COMMIT + 10 + REVEAL + 1);
        finish();
        atStage(Stage.Silent);
        eq(owed(task(0).auditor), fee(), "paid");
        eq(owed(task(1).auditor), 0, "its commitment can be anything");
        settle();
        inState(bid, LeaseState.Convicted);
    }

    function test_SilenceOfAllIsConvictedAllTheSame() public {
        drawn(1);
        skip(COMMIT + 10 + 1);
        finish();
        settle();
        inState(bid, LeaseState.Convicted);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongPart.selector, Part.Done));
        audits.takeReward(bid, true, 0);
    }

    function test_EightAuditorsShareFourClaims() public {
        skip(WINDOW);
        for (uint256 i = AUDITORS; i < 8; ++i) {
            enrolAuditor(auditor(i));
        }
        skip(30);
        bid = posted(auditedBid(10));
        drawn(8);
        uint256 n = audit().assigned;
        yes(n > 4, "enough");
        for (uint256 i; i < n; ++i) {
            commit(i, TRACE, right());
        }
        skip(COMMIT + 10 + 1);
        finish();
        settle();
        for (uint256 i; i < n; ++i) {
            audits.takeReward(bid, true, i);
            eq(token.balanceOf(task(i).auditor), RESERVE / n, "an equal part of four claims");
        }
    }

    function test_ConvictedElsewhere() public {
        drawn(3);
        commit(0, TRACE, right());
        order(STRANGER, 1);
        judge.freeze(bid);
        judge.convict(bid, 0);
        finish();
        atStage(Stage.Over);
        eq(owed(task(0).auditor), fee(), "who committed is paid");
        eq(owed(CLIENT), 2 * fee(), "the rest goes back");
        eq(audits.burntStake(), 0, "nobody is punished");
        audits.finish(bid, false); // also one that is only called
        eq(owed(STRANGER), fee(), "paid back");
        for (uint256 i; i < 3; ++i) {
            eq(audits.auditorOf(task(i).auditor).busy, 0, "free");
        }
    }

    /// @dev Rule 25: who sees a lease convicted has nothing left to find, and is not paid for any word.
    function test_Rule25WhoCommitsAfterAConviction() public {
        drawn(2);
        commit(0, TRACE, right());
        judge.freeze(bid);
        vm.prank(address(judge));
        disputes.silence(bid, 1, 1);
        _commitsInVain(1);
        settle();
        _commitsInVain(1);
        finish();
        eq(owed(task(0).auditor), fee(), "who was before it is paid");
        eq(owed(task(1).auditor), 0, "who was not is not");
        eq(owed(CLIENT), fee(), "paid back");
    }

    function _commitsInVain(uint256 i) private {
        (address who, bytes32 draw_, bytes32 item) = (task(i).auditor, drawSeed(), right());
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Convicted.selector, idOf(bid)));
        vm.prank(who);
        audits.commit(bid, true, i, draw_, "anything", item);
    }

    function test_SentencedElsewhereBeforeTheDraw() public {
        order(CLIENT, 1);
        judge.freeze(bid);
        vm.prank(address(judge));
        disputes.silence(bid, 1, 1);
        finish();
        eq(owed(CLIENT), fee(), "paid back");
        settle();
        inState(bid, LeaseState.Convicted);
    }

    /// @dev A draw that finds nobody must not let go of a hold that is no more.
    function test_DrawAfterAConviction() public {
        order(CLIENT, 1);
        judge.freeze(bid);
        judge.convict(bid, 0);
        skip(WINDOW);
        audits.redraw(bid, true);
        eq(owed(CLIENT), fee(), "paid back");
    }

    // ---------------------------------------------------------------------------------------------- contested

    function contested() private {
        drawn(2);
        play(1, 2);
        finish();
        atStage(Stage.Contested);
        atPart(1, Part.Accusing);
    }

    function test_Contested() public {
        contested();
        eq(owed(task(0).auditor), fee(), "who agreed is paid at once");
        eq(audits.auditorOf(task(1).auditor).busy, 1, "who did not has its stake at risk");
        eq(freezes(), 1, "held");
        vm.expectRevert(IAuditEvents.Audits_OtherRoots.selector);
        this.shut("another trace");
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Undecided.selector, idOf(bid)));
        this.shut(TRACE);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_WrongStage.selector, Stage.Contested));
        this.end();
    }

    function test_AFalseAccusation() public {
        contested();
        uint256 end_ = uint256(view_(bid).lastBeat) + WINDOW;
        vm.roll(end_);
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Undecided.selector, idOf(bid)));
        this.shut(TRACE);
        vm.roll(end_ + 1);
        close(TRACE);
        atStage(Stage.Over);
        eq(stakeLeft(task(1).auditor), STAKE / 2, "half of the stake");
        eq(owed(task(1).auditor), 0, "no fee");
        eq(owed(CLIENT), fee(), "paid back");
        escrow.finalize(bid); // an honest provider is paid the same block
        inState(bid, LeaseState.Finalized);
    }

    /// @dev No more can burn than is there: else what punishes it would revert, and hold lease and fees for good.
    function test_AFalseAccuserWithoutAStakeLeft() public {
        for (uint256 i = 1; i < AUDITORS; ++i) {
            quit(auditor(i));
        }
        skip(30);
        bytes32[6][3] memory bids;
        for (uint64 i; i < 3; ++i) {
            bid = posted(auditedBid(10 + i));
            drawn(1);
            eq(task(0).auditor, auditor(0), "the only one");
            bids[i] = bid;
        }
        for (uint256 i; i < 3; ++i) {
            bid = bids[i];
            play(0, 1);
            finish();
        }
        skip(WINDOW);
        for (uint256 i; i < 3; ++i) {
            bid = bids[i];
            close(TRACE);
            atStage(Stage.Over);
            eq(freezes(), 0, "let go");
            eq(owed(CLIENT), (i + 1) * fee(), "paid back");
            eq(stakeLeft(auditor(0)), i == 0 ? STAKE / 2 : 0, "half of it, twice");
        }
        eq(audits.burntStake(), STAKE, "and no more");
        escrow.finalize(bid);
        skip(LEAVE + 1);
        vm.prank(auditor(0));
        audits.takeStake(auditor(0)); // nothing; it may enrol anew
        enrolAuditor(auditor(0));
    }

    function test_ATrueAccusation() public {
        contested();
        judge.freeze(bid);
        judge.convict(bid, 0); // as a game would
        close(TRACE);
        atStage(Stage.Over);
        eq(owed(task(1).auditor), fee(), "paid");
        eq(stakeLeft(task(1).auditor), STAKE, "not punished");
    }

    function test_AnAccusationThatIsSentencedButNotSettled() public {
        contested();
        challenge(STRANGER, 0);
        skip(20 + 2 * 10 + 1); // silent in the game: two hold the lease
        disputes.timeout(bid, case_(0), STRANGER, "seal");
        close(TRACE);
        eq(owed(task(1).auditor), fee(), "paid");
        settle();
        inState(bid, LeaseState.Convicted);
    }

    function test_AGameThatIsOpenKeepsItUndecided() public {
        contested();
        skip(WINDOW - 60);
        challenge(STRANGER, 0);
        vm.roll(gamesEnd());
        vm.expectRevert(abi.encodeWithSelector(IAuditEvents.Audits_Undecided.selector, idOf(bid)));
        this.shut(TRACE);
        skip(1); // longer than any game can last
        close(TRACE);
        eq(freezes(), 1, "the game's hold is not touched");
    }
}
