// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {vm} from "../base/Vm.sol";
import {IAuditEvents} from "../../src/interfaces/IAuditEvents.sol";
import {Audit, Part, Stage} from "../../src/types/AuditTypes.sol";
import {Job} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseId} from "../../src/types/Types.sol";

/// @notice audits.tree: commitments to what is public already. Agreeing with it is worth nothing, accusing is.
contract AuditCopiesTest is AuditBase {
    function show(uint256 i, bytes32 traceRoot, bytes32 item) external {
        reveal(i, traceRoot, item);
    }

    function _agreed() private {
        bytes32 item = right();
        commitAsProvider(TRACE, item);
        revealAsProvider(TRACE);
        for (uint256 i; i < audit().assigned; ++i) {
            reveal(i, TRACE, item);
        }
        finish();
        atStage(Stage.Over);
    }

    function _isUnpaid(uint256 i) private view {
        address who = task(i).auditor;
        eq(owed(who), 0, "not paid");
        eq(stakeLeft(who), STAKE, "no loss");
        eq(audits.auditorOf(who).busy, 0, "free");
        eq(audits.auditorOf(who).leftAt, 0, "in the list");
        atPart(i, Part.Done);
    }

    /// @dev Rule 25: the provider shows its trace in a game that it opens on itself; auditors run nothing and copy it.
    function test_Rule25WhoCopiesWhatAShamHasShown() public {
        drawn(3);
        commit(0, TRACE, right());
        showInGame(TRACE);
        commit(1, TRACE, right());
        commit(2, TRACE, right());
        _agreed();
        eq(owed(task(0).auditor), fee(), "what came before stands");
        _isUnpaid(1);
        _isUnpaid(2);
        eq(owed(CLIENT), 2 * fee(), "paid back");
    }

    /// @dev Rule 25: the same, for every item and before the draw; each trace but the first has a word of its own.
    function test_Rule25WhoCopiesWhatWasShownBeforeTheDraw() public {
        for (uint256 item; item < ITEMS; ++item) {
            showInGame(item, TRACE);
        }
        drawn(2);
        commit(0, TRACE, right());
        commit(1, TRACE, right());
        _agreed();
        _isUnpaid(0);
        _isUnpaid(1);
    }

    /// @dev The trace of another item is no help.
    function test_WhoCommitsAfterAGameAboutAnotherItem() public {
        drawn(1);
        showInGame((audit().item + 1) % ITEMS, TRACE);
        commit(0, TRACE, right());
        _agreed();
        eq(owed(task(0).auditor), fee(), "paid");
    }

    /// @dev A game that never showed a trace shows nothing.
    function test_WhoCommitsWhileAGameWaitsForTheTrace() public {
        drawn(1);
        challenge(STRANGER, audit().item);
        commit(0, TRACE, right());
        _agreed();
        eq(owed(task(0).auditor), fee(), "paid");
    }

    /// @dev Rule 25: a copy whose item's root is stated as another one, lest the trace be found, opens to nothing.
    function test_Rule25ACopyUnderAnotherItemsRoot() public {
        drawn(1);
        showInGame((audit().item + 1) % ITEMS, TRACE);
        showInGame(TRACE);
        bytes32 item = right();
        address who = task(0).auditor;
        (bytes32 commitment, bytes32 draw_) = (seal(who, TRACE, item), drawSeed());
        vm.prank(who);
        audits.commit(bid, true, 0, draw_, commitment, "another root");
        yes(!task(0).late, "of that root no trace is known");
        commitAsProvider(TRACE, item);
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.show(0, TRACE, item);
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.show(0, TRACE, "another root");
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.show(0, 0, item);
    }

    /// @dev A cheat silences no audit by showing its trace: who finds something else accuses, and is paid as ever.
    function test_Rule25AShamSilencesNobodyWhoAccuses() public {
        drawn(2);
        showInGame("false");
        bytes32 item = right();
        commit(0, TRACE, item); // its own run
        commit(1, "false", item); // a copy
        commitAsProvider("false", item);
        revealAsProvider("false");
        reveal(0, TRACE, item);
        reveal(1, "false", item);
        finish();
        atStage(Stage.Contested);
        judge.freeze(bid);
        judge.convict(bid, 0);
        close("false");
        eq(owed(task(0).auditor), fee(), "who accused is paid");
        _isUnpaid(1);
        eq(owed(CLIENT), fee(), "paid back");
    }

    /// @dev A conviction elsewhere pays for no copy, as far as one can be told.
    function test_Rule25ACopyOfAResultThatIsConvictedElsewhere() public {
        drawn(3);
        showInGame("false");
        bytes32 item = right();
        commit(0, TRACE, item);
        commit(1, "false", item);
        commit(2, "false", item);
        commitAsProvider("false", item);
        revealAsProvider("false");
        reveal(0, TRACE, item);
        reveal(1, "false", item);
        judge.freeze(bid);
        judge.convict(bid, 0);
        finish();
        eq(owed(task(0).auditor), fee(), "who accused is paid");
        _isUnpaid(1);
        eq(owed(task(2).auditor), fee(), "nobody can see yet what it is");
        eq(owed(CLIENT), fee(), "paid back");
    }

    /// @dev Rule 25: no provider takes an accuser's fee by committing to the words that hold its sealed commitment.
    function test_Rule25AProviderThatCommitsToAnAccusersWords() public {
        drawn(1);
        showInGame("false");
        bytes32 item = right();
        bytes32 sealed_ = seal(task(0).auditor, TRACE, item);
        commit(0, TRACE, item);
        yes(task(0).late, "a trace is public");
        bytes32 draw_ = drawSeed();
        vm.prank(operator);
        audits.commitAsProvider(bid, true, draw_, keccak256(abi.encode(sealed_, item)));
        judge.freeze(bid);
        judge.convict(bid, 0);
        finish();
        eq(owed(task(0).auditor), fee(), "who accused is paid");
    }

    /// @dev The same with the words that the accuser is about to open, which whoever runs the item knows.
    function test_Rule25AProviderThatCommitsToWhatAnAccuserOpens() public {
        drawn(1);
        showInGame("false");
        bytes32 item = right();
        commit(0, TRACE, item);
        bytes32 draw_ = drawSeed();
        vm.prank(operator);
        audits.commitAsProvider(bid, true, draw_, keccak256(abi.encode(TRACE, item)));
        reveal(0, TRACE, item);
        judge.freeze(bid);
        judge.convict(bid, 0);
        finish();
        eq(owed(task(0).auditor), fee(), "who accused is paid");
    }

    /// @dev The same with a trace of one node, which can be any word and be opened.
    function test_Rule25AProviderWhoseTraceIsAnAccusersSeal() public {
        drawn(1);
        showInGame("false");
        bytes32 item = right();
        bytes32 sealed_ = seal(task(0).auditor, TRACE, item);
        commit(0, TRACE, item);
        commitAsProvider(sealed_, item);
        revealAsProvider(sealed_);
        judge.freeze(bid);
        judge.convict(bid, 0);
        finish();
        eq(owed(task(0).auditor), fee(), "who accused is paid");
    }

    /// @dev What it reveals is held against what it has shown, also in a game of before the commitments (rule 8).
    function test_Rule08ATraceThatAShamHasShownAndAnotherOne() public {
        drawn(1);
        showInGame(TRACE);
        bytes32 item = right();
        commit(0, TRACE, item);
        commitAsProvider("another trace", item);
        revealAsProvider("another trace");
        reveal(0, TRACE, item);
        finish();
        close("another trace");
        atStage(Stage.Silent);
        eq(owed(task(0).auditor), fee(), "paid");
        atPart(0, Part.Rewarded);
    }

    // ---------------------------------------------------------------------------------------- the other audit

    /// @dev Two audits of a lease draw two items, and each seed names one: a re-org may change which draw comes first.
    function test_Rule25TwoAuditsDrawTwoItems() public {
        for (uint64 n = 20; n < 32; ++n) {
            bid = posted(auditedBid(n));
            order(CLIENT, 1);
            order(STRANGER, 1);
            skip(5);
            uint256 saved = vm.snapshotState();
            (Audit memory first, Audit memory second) = _bothDrawn(true);
            yes(first.item != second.item, "two items");
            bytes32 both = keccak256(abi.encode(_people(true), _people(false)));
            vm.revertToState(saved);
            (Audit memory first_, Audit memory second_) = _bothDrawn(false);
            yes(first_.item != second_.item, "two items, whichever is first");
            eq(first.seed == first_.seed ? 1 : 0, first.item == first_.item ? 1 : 0, "named by the seed");
            eq(second.seed == second_.seed ? 1 : 0, second.item == second_.item ? 1 : 0, "named by the seed");
            if (second.seed != second_.seed) {
                eq(second.seed, keccak256(abi.encode(second_.seed)), "the one that gave way");
                eq(second.item, (second_.item + 1) % ITEMS, "to the next");
                eq(both, keccak256(abi.encode(_people(true), _people(false))), "the same auditors");
                return;
            }
        }
        yes(false, "no draw hit the same item: take other numbers");
    }

    function _people(bool byClient) private view returns (address) {
        return audits.tasksOf(idOf(bid), byClient)[0].auditor;
    }

    function _bothDrawn(bool clientFirst) private returns (Audit memory first, Audit memory second) {
        audits.draw(bid, clientFirst);
        audits.draw(bid, !clientFirst);
        return (audit(), audits.auditOf(idOf(bid), false));
    }

    /// @dev Rule 25: a job of one item has nothing else to draw. What one audit shows, the other one copies.
    function test_Rule25WhoCopiesWhatTheOtherAuditHasShown() public {
        Job memory j = job();
        j.items = 1;
        Bid memory b = auditedBid(10);
        b.jobHash = hashOf(j);
        bid = openAndStart(b);
        skip(5);
        bytes32 item = itemRoot(0);
        post(bid, item);
        vm.prank(CLIENT);
        audits.order(bid, j, 2);
        vm.prank(STRANGER);
        audits.order(bid, j, 2);
        skip(5);
        audits.draw(bid, true);
        audits.draw(bid, false);
        _commitInOther(0, item);
        commit(0, TRACE, item);
        commit(1, TRACE, item);
        commitAsProvider(TRACE, item);
        _commitInOther(1, item);
        yes(!_late(0), "before anything could be shown");
        yes(_late(1), "after that");
    }

    function _late(uint256 i) private view returns (bool) {
        return audits.tasksOf(idOf(bid), false)[i].late;
    }

    function _commitInOther(uint256 i, bytes32 item) private {
        LeaseId id = idOf(bid);
        bytes32 draw_ = audits.auditOf(id, false).seed;
        address who = audits.tasksOf(id, false)[i].auditor;
        bytes32 commitment = keccak256(abi.encode(TRACE, item, who, id, draw_, SALT));
        vm.prank(who);
        audits.commit(bid, false, i, draw_, commitment, item);
    }
}
