// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "./IDisputeEvents.sol";
import {Case, DisputeTerms, Game, Place, Verdict} from "../types/DisputeTypes.sol";
import {LeaseId} from "../types/Types.sol";

/// @title How games end, who is paid, and what can be read
interface IDisputeEnds is IDisputeEvents {
    /// @notice End a game whose mover ran out of time. By anyone.
    function timeout(bytes32[6] calldata bid, Case calldata case_, address challenger, bytes32 seal) external;

    /// @notice Give up one's own game while it is one's move: the same as running out of time, but sooner.
    function resign(bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external;

    /// @notice Open the caller's seal after a conviction by proof; within the claim period.
    /// @param place as `Judged` says
    /// @param salt of the seal
    /// @param other the half of the seal that the opening does not compute: the item's root for an inner node, the
    /// trace's root for an output node
    /// @param leaf of the caller's own trace at the place
    /// @param siblings from that leaf up to its tensor's root
    /// @param above inner node: from the tensor's root up to the trace's root; output node: the item's tensor roots
    function claim(
        Case calldata case_,
        Place calldata place,
        bytes32 salt,
        bytes32 other,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes32[] calldata above
    ) external;

    /// @notice Share in the reward after a conviction by silence: every game that was open then can.
    function claimSilence(Case calldata case_, bytes32 seal) external;

    /// @notice Sentence a lease for silence that another judge of its kind found: once for all judges, so that whoever
    /// has an open game shares as after silence in a game. By a judge that holds the lease.
    /// @param shares how many claims of games those count as that the judge speaks for
    /// @param parts how many it divides them among, each by `takePart`; none if there are no shares
    function silence(bytes32[6] calldata bid, uint32 shares, uint32 parts) external;

    /// @notice Once settled: pay out one part of what the calling judge's `silence` earned, rounded down.
    function takePart(bytes32[6] calldata bid, address to) external returns (uint256 amount);

    /// @notice End the lease as convicted, and fix the shares. By anyone, when the claim period is over.
    function settle(bytes32[6] calldata bid) external;

    /// @notice Take back what is left of the bond of one's own game whose lease is convicted, also by another judge,
    /// and the share of the reward once it is settled.
    function collect(bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external;

    /// @notice Pay out the caller's coin: what lost games left to it.
    function withdrawCoin(address to) external;

    // ------------------------------------------------------------------------------------------------- views

    /// @notice Zero phase if there is no such game.
    function gameOf(bytes32 game) external view returns (Game memory);

    function verdictOf(LeaseId leaseId) external view returns (Verdict memory);

    /// @notice Root of the trace of a case that a game is or was about; zero until posted. Where the lease is convicted,
    /// of some cases it is zero again.
    function traceOf(Case calldata case_) external view returns (bytes32);

    function coinOf(address account) external view returns (uint256);

    /// @notice The least bond, at the base fee of the asking transaction: four times the gas of a long game's answers,
    /// the chain's charge for their bytes, and the price of one item; rounded up to gwei, and no more than a game can keep:
    /// 2^42 - 1 gwei, some 4,398 coins. So `challenge` is possible whatever an item costs.
    function bondOf(bytes32[6] calldata bid, uint256 items) external view returns (uint256);

    function terms() external view returns (DisputeTerms memory);
}
