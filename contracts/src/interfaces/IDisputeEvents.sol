// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PackedPlace, Phase} from "../types/DisputeTypes.sol";
import {LeaseId, LeaseState} from "../types/Types.sol";

/// @title What happens in games, and why calls are refused
interface IDisputeEvents {
    // ------------------------------------------------------------------------------------------------ events

    event Challenged(
        bytes32 indexed game,
        LeaseId indexed leaseId,
        address indexed challenger,
        uint256 item,
        bytes32 itemRoot,
        bytes32 seal
    );
    /// @notice A move; `state` is the game's packed word after it (`GameLib`). Anonymous, so its first topic is the game.
    event Moved(bytes32 indexed game, uint256 state) anonymous;
    /// @notice The lease is convicted by this game, at this place; by silence, if the place is empty.
    event Judged(bytes32 indexed game, LeaseId indexed leaseId, PackedPlace place);
    /// @notice The lease is convicted of silence towards another judge.
    event Silenced(LeaseId indexed leaseId, address indexed judge, uint32 shares, uint32 parts);
    /// @notice The challenger lost; `forfeit` wei became coin of the owner.
    event GameLost(bytes32 indexed game, LeaseId indexed leaseId, uint256 forfeit);
    event SealOpened(bytes32 indexed game, LeaseId indexed leaseId);
    /// @notice The lease ended as convicted; `reward` of its token is shared.
    event Settled(LeaseId indexed leaseId, uint256 reward, uint256 claims);
    /// @notice A game's money left: coin of the bond, and its share of the reward.
    event Collected(bytes32 indexed game, address indexed challenger, uint256 coin, uint256 reward);
    /// @notice The provider's new key answers from now on.
    event Adopted(bytes32 indexed game, address indexed operator);

    // ------------------------------------------------------------------------------------------------ errors

    error Disputes_BadTerms(bytes32 reason);
    /// @notice The call does not exist in this phase.
    error Disputes_WrongPhase(bytes32 game, Phase phase);
    error Disputes_GameExists(bytes32 game);
    /// @notice The mover's clock ran out; `timeout` ends the game.
    error Disputes_OutOfTime(bytes32 game);
    /// @notice The other side may still move, for `left` more.
    error Disputes_InTime(bytes32 game, uint256 left);
    error Disputes_BondTooLow(uint256 needed, uint256 given);
    error Disputes_BondTooHigh(uint256 most, uint256 given);
    /// @notice A bond is a whole number of gwei.
    error Disputes_BondNotWhole(uint256 given);
    error Disputes_WrongJob(bytes32 jobHash);
    error Disputes_WrongLease(LeaseId leaseId);
    error Disputes_NoItem(uint256 item, uint256 items);
    error Disputes_NotProvider(address caller);
    error Disputes_NotPlain(address caller);
    /// @notice A private lease: only its client and the delegates that its bid names may challenge.
    error Disputes_Private(address caller);
    /// @notice What was handed in is not where the game stands.
    error Disputes_OtherPosition(bytes32 game);
    /// @notice The pick answers another state of the game.
    error Disputes_OtherState(uint48 tag, uint48 given);
    error Disputes_Count(uint256 needed, uint256 given);
    error Disputes_NoChild(uint256 index);
    error Disputes_NoNode(uint256 node);
    error Disputes_NoElement(uint256 element);
    /// @notice The bytes do not hash to the root that they are shown under.
    error Disputes_BadProof();
    /// @notice The running values do not fold to the element, or the totals not to each other.
    error Disputes_BadFold(uint256 found, uint256 needed);
    /// @notice The step gives what the provider said: nothing is proven.
    error Disputes_StepIsTrue(uint256 value);
    /// @notice This element's chain has several segments: `element` first.
    error Disputes_NeedsRunning(uint256 segments);
    /// @notice The game is too young: it must be a block old.
    error Disputes_TooYoung(bytes32 game);
    error Disputes_Convicted(LeaseId leaseId);
    error Disputes_NotConvicted(LeaseId leaseId);
    /// @notice No judge of the lease's kind, or not the one that found it silent.
    error Disputes_NotJudge(address caller);
    error Disputes_NotPosted(LeaseId leaseId, LeaseState state);
    error Disputes_WrongPlace(bytes32 given);
    error Disputes_BadSeal();
    error Disputes_NotOpenedInTime(uint32 openedAt, uint32 limit);
    error Disputes_TooEarly(uint256 until);
    error Disputes_TooLate(uint256 until);
    error Disputes_NothingToCollect(bytes32 game);
    /// @notice The receiver refused the coin.
    error Disputes_NotSent(address to, uint256 amount);
}
