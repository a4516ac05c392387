// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IAuditEvents} from "./IAuditEvents.sol";
import {Audit, Auditor, AuditTerms, Task} from "../types/AuditTypes.sol";
import {Job} from "../types/DisputeTypes.sol";
import {LeaseId} from "../types/Types.sol";

/// @title Audits: so that watching pays when nobody cheats
/// @notice After a result is posted anybody may pay for an audit of it. The hash of a later block draws one item and
/// auditors from a list that was fixed before the lease opened. They and the provider commit to the item's trace, then
/// open their commitments. Auditors are paid for agreeing too, but not with what stood on the chain already. When the
/// provider worked nobody knew whether it would be audited, at which item, or by whom.
///
/// The machine (A auditor, P provider; per lease one audit of its client and one of all strangers)
///
///   from       call              by   to          what it does
///   -          order             any  Called      holds the lease; the fees; fixes the block that draws
///   Called     order             any  Called      more tasks, while that block is not there
///   Called     draw              any  Drawn       item and auditors; fees of tasks without an auditor go back
///   Called     draw              any  Over        nobody could be drawn: all fees go back
///   Called     redraw            any  Called      the hash is gone: another block
///   Called     redraw            any  Over        the same without time for it: all fees go back
///   Called,    finish            any  Over        the lease was convicted elsewhere; who had committed is paid
///   Drawn
///   Drawn      commit            A,P  Drawn       a commitment, in time
///   Drawn      abstain           A    Drawn       instead of committing, in time: the task's fee goes back
///   Drawn      reveal            A,P  Drawn       opens it, once all have committed or abstained, or could have
///   Drawn      finish            any  Silent      P has not committed, or not revealed: convicted, as by silence in a game
///   Drawn      finish            any  Over        all who revealed agree, and are paid, but for copies; who did not is punished
///   Drawn      finish            any  Contested   some found another result
///   Contested  close             any  Silent      the trace that P revealed is not the one of its game (rule 8): convicted
///   Contested  close             any  Over        the lease's end decides: convicted, and who accused is paid; else punished
///   Silent     takeReward        A    Silent      once the conviction is settled: a part of its reward
///
/// What an auditor that finds another result does. It opens a game at that item (`IDisputes.challenge`) within the window,
/// of which at least `contestClock` is left then. All that the game takes of the posted outputs, the provider's opening has
/// shown: the roots of the item's tensors, and where the item stands under the result. It comes in a plain transaction
/// (`Audits_NotPlain`), so anybody can read it there (ADR 049). It also
/// shows that the trace ends with its last inner node, since no game could contradict what stood behind it. What cannot
/// be opened so is no answer: silence. Either the item's root is false, and the game proves it. Or it is
/// right and P revealed a made-up trace: in the game P then shows the true one, which `close` holds against
/// it, or the made-up one, which has a false node. So an honest auditor that plays its game is always paid, and one that
/// accuses falsely never.
///
/// Copies. Answers are opened once all are bound. But a game may have shown the item's trace by then, also one that P opened
/// on itself; and in a job of one item, the lease's other audit. `commit` looks for both (`Task.late`), so an auditor's
/// item root comes in the clear. Who was late and agrees is paid nothing: its fee goes back to the payer, its stake is
/// safe. Who was late and accuses is paid as ever, so showing a trace silences nobody. Of a job of more items the two
/// audits draw two (ADR 053).
///
/// Commitments: keccak256(abi.encode(traceRoot, itemRoot, account, leaseId, seed, salt)). `account` is the auditor, or the
/// owner of the lease's provider, so that a new operator key can open what the old one committed to. A trace is what
/// games are about (`IDisputes`); that of a program without inner nodes is zero. `seed` is the draw's (`Audit`): a
/// commitment or abstention names the draw that it answers, lest a re-org replay it on another one (rule 8).
///
/// The draw. The list is read as it was before the lease can have been opened: `startDeadline` and one unit before its
/// start. Nobody who enrols later is drawn; who left before the audit was called is skipped, who leaves later is not.
/// A task is tried eight times; what finds nobody is paid back. Proposers: who makes the drawing block sees the
/// draw first, and can discard it by not publishing the block, once for each block that it forgoes; it cannot choose
/// among draws otherwise. Who wants a second draw by letting the first expire needs all others to stay idle.
///
/// Money. A task costs `feeOf`, in the lease's token, from the caller's wallet. An auditor that does not commit and reveal
/// loses 1/8 of the stake, one that accuses falsely 1/2; it burns, the fee goes back to the payer, and the auditor is
/// put out of the list; it may take what is left and enrol anew. On silence the provider is sentenced once for all judges
/// (`IDisputes.silence`); auditors who committed count as min(4, their number) claims of games. P is paid nothing
/// for an audit: a lease has at most two. An auditor that abstains is paid nothing and loses nothing: P may serve the
/// job to nobody, and where its inputs lie is not on the chain. The fee goes back to the payer; P owes its answers all
/// the same.
///
/// Time. The client's audit leaves commitClock + traceAllowance for commitments, the strangers' one allowance more,
/// since P may owe both. `order` and `redraw` need `spanOf` of the window, so that a game can follow. A
/// contested audit holds the lease after its window only while something else does, and no longer than a game can last.
///
/// Assumptions
/// - As in `IEscrow` for tokens. Audits and Disputes are seated for the same verification kinds.
/// - `blockhash` is that of the chain that counts `block.number`, and cannot be foretold.
/// - The chain includes a commitment, and a reveal, within their clocks.
interface IAudits is IAuditEvents, IERC6372 {
    // ---------------------------------------------------------------------------------------------- auditors

