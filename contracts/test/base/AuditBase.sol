// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "./DeliveryBase.sol";
import {Deployer} from "./Deployer.sol";
import {TestTree} from "./TestTree.sol";
import {vm} from "./Vm.sol";
import {IAudits} from "../../src/interfaces/IAudits.sol";
import {Audit, AuditTerms, Part, Stage, Task} from "../../src/types/AuditTypes.sol";
import {Case} from "../../src/types/DisputeTypes.sol";
import {Bid, ClockKind, Deployment, LeaseId, Seat} from "../../src/types/Types.sol";

/// @notice The deployment of DeliveryBase with Audits, five auditors that enrolled early, and a posted job whose window
/// holds audits.
abstract contract AuditBase is DeliveryBase {
    using TestTree for bytes32[][];

    uint96 internal constant STAKE = 80 ether;
    uint96 internal constant FIXED = 1 ether;
    uint32 internal constant DRAW = 30;
    uint32 internal constant COMMIT = 12;
    uint32 internal constant REVEAL = 8;
    uint32 internal constant CONTEST = 15;
    uint32 internal constant GAME = 90;
    uint32 internal constant LEAVE = 40;
    uint32 internal constant WINDOW = 150;
    uint256 internal constant AUDITORS = 5;
    bytes32 internal constant TRACE = "the item's trace";
    bytes32 internal constant SALT = "salt";

    /// @dev The job has one inner node, whose root is the trace's.
    bytes32[] internal none_;
    Deployer private _auditDeployer;
    IAudits internal audits;

    function setUp() public virtual override {
        _auditDeployer = new Deployer();
        super.setUp();
        bytes memory code =
            abi.encodePacked(vm.getCode("Audits.sol:Audits"), abi.encode(escrow, disputes, terms()));
        audits = IAudits(_auditDeployer.create(code));
        for (uint256 i; i < AUDITORS; ++i) {
            enrolAuditor(auditor(i));
        }
        token.mint(STRANGER, 1000 ether);
        vm.prank(STRANGER);
        token.approve(address(audits), type(uint256).max);
        vm.prank(CLIENT);
        token.approve(address(audits), type(uint256).max);
        skip(30); // longer than a start deadline
        bid = posted(auditedBid(9));
    }

    /// @dev Seats this deployer's first contract as well.
    function deployment() internal view virtual override returns (Deployment memory d) {
        d = super.deployment();
        Seat[] memory seats = d.seats;
        d.seats = new Seat[](seats.length + 1);
        for (uint256 i; i < seats.length; ++i) {
            d.seats[i] = seats[i];
        }
        d.seats[seats.length] = Seat(vm.computeCreateAddress(address(_auditDeployer), 1), TAPE);
    }

    function terms() internal pure returns (AuditTerms memory t) {
        t.clockKind = ClockKind.BlockNumber;
        (t.stakeToken, t.stake, t.percent) = (0, STAKE, 150);
        (t.drawClock, t.commitClock, t.revealClock, t.contestClock) = (DRAW, COMMIT, REVEAL, CONTEST);
        (t.gameSpan, t.leaveDelay) = (GAME, LEAVE);
        t.fixedFees[0] = FIXED;
    }

    function auditedBid(uint64 nonce) internal view returns (Bid memory b) {
        b = tapeBid();
        (b.capacityNonce, b.challengeWindow) = (nonce, WINDOW);
    }

    // ---------------------------------------------------------------------------------------------- auditors

    function auditor(uint256 i) internal pure returns (address) {
        return address(uint160(0xA0D1700 + i));
    }

    function enrolAuditor(address who) internal {
        token.mint(who, STAKE);
        vm.startPrank(who);
        token.approve(address(audits), STAKE);
        audits.enrol();
        vm.stopPrank();
    }

    function quit(address who) internal {
        vm.prank(who);
        audits.quit();
    }

    // ------------------------------------------------------------------------------------------------ audits

    function fee() internal view returns (uint256) {
        return audits.feeOf(bid, ITEMS);
    }

    function order(address by, uint256 tasks) internal {
        vm.prank(by);
        audits.order(bid, job(), tasks);
    }

    /// @dev Ordered by the client, and drawn as soon as can be.
    function drawn(uint256 tasks) internal returns (Audit memory) {
        order(CLIENT, tasks);
        skip(5);
        audits.draw(bid, true);
        return audit();
    }

    function audit() internal view returns (Audit memory) {
        return audits.auditOf(idOf(bid), true);
    }

    function drawSeed() internal view returns (bytes32) {
        return audit().seed;
    }

    function task(uint256 i) internal view returns (Task memory) {
        return audits.tasksOf(idOf(bid), true)[i];
    }

    function seal(address account, bytes32 traceRoot, bytes32 item) internal view returns (bytes32) {
        return keccak256(abi.encode(traceRoot, item, account, idOf(bid), drawSeed(), SALT));
    }

    function right() internal view returns (bytes32) {
        return itemRoot(audit().item);
    }

    function commit(uint256 i, bytes32 traceRoot, bytes32 item) internal {
        address who = task(i).auditor;
        bytes32 commitment = seal(who, traceRoot, item);
        bytes32 draw_ = drawSeed();
        vm.prank(who);
        audits.commit(bid, true, i, draw_, commitment, traceRoot == 0 ? bytes32(0) : item);
    }

    function abstain(uint256 i) internal {
        (address who, bytes32 draw_) = (task(i).auditor, drawSeed());
        vm.prank(who);
        audits.abstain(bid, true, i, draw_);
    }

    function reveal(uint256 i, bytes32 traceRoot, bytes32 item) internal {
        address who = task(i).auditor;
        LeaseId id = idOf(bid);
        vm.prank(who);
        audits.reveal(id, true, i, traceRoot, item, SALT);
    }

    function commitAsProvider(bytes32 traceRoot, bytes32 item) internal {
        (bytes32 draw_, bytes32 commitment) = (drawSeed(), seal(OWNER, traceRoot, item));
        vm.prank(operator);
        audits.commitAsProvider(bid, true, draw_, commitment);
    }

    function revealAsProvider(bytes32 traceRoot) internal {
        revealRoots(traceRoot, rootsOf(audit().item));
    }

    function revealRoots(bytes32 traceRoot, bytes32[] memory roots) internal {
        bytes32[] memory proof = itemsTree().proof(0, audit().item);
        vm.prank(operator, operator);
        audits.revealAsProvider(bid, true, traceRoot, roots, SALT, proof, traceRoot, none_);
    }

    /// @dev Provider and `honest` of the auditors commit to the truth; the rest of `all` to something else.
    function play(uint256 honest, uint256 all) internal {
        bytes32 item = right();
        commitAsProvider(TRACE, item);
        for (uint256 i; i < all; ++i) {
            commit(i, i < honest ? TRACE : bytes32("another trace"), item);
        }
        revealAsProvider(TRACE);
        for (uint256 i; i < all; ++i) {
            reveal(i, i < honest ? TRACE : bytes32("another trace"), item);
        }
    }

    function finish() internal {
        audits.finish(bid, true);
    }

    function close(bytes32 traceRoot) internal {
        audits.close(bid, true, traceRoot, right());
    }

    function owed(address account) internal view returns (uint256) {
        return audits.owedOf(0, account);
    }

    function stakeLeft(address account) internal view returns (uint256) {
        return audits.auditorOf(account).stake;
    }

    function atStage(Stage want) internal view {
        eq(uint8(audit().stage), uint8(want), "stage");
    }

    function atPart(uint256 i, Part want) internal view {
        eq(uint8(task(i).part), uint8(want), "part");
    }

    /// @dev The last reading at which a game about the lease can be under way.
    function gamesEnd() internal view returns (uint256) {
        uint256 posted_ = view_(bid).lastBeat;
        return posted_ + WINDOW + GAME + 6 * (posted_ - view_(bid).startedAt);
    }

    function freezes() internal view returns (uint256) {
        return view_(bid).freezes;
    }

    /// @dev The drawn item's case, and the trace that the provider shows in a game about it.
    function showInGame(bytes32 traceRoot) internal {
        showInGame(audit().item, traceRoot);
    }

    function showInGame(uint256 item, bytes32 traceRoot) internal {
        challenge(STRANGER, item);
        Case memory c = case_(item);
        bytes32 hash = escrow.bidHash(bid);
        bytes32[] memory children = new bytes32[](1);
        children[0] = traceRoot;
        vm.prank(operator, operator);
        disputes.trace(OWNER, hash, c, STRANGER, "seal", children);
    }
}
