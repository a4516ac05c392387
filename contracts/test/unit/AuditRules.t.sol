// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {IAuditEvents} from "../../src/interfaces/IAuditEvents.sol";
import {Stage} from "../../src/types/AuditTypes.sol";
import {Job} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseId, LeaseState} from "../../src/types/Types.sol";

/// @notice Known attacks around audits, each played to its end. The numbers are the rules'.
contract AuditRulesTest is AuditBase {
    using TestTree for bytes32[][];

    function show(uint256 i, bytes32 traceRoot, bytes32 item) external {
        reveal(i, traceRoot, item);
    }

    function shut(bytes32 traceRoot) external {
        close(traceRoot);
    }

    /// @dev Rule 25: an auditor that ran nothing copies another's commitment. It cannot open it, and loses stake.
    function test_Rule25ACopiedCommitment() public {
        drawn(2);
        bytes32 item = right();
        commit(0, TRACE, item);
        commitAsProvider(TRACE, item);
        (bytes32 copied, address copycat) = (seal(task(0).auditor, TRACE, item), task(1).auditor);
        bytes32 draw_ = drawSeed();
        vm.prank(copycat);
        audits.commit(bid, true, 1, draw_, copied, item);
        reveal(0, TRACE, item);
        revealAsProvider(TRACE);
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.show(1, TRACE, item); // what the other has shown
        skip(COMMIT + 10 + REVEAL + 1);
        finish();
        eq(owed(copycat), 0, "not paid");
        eq(stakeLeft(copycat), STAKE - STAKE / 8, "punished");
    }

    /// @dev Rule 25: the provider waits for the auditors' reveals before it commits. There are none before.
    function test_Rule25AProviderThatCopies() public {
        drawn(1);
        bytes32 item = right();
        commit(0, TRACE, item);
        vm.expectPartialRevert(IAuditEvents.Audits_Sealed.selector);
        this.show(0, TRACE, item);
        skip(COMMIT + 10 + 1);
        reveal(0, TRACE, item);
        bytes32 draw_ = drawSeed();
        vm.prank(operator);
        vm.expectPartialRevert(IAuditEvents.Audits_TooLate.selector);
        audits.commitAsProvider(bid, true, draw_, "seal");
        finish();
        atStage(Stage.Silent);
    }

    /// @dev Rule 25: cheating only where nobody audits. Until the result is posted no audit can be ordered, so there is
    /// nothing that the provider could look at.
    function test_Rule25NobodyKnowsBeforehandWhatIsAudited() public {
        bid = openAndStart(auditedBid(10));
        vm.prank(CLIENT);
        vm.expectRevert();
        audits.order(bid, job(), 1);
        post(bid, itemsTree().root());
        order(CLIENT, 1);
    }

    /// @dev Rule 25: a cheat's thousand auditors that enrol once the lease is open are never drawn, and thin out nothing.
    function test_Rule25SybilsThatEnrolAfterTheOpening() public {
        skip(WINDOW);
        Bid memory b = auditedBid(10);
        bid = open(b);
        for (uint256 i; i < 40; ++i) {
            enrolAuditor(address(uint160(0x5B11 + i)));
        }
        skip(b.startDeadline); // as late as it may
        start(bid);
        post(bid, itemsTree().root());
        drawn(8);
        eq(audit().assigned, AUDITORS, "the early ones, all of them");
        for (uint256 i; i < AUDITORS; ++i) {
            yes(audits.auditorOf(task(i).auditor).since < 1100, "none of the late");
        }
    }

    /// @dev Rule 25: forty auditors that enrol and leave before the lease opens leave no holes in the list.
    function test_Rule25SybilsThatLeaveHolesInTheList() public {
        skip(WINDOW);
        for (uint256 i; i < 40; ++i) {
            enrolAuditor(address(uint160(0x5B11 + i)));
        }
        for (uint256 i; i < 40; ++i) {
            quit(address(uint160(0x5B11 + i)));
        }
        skip(30);
        bid = posted(auditedBid(10));
        drawn(2);
        eq(audit().assigned, 2, "the draw hits an auditor each time");
    }

    /// @dev Rule 25: once the hash is known nobody can slip out of a draw, or push another one out.
    function test_Rule25LeavingAfterTheCallChangesNoDraw() public {
        order(CLIENT, 3);
        skip(5);
        LeaseId id = idOf(bid);
        bytes32 seed = keccak256(abi.encode(blockhash(audit().drawBlock), keccak256(abi.encode(id, true))));
        uint256 place = uint256(keccak256(abi.encode(seed, uint256(1)))) % AUDITORS;
        quit(auditor(place)); // the first to be drawn
        quit(auditor((place + 1) % AUDITORS));
        audits.draw(bid, true);
        eq(task(0).auditor, auditor(place), "drawn all the same");
        eq(audit().assigned, 3, "and the others");
    }

    /// @dev Who has left before the call is drawn past.
    function test_Rule25WhoLeftBeforeTheCallIsDrawnPast() public {
        quit(auditor(0));
        quit(auditor(3));
        skip(1);
        drawn(8);
        eq(audit().assigned, 3, "those that are there");
        for (uint256 i; i < 3; ++i) {
            yes(task(i).auditor != auditor(0) && task(i).auditor != auditor(3), "none that left");
        }
    }

    /// @dev Who leaves in the block of the call may have seen the order: before it or after it, it changes no draw.
    function test_Rule25LeavingInTheBlockOfTheCallChangesNoDraw() public {
        quit(auditor(0));
        order(CLIENT, 8);
        quit(auditor(3));
        skip(5);
        audits.draw(bid, true);
        eq(audit().assigned, AUDITORS, "all of them");
        eq(audits.auditorOf(auditor(0)).busy, 1, "who left before the order");
        eq(audits.auditorOf(auditor(3)).busy, 1, "who left after it");
    }

    /// @dev The same for one that left and enrolled anew: it was not there all the time.
    function test_Rule25WhoEnrolledAnewIsDrawnPast() public {
        quit(auditor(2));
        skip(LEAVE + 1);
        vm.prank(auditor(2));
        audits.takeStake(STRANGER);
        enrolAuditor(auditor(2));
        drawn(8);
        eq(audit().assigned, AUDITORS - 1, "the others");
        eq(audits.auditorOf(auditor(2)).busy, 0, "not this one");
    }

    /// @dev Rule 18: nothing could contradict a made-up trace of a program without inner nodes.
    function test_Rule18AProgramWithoutATrace() public {
        Job memory j = job();
        j.program.nodes = j.program.outputs;
        Bid memory b = auditedBid(10);
        b.jobHash = hashOf(j);
        bid = posted(b);
        vm.prank(CLIENT);
        audits.order(bid, j, 1);
        skip(5);
        audits.draw(bid, true);
        bytes32 item = right();
        commitAsProvider("made up", item);
        commit(0, 0, item);
        bytes32[] memory proof = itemsTree().proof(0, audit().item);
        bytes32[] memory roots = rootsOf(audit().item);
        vm.prank(operator, operator);
        vm.expectRevert(IAuditEvents.Audits_NoTrace.selector);
        audits.revealAsProvider(bid, true, "made up", roots, SALT, proof, "made up", none_);
        vm.prank(operator, operator);
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        audits.revealAsProvider(bid, true, "made up", roots, SALT, proof, 0, none_);
    }

    /// @dev Three inner nodes: the last of four leaves is over nothing.
    function _ofThreeNodes() private returns (bytes32[] memory leaves) {
        Job memory j = job();
        j.program.nodes = 3 + j.program.outputs;
        Bid memory b = auditedBid(10);
        b.jobHash = hashOf(j);
        bid = posted(b);
        vm.prank(CLIENT);
        audits.order(bid, j, 1);
        skip(5);
        audits.draw(bid, true);
        leaves = new bytes32[](4);
        (leaves[0], leaves[1], leaves[2]) = (bytes32("one"), bytes32("two"), bytes32("three"));
    }

    function open(bytes32 traceRoot, bytes32 last, bytes32[] memory end) external {
        bytes32[] memory roots = rootsOf(audit().item);
        bytes32[] memory proof = itemsTree().proof(0, audit().item);
        vm.prank(operator, operator);
        audits.revealAsProvider(bid, true, traceRoot, roots, SALT, proof, last, end);
    }

    /// @dev Rule 18: a provider with a right result reveals a trace with something behind its last node, so that the honest
    /// auditor accuses; no step of it is false, and no game could be won. It is no answer.
    function test_Rule18ATraceThatGoesOnBehindItsLastNode() public {
        bytes32[] memory leaves = _ofThreeNodes();
        leaves[3] = "garbage";
        bytes32[][] memory tree = TestTree.build(leaves, 0);
        bytes32 padded = tree.root();
        commitAsProvider(padded, right());
        commit(0, "the true one", right());
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        this.open(padded, leaves[2], tree.proof(0, 2));
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        this.open(padded, leaves[3], tree.proof(0, 3));
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        this.open(padded, padded, none_);
        reveal(0, "the true one", right());
        skip(COMMIT + 10 + REVEAL + 1);
        finish();
        atStage(Stage.Silent);
        eq(stakeLeft(task(0).auditor), STAKE, "not punished");
        eq(owed(task(0).auditor), fee(), "and paid");
    }

    function test_Rule18ATraceThatEndsWithItsLastNode() public {
        bytes32[] memory leaves = _ofThreeNodes();
        bytes32[][] memory tree = TestTree.build(leaves, 0);
        commitAsProvider(tree.root(), right());
        commit(0, tree.root(), right());
        this.open(tree.root(), leaves[2], tree.proof(0, 2));
        reveal(0, tree.root(), right());
        finish();
        atStage(Stage.Over);
        eq(owed(task(0).auditor), fee(), "they agree");
    }

    /// @dev Rule 21: a provider posts an item root that is made of nothing, or of other outputs than the program's. A game
    /// about it could not land on an output. It cannot answer the audit either, and silence convicts.
    function test_Rule21AnItemRootOfOtherOutputs() public {
        bytes32[] memory roots = new bytes32[](3);
        (roots[0], roots[1], roots[2]) = ("one", "two", "too many");
        bytes32 item = keccak256(abi.encodePacked(keccak256("gavel.tape.item.v1"), roots));
        Job memory j = job();
        j.items = 1;
        Bid memory b = auditedBid(10);
        b.jobHash = hashOf(j);
        bid = openAndStart(b);
        post(bid, item);
        vm.prank(CLIENT);
        audits.order(bid, j, 1);
        skip(5);
        audits.draw(bid, true);
        commitAsProvider(TRACE, item);
        commit(0, TRACE, "what is so");
        vm.prank(operator, operator);
        vm.expectRevert(IAuditEvents.Audits_BadProof.selector);
        audits.revealAsProvider(bid, true, TRACE, roots, SALT, none_, TRACE, none_);
        reveal(0, TRACE, "what is so");
        skip(COMMIT + 10 + REVEAL + 1);
        finish();
        atStage(Stage.Silent);
        eq(owed(task(0).auditor), audits.feeOf(bid, 1), "paid");
        eq(stakeLeft(task(0).auditor), STAKE, "and not punished");
    }

    /// @dev A cheat orders the strangers' audit at a moment of its liking. The client's is another one.
    function test_Rule25AStrangersOrderDoesNotStandInTheWay() public {
        order(STRANGER, 8);
        skip(5);
        audits.draw(bid, false);
        order(CLIENT, 8);
        eq(audit().tasks, 8, "the client's own");
    }

    /// @dev Rule 25: an expired draw is repeated, and not sooner: nobody picks among draws.
    function test_Rule25ADrawThatIsThereStands() public {
        order(CLIENT, 1);
        skip(5);
        for (uint256 i = 5; i <= DRAW; ++i) {
            vm.expectPartialRevert(IAuditEvents.Audits_HashIsThere.selector);
            audits.redraw(bid, true);
            skip(1);
        }
        audits.redraw(bid, true);
    }

    /// @dev Rule 14: the last possible draw leaves the time to open a game about what it finds.
    function test_Rule14AGameFitsBehindTheLastDraw() public {
        skip(WINDOW - audits.spanOf(bid, true));
        order(CLIENT, 1);
        skip(DRAW);
        audits.draw(bid, true); // at the last reading
        commit(0, TRACE, right());
        commitAsProvider("made up", right());
        skip(COMMIT + 10 + 1);
        reveal(0, TRACE, right());
        skip(REVEAL - 1);
        revealAsProvider("made up");
        skip(CONTEST);
        challenge(STRANGER, audit().item); // at the last reading
    }

    /// @dev Rule 8: a provider with a right result reveals a made-up trace, so that the honest auditor accuses and loses its
    /// stake. The auditor opens a game: there the provider has to show its trace, and it is another one.
    function test_Rule8AMadeUpTraceAgainstAnHonestAuditor() public {
        drawn(1);
        bytes32 item = right();
        commit(0, TRACE, item);
        commitAsProvider("made up", item);
        reveal(0, TRACE, item);
        revealAsProvider("made up");
        finish();
        atStage(Stage.Contested);
        vm.expectPartialRevert(IAuditEvents.Audits_Undecided.selector);
        this.shut("made up");
        showInGame(TRACE);
        skip(1);
        close("made up");
        atStage(Stage.Silent);
        eq(owed(task(0).auditor), fee(), "paid");
        eq(stakeLeft(task(0).auditor), STAKE, "not punished");
        claimSilence(STRANGER, audit().item);
        settle();
        inState(bid, LeaseState.Convicted);
        audits.takeReward(bid, true, 0);
        yes(token.balanceOf(task(0).auditor) != 0, "and a part of the reward");
        uint256 before = STRANGER.balance;
        collectGame(STRANGER, audit().item);
        yes(STRANGER.balance > before, "the game's bond comes back");
    }

    /// @dev The same, but the provider shows the same made-up trace in the game: no contradiction, and the game goes on to
    /// its false node.
    function test_Rule8TheSameTraceContradictsNothing() public {
        drawn(1);
        bytes32 item = right();
        commit(0, TRACE, item);
        commitAsProvider("made up", item);
        reveal(0, TRACE, item);
        revealAsProvider("made up");
        finish();
        showInGame("made up");
        vm.expectPartialRevert(IAuditEvents.Audits_Undecided.selector);
        this.shut("made up");
    }

    /// @dev Rule 6: a cheat that is sentenced already leaves an audit unanswered. There is one sentence.
    function test_Rule6SilenceAfterASentence() public {
        drawn(1);
        challenge(STRANGER, 0);
        skip(20 + 10 + 10 + 1);
        disputes.timeout(bid, case_(0), STRANGER, "seal");
        finish();
        atStage(Stage.Over); // cut short
        eq(owed(CLIENT), fee(), "paid back");
        claimSilence(STRANGER, 0);
        settle();
        collectGame(STRANGER, 0);
    }

    /// @dev Rule 6: and the other way round: who has a game open shares in the sentence of an audit.
    function test_Rule6AGameBesideASilentAudit() public {
        drawn(1);
        commit(0, TRACE, right());
        challenge(STRANGER, 0);
        skip(COMMIT + 10 + 1);
        finish();
        claimSilence(STRANGER, 0);
        settle();
        collectGame(STRANGER, 0);
        audits.takeReward(bid, true, 0);
        eq(token.balanceOf(task(0).auditor), RESERVE / 4, "each a claim");
    }

    /// @dev Rule 11: two audits that wait for each other are bounded in time.
    function test_Rule11TwoContestedAuditsLockNothing() public {
        drawn(1);
        play(0, 1);
        finish();
        judge.freeze(bid); // as the strangers' contested audit would
        vm.roll(gamesEnd() + 1);
        close(TRACE);
        judge.release(bid);
        escrow.finalize(bid);
        inState(bid, LeaseState.Finalized);
    }

    /// @dev Rule 11: whatever happens to each of 8 auditors, all tokens are accounted for, to the wei.
    function testFuzz_Rule11EveryTokenIsAccountedFor(uint256 how, bool answers, bool convicted) public {
        drawn(8);
        uint256 n = audit().assigned;
        bytes32 item = right();
        if (answers) commitAsProvider(TRACE, item);
        for (uint256 i; i < n; ++i) {
            uint256 it = how >> 4 * i & 7;
            if (it == 7) abstain(i);
            else if (it != 0) commit(i, it < 4 ? TRACE : bytes32("false"), item);
        }
        skip(COMMIT + 10 + 1);
        if (answers) revealAsProvider(TRACE);
        for (uint256 i; i < n; ++i) {
            uint256 it = how >> 4 * i & 7;
            if (it > 1 && it < 7) reveal(i, it < 4 ? TRACE : bytes32("false"), item);
        }
        skip(REVEAL);
        finish();
        if (audit().stage == Stage.Contested) {
            if (convicted) {
                judge.freeze(bid);
                judge.convict(bid, 0);
            }
            vm.roll(gamesEnd() + 1);
            close(TRACE);
        }
        for (uint256 i; i < n; ++i) {
            if (how >> 4 * i & 7 != 7) continue;
            eq(stakeLeft(task(i).auditor), STAKE, "who abstains loses nothing");
            eq(owed(task(i).auditor), 0, "and earns nothing");
        }
        uint256 sum = audits.burntStake();
        for (uint256 i; i < AUDITORS; ++i) {
            eq(audits.auditorOf(auditor(i)).busy, 0, "free");
            sum += stakeLeft(auditor(i)) + owed(auditor(i));
            if (owed(auditor(i)) != 0) {
                vm.prank(auditor(i));
                audits.withdraw(0, auditor(i));
                eq(token.balanceOf(auditor(i)), fee(), "a fee each");
                sum -= fee();
            }
        }
        eq(token.balanceOf(address(audits)), sum + owed(CLIENT), "balance = stakes + owed + burnt");
        // A result that was not convicted is held by nothing.
        if (answers && state(bid) == LeaseState.Posted) eq(freezes(), 0, "and nothing is held");
    }
}