    /// @notice Stake the caller's tokens and join the list.
    function enrol() external;

    /// @notice Leave the list. Audits that are called already still draw the caller.
    function quit() external;

    /// @notice Pay what is left of the caller's stake, `leaveDelay` after leaving and when no audit of its is open.
    function takeStake(address to) external;

    // ------------------------------------------------------------------------------------------------- orders

    /// @notice Pay for audits of a posted result by so many auditors; the caller's tokens, at `feeOf` each.
    /// @param job the bid's job
    /// @param tasks 1 to 8, together with those of earlier orders
    function order(bytes32[6] calldata bid, Job calldata job, uint256 tasks) external;

    /// @notice Draw, when the hash of the drawing block is there.
    function draw(bytes32[6] calldata bid, bool byClient) external;

    /// @notice Fix another block when the hash was not used in time.
    function redraw(bytes32[6] calldata bid, bool byClient) external;

    // ----------------------------------------------------------------------------------------------- answers

    /// @notice The commitment of the auditor that has this task.
    /// @param seed of the draw that it answers; the same in the next two
    /// @param itemRoot in the clear, zero where the trace is zero: `reveal` refuses another one
    function commit(
        bytes32[6] calldata bid,
        bool byClient,
        uint256 task,
        bytes32 seed,
        bytes32 commitment,
        bytes32 itemRoot
    ) external;

    /// @notice By the auditor that has this task, instead of `commit`, if it cannot get the job or run it in time: the task
    /// is over without pay or loss, and its fee goes back to the payer.
    function abstain(bytes32[6] calldata bid, bool byClient, uint256 task, bytes32 seed) external;

    /// @notice The provider's commitment. By its operator.
    function commitAsProvider(bytes32[6] calldata bid, bool byClient, bytes32 seed, bytes32 commitment) external;

    /// @notice Open an auditor's commitment.
    function reveal(
        LeaseId leaseId,
        bool byClient,
        uint256 task,
        bytes32 traceRoot,
        bytes32 itemRoot,
        bytes32 salt
    ) external;

    /// @notice Open the provider's commitment. By its operator, in a plain transaction.
    /// @param roots of the item's outputs: all that its root is made of
    /// @param proof siblings from the item's root up to the posted result
    /// @param last root of the last inner node, zero without inner nodes
    /// @param end siblings from there up to the trace's root: those to its right are over nothing
    function revealAsProvider(
        bytes32[6] calldata bid,
        bool byClient,
        bytes32 traceRoot,
        bytes32[] calldata roots,
        bytes32 salt,
        bytes32[] calldata proof,
        bytes32 last,
        bytes32[] calldata end
    ) external;

    // -------------------------------------------------------------------------------------------------- ends

    /// @notice Compare what was revealed, when all have, or could have. By anyone.
    function finish(bytes32[6] calldata bid, bool byClient) external;

    /// @notice Decide about who accused: convict a provider that shows another trace in a game about the item than it
    /// revealed here; pay, if the lease is convicted of anything; punish, when it can be no more. By anyone.
    /// @param traceRoot what the provider revealed
    /// @param itemRoot the same
    function close(bytes32[6] calldata bid, bool byClient, bytes32 traceRoot, bytes32 itemRoot) external;

    /// @notice Pay the auditor of a task its part of a conviction's reward.
    function takeReward(bytes32[6] calldata bid, bool byClient, uint256 task) external;

    /// @notice Pay out the caller's fees and refunds.
    function withdraw(uint8 token, address to) external;

    // ------------------------------------------------------------------------------------------------- views

    /// @notice Stage None if there is no such audit.
    function auditOf(LeaseId leaseId, bool byClient) external view returns (Audit memory);

    function tasksOf(LeaseId leaseId, bool byClient) external view returns (Task[] memory);

    function auditorOf(address account) external view returns (Auditor memory);

    /// @notice Length of the list after all changes up to this reading.
    function countAt(uint256 reading) external view returns (uint256);

    /// @notice Who had the place after all changes up to this reading; meaningful below `countAt`.
    function auditorAt(uint256 place, uint256 reading) external view returns (address);

    /// @notice What a task costs, rounded up.
    function feeOf(bytes32[6] calldata bid, uint256 items) external view returns (uint256);

    /// @notice How much of the window an audit needs from its call on, until a game about it can be opened. A window
    /// that also holds an expired draw has `drawClock` more.
    function spanOf(bytes32[6] calldata bid, bool byClient) external view returns (uint256);

    function owedOf(uint8 token, address account) external view returns (uint256);

    /// @notice The height that `drawBlock` is counted in: `block.number`. On some rollups it is another chain's, and not what
    /// their nodes call the number of a block.
    function height() external view returns (uint256);

    /// @notice Sum of stake burnt: held by this contract, owned by nobody.
    function burntStake() external view returns (uint256);

    function terms() external view returns (AuditTerms memory);
}
