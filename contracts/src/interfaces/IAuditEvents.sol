// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Answer, Part, Stage} from "../types/AuditTypes.sol";
import {LeaseId} from "../types/Types.sol";

/// @title What happens in audits, and why calls are refused
/// @notice An audit is named by its lease and whether it is the client's (`byClient`) or the strangers'.
interface IAuditEvents {
    // ------------------------------------------------------------------------------------------------ events

    event Enrolled(address indexed auditor, uint256 place);
    /// @notice The auditor is in no list from now on. `place` is filled by the last in the list.
    event Left(address indexed auditor, uint256 place);
    event StakeTaken(address indexed auditor, address to, uint256 amount);
    event Ordered(
        LeaseId indexed leaseId, bool indexed byClient, address indexed payer, uint256 tasks, uint256 fee
    );
    /// @notice The hash of this block draws; it has to be used before the clock has passed `until`.
    event Called(LeaseId indexed leaseId, bool indexed byClient, uint256 drawBlock, uint256 until);
    /// @notice Commitments until the clock has passed `commitUntil`.
    event Drawn(LeaseId indexed leaseId, bool indexed byClient, uint256 item, uint256 commitUntil);
    event Assigned(LeaseId indexed leaseId, bool indexed byClient, address indexed auditor, uint256 task);
    /// @notice By the auditor, or for the provider by its owner's address.
    event Committed(LeaseId indexed leaseId, bool indexed byClient, address indexed by);
    /// @notice The auditor could not get the job, or not run it in time: it has checked nothing.
    event Abstained(LeaseId indexed leaseId, bool indexed byClient, address indexed auditor);
    event Revealed(
        LeaseId indexed leaseId,
        bool indexed byClient,
        address indexed by,
        bytes32 traceRoot,
        bytes32 itemRoot
    );
    /// @notice The audit reached this stage: Contested, Silent or Over.
    event Reached(LeaseId indexed leaseId, bool indexed byClient, Stage stage);
    /// @notice The auditor earned the fee of its task.
    event Earned(LeaseId indexed leaseId, address indexed auditor, uint256 fee);
    /// @notice The fee of a task went back to who paid for it.
    event Returned(LeaseId indexed leaseId, address indexed payer, uint256 fee);
    /// @notice Stake of an auditor burnt; it has left the list.
    event Burnt(address indexed auditor, uint256 amount);
    event RewardTaken(LeaseId indexed leaseId, address indexed auditor, uint256 amount);
    event Withdrawn(address indexed account, uint8 indexed token, address to, uint256 amount);

    // ------------------------------------------------------------------------------------------------ errors

    error Audits_BadTerms(bytes32 reason);
    error Audits_UnlistedToken(uint8 token);
    error Audits_ShortTransfer(uint256 asked, uint256 received);
    error Audits_ZeroAddress();
    /// @notice Enrolled, or left and its stake not taken yet.
    error Audits_Known(address auditor);
    error Audits_NotEnrolled(address auditor);
    error Audits_StillEnrolled(address auditor);
    error Audits_Busy(address auditor, uint256 audits);
    error Audits_TooEarly(uint256 until);
    error Audits_TooLate(uint256 until);
    /// @notice The call does not exist at this stage.
    error Audits_WrongStage(Stage stage);
    error Audits_WrongPart(Part part);
    /// @notice The provider has given this answer already, or has to give another one first.
    error Audits_WrongAnswer(Answer answer);
    /// @notice Outsiders cannot have a private lease's inputs.
    error Audits_Private(LeaseId leaseId);
    error Audits_WrongJob(bytes32 jobHash);
    /// @notice 1 to 8 tasks an audit.
    error Audits_Count(uint256 most, uint256 given);
    /// @notice What is left of the window does not hold what an audit needs.
    error Audits_NoTime(uint256 needed, uint256 left);
    /// @notice The block that draws is not there yet.
    error Audits_NoHash(uint256 drawBlock);
    /// @notice The block's hash is there and in time: `draw`.
    error Audits_HashIsThere(uint256 drawBlock);
    /// @notice What was sent answers another draw than the audit's, whose seed this is: a re-org undid it.
    error Audits_OtherDraw(bytes32 seed);
    error Audits_NotAuditor(address caller);
    error Audits_NotProvider(address caller);
    error Audits_NotPlain(address caller);
    /// @notice Commitments of others may still come: nothing may be shown yet.
    error Audits_Sealed(uint256 until);
    error Audits_BadSeal();
    error Audits_BadProof();
    /// @notice A program without inner nodes has no trace: its root is zero.
    error Audits_NoTrace();
    /// @notice Not what the provider revealed.
    error Audits_OtherRoots();
    /// @notice The lease has been convicted elsewhere: there is nothing left to find.
    error Audits_Convicted(LeaseId leaseId);
    /// @notice The lease may still be convicted.
    error Audits_Undecided(LeaseId leaseId);
    error Audits_ZeroCommitment();
}
