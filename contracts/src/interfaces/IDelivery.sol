// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IDeliveryEvents} from "./IDeliveryEvents.sol";
import {Job} from "../types/DisputeTypes.sol";
import {Demand, DeliveryTerms, Kind, OutputProof, Queue, SizeProof, Wanted} from "../types/DeliveryTypes.sol";
import {LeaseId} from "../types/Types.sol";

/// @title Delivery on demand: a provider must publish what it posted the root of
/// @notice A posted root is worth nothing to a client who never gets the bytes. Anyone may demand what hashes to a node
/// of the posted output tree; the provider publishes it before a clock ends, or its lease is convicted.
///
/// The machine (P provider, D demander)
///
///   from       call           by   to          what it shows or fixes
///   -          demandItems    D    open        a node above the items' roots
///   -          demandRoots    D    open        an item's root
///   -          demandOutput   D    open        a node of an output's tensor tree
///   -          demandItems    D    Unanswered  a node beyond the items that is not zero: the lease is convicted of silence
///   Requested  demand...      D*   Asked       the client or a delegate needs the same bytes, sooner
///   open       deliver        P    Answered    bytes that hash to that node, in time
///   open       timeout        any  Unanswered  too late: the lease is convicted of silence (`IDisputes.silence`)
///   Answered   collect        D    Closed      the rest of the bond
///   open,      collect        D    Closed      after a conviction: the bond, and a part of the reward if it was for
///   Unanswered                                 silence towards this contract and is settled
///
/// "open" is Asked (by the client or a delegate) or Requested (by a stranger). D* is the client or a delegate.
///
/// What an answer is. Of a node with levels below it in the items' tree: its descendants min(5, levels) levels down. Of an
/// item's root: its tensor roots. Of a node of a tensor's tree: all leaves if five levels or fewer are below it (at
/// most 4096 bytes), else its descendants min(5, levels - 5) levels down. The demander proves where the node
/// stands, and for a tensor its header, so that the contract knows the levels and an honest provider always
/// has an answer (rule 18).
///
/// Time. Two queues per lease, of its client with its delegates, and of strangers: the k-th open demand of the client is
/// given k x demandClock, the k-th of strangers as well; at most 8 of strangers are open (rule 16). So strangers
/// delay no client: nor do they by demanding first what it needs. If its own queue would be quicker, its demand for the
/// same bytes moves theirs into it (`Hastened`), and its coin comes straight back; the bond, the rest and the part of
/// the reward stay with who demanded first. A demand is possible within the challenge window, and holds the lease.
///
/// Beyond the items. The items' tree is zero there by definition, so that no answer can show another node to be
/// right. Who proves that one stands there has convicted the lease by that call, as if a demand had run out of time;
/// places in queues do not matter.
///
/// Money. The bond is coin: `bondOf`. The answer is repaid from it at once, a fixed amount of gas at no more than the base
/// fee and `tip`; the rest is the demander's. The provider has nothing more from it, so that it never gains by serving
/// only who pays for the chain. After `timeout` Disputes sentences the lease once for both: open games and demands
/// take their bonds back; demands together count as min(4, their number) claims of games, divided evenly.
///
/// Assumptions
/// - Answers are plain transactions of the operator's key, so that what they show is in the chain's history.
/// - The chain includes two answers per `demandClock` and lease.
/// - Delivery and Disputes are seated for the same verification kinds.
interface IDelivery is IDeliveryEvents, IERC6372 {
    // ------------------------------------------------------------------------------------------------ demand

    /// @notice Demand descendants of a node above the items' roots. The value is the bond: at least `bondOf`, in
    /// whole gwei.
    /// @param bid the lease's bid, packed
    /// @param job the bid's job
    /// @param delegates all of the bid, if the caller is one; else empty
    /// @param node the node; the posted result itself if there are no siblings
    /// @param index nodes left of it on its level
    /// @param siblings from it up to the posted result
    function demandItems(
        bytes32[6] calldata bid,
        Job calldata job,
        address[] calldata delegates,
        bytes32 node,
        uint256 index,
        bytes32[] calldata siblings
    ) external payable returns (bytes32 demand);

    /// @notice Demand the tensor roots of an item.
    function demandRoots(
        bytes32[6] calldata bid,
        Job calldata job,
        address[] calldata delegates,
        uint256 item,
        bytes32 itemRoot,
        bytes32[] calldata siblings
    ) external payable returns (bytes32 demand);

    /// @notice Demand what is below a node of an output's tensor tree.
    /// @param siblings from the node up to the tensor's root; none: it is the root
    function demandOutput(
        bytes32[6] calldata bid,
        Job calldata job,
        address[] calldata delegates,
        OutputProof calldata proof,
        bytes32 node,
        uint256 index,
        bytes32[] calldata siblings
    ) external payable returns (bytes32 demand);

    // ------------------------------------------------------------------------------------------------ answer

    /// @notice The answer to an open demand. By the operator of the lease's owner, as a plain transaction. Nobody else can
    /// answer: a copy of the answer, sent first, would cost the provider its gas.
    /// @param data hashes or leaves, back to back
    function deliver(bytes32[6] calldata bid, Kind kind, bytes calldata data) external;

    // ------------------------------------------------------------------------------------------------- ends

    /// @notice Convict the provider of not having answered in time. By anyone.
    function timeout(bytes32[6] calldata bid, Wanted calldata wanted) external;

    /// @notice Take what is left of one's own demand: the rest of the bond once answered; all of it once the lease is
    /// convicted, by whatever judge; and the part of the reward once that is settled.
    function collect(bytes32[6] calldata bid, Wanted calldata wanted) external;

    /// @notice Let the completion fee burn, together with as much of the client's credits. By the client, within the
    /// challenge window, and only if the whole output is larger than `BIG_OUTPUT`: demanding so much
    /// costs more than a client can be asked for, and a provider could extort it (rule 24).
    /// @param sizes headers of outputs, in ascending order: as many as it takes to pass the limit
    function burnFee(bytes32[6] calldata bid, Job calldata job, SizeProof[] calldata sizes) external;

    // ------------------------------------------------------------------------------------------------- views

    function demandId(LeaseId leaseId, Wanted calldata wanted) external pure returns (bytes32);

    /// @notice Status None if there is no such demand.
    function demandOf(bytes32 demand) external view returns (Demand memory);

    function queueOf(LeaseId leaseId) external view returns (Queue memory);

    /// @notice The least bond for an answer of `size` bytes, at the base fee of the asking transaction: four times the
    /// gas that the answer is repaid for, and the chain's charge for its bytes; rounded up to gwei.
    function bondOf(uint256 size) external view returns (uint256);

    /// @notice Gas that an answer of `size` bytes is repaid for.
    function answerGas(uint256 size) external pure returns (uint256);

    /// @notice Leaves of 128 bytes, over all items, up to which a client is expected to demand its output.
    function BIG_OUTPUT() external pure returns (uint256);

    function terms() external view returns (DeliveryTerms memory);
}
