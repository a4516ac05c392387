// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {vm} from "../base/Vm.sol";
import {IAuditEvents} from "../../src/interfaces/IAuditEvents.sol";
import {Answer, Part, Stage} from "../../src/types/AuditTypes.sol";
import {Conviction} from "../../src/types/DisputeTypes.sol";

/// @notice audits.tree: answers of a branch of the chain that was undone, sent once more on the one in its place.
contract AuditReplayTest is AuditBase {
    /// @dev What was sent on the branch that was undone.
    struct Sent {
        address auditor;
        bytes provider;
        bytes commitment;
        bytes abstention;
    }

    function reveal0(bytes32 item) external {
        reveal(0, TRACE, item);
    }

    function showAsProvider() external {
        revealAsProvider(TRACE);
    }

    /// @dev The first auditor is the same in both draws.
    function _reorganised() private returns (Sent memory sent) {
        uint256 fork = vm.snapshotState();
        drawn(3);
        (bytes32 old, address who) = (drawSeed(), task(0).auditor);
        sent.auditor = who;
        sent.provider = abi.encodeCall(audits.commitAsProvider, (bid, true, old, seal(OWNER, TRACE, right())));
        sent.commitment =
            abi.encodeCall(audits.commit, (bid, true, 0, old, seal(who, TRACE, right()), right()));
        sent.abstention = abi.encodeCall(audits.abstain, (bid, true, 0, old));
        vm.revertToState(fork);
        // The order comes a block later: another block draws.
        for (skip(1);; skip(1)) {
            fork = vm.snapshotState();
            drawn(3);
            if (task(0).auditor == who) break; // its task has the same number
            vm.revertToState(fork);
        }
        yes(drawSeed() != old, "another draw");
    }

    function _refused(address who, bytes memory data) private {
        bytes memory why = abi.encodeWithSelector(IAuditEvents.Audits_OtherDraw.selector, drawSeed());
        vm.prank(who);
        (bool ok, bytes memory said) = address(audits).call(data);
        yes(!ok, "not taken");
        eq(keccak256(said), keccak256(why), "reason");
    }

    /// @dev Rule 8: taken, the provider's would convict it, since it opens to no item of this draw.
    function test_Rule8AReplayedCommitmentIsRefused() public {
        Sent memory sent = _reorganised();
        _refused(operator, sent.provider);
        _refused(sent.auditor, sent.commitment);
        eq(audit().committed, 0, "nothing is taken");
        yes(audit().answer == Answer.None, "nor of the provider");
        play(3, 3);
        finish();
        atStage(Stage.Over);
        yes(disputes.verdictOf(idOf(bid)).how == Conviction.None, "an honest provider is not convicted");
        for (uint256 i; i < 3; ++i) {
            eq(stakeLeft(task(i).auditor), STAKE, "nor is an auditor punished");
            eq(owed(task(i).auditor), fee(), "each is paid");
        }
    }

    /// @dev Rule 8: it would cost the auditor its fee, and the payer a check.
    function test_Rule8AReplayedAbstentionIsRefused() public {
        Sent memory sent = _reorganised();
        _refused(sent.auditor, sent.abstention);
        atPart(0, Part.Assigned);
        commit(0, TRACE, right());
        atPart(0, Part.Committed);
    }

    function testFuzz_OfAnotherDraw(bytes32 other) public {
        drawn(1);
        vm.assume(other != drawSeed());
        address who = task(0).auditor;
        bytes32 commitment = seal(who, TRACE, right());
        _refused(who, abi.encodeCall(audits.commit, (bid, true, 0, other, commitment, "root")));
        _refused(who, abi.encodeCall(audits.abstain, (bid, true, 0, other)));
        _refused(operator, abi.encodeCall(audits.commitAsProvider, (bid, true, other, commitment)));
    }

    /// @dev Rule 8: a reveal names its draw by what it opens.
    function test_Rule8ACommitmentForAnotherDrawCannotBeOpened() public {
        drawn(1);
        (address who, bytes32 draw_, bytes32 item) = (task(0).auditor, drawSeed(), right());
        bytes32 ofItem = keccak256(abi.encode(TRACE, item, who, idOf(bid), bytes32("another draw"), SALT));
        bytes memory call_ = abi.encodeCall(audits.commit, (bid, true, 0, draw_, ofItem, item));
        vm.prank(who);
        (bool ok,) = address(audits).call(call_);
        yes(ok, "nobody can see yet what it is");
        ofItem = keccak256(abi.encode(TRACE, item, OWNER, idOf(bid), bytes32("another draw"), SALT));
        call_ = abi.encodeCall(audits.commitAsProvider, (bid, true, draw_, ofItem));
        vm.prank(operator);
        (ok,) = address(audits).call(call_);
        yes(ok, "nobody can see yet what it is");
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.reveal0(item);
        vm.expectRevert(IAuditEvents.Audits_BadSeal.selector);
        this.showAsProvider();
    }
}
