// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Kind, Spot, Status, Wanted} from "../types/DeliveryTypes.sol";
import {LeaseId} from "../types/Types.sol";

/// @title What happens to demands, and why calls are refused
interface IDeliveryEvents {
    // ------------------------------------------------------------------------------------------------ events

    /// @notice The provider owes these bytes, at the latest at clock reading `until`.
    event Demanded(
        bytes32 indexed demand,
        LeaseId indexed leaseId,
        address indexed demander,
        Wanted wanted,
        Spot spot,
        uint256 until
    );
    /// @notice Answered: the bytes are the last argument of this transaction's call.
    event Delivered(bytes32 indexed demand, LeaseId indexed leaseId);
    /// @notice The client or a delegate needs what a stranger demanded: it is owed at `until` now.
    event Hastened(bytes32 indexed demand, LeaseId indexed leaseId, address indexed by, uint256 until);
    /// @notice The provider let the clock run out, or posted what no answer shows to be right: the lease is convicted of
    /// silence.
    event Withheld(bytes32 indexed demand, LeaseId indexed leaseId);
    /// @notice Coin of the bond, and part of the reward, went to the demander.
    event Collected(bytes32 indexed demand, address indexed demander, uint256 coin, uint256 reward);

    // ------------------------------------------------------------------------------------------------ errors

    error Delivery_BadTerms(bytes32 reason);
    /// @notice A private lease: only its client and the delegates that its bid names may demand.
    error Delivery_Private(address caller);
    error Delivery_WrongJob(bytes32 jobHash);
    /// @notice As many demands of strangers are open as may be.
    error Delivery_Full(uint256 most);
    /// @notice These bytes were demanded already: they stand in the answer, or are owed as soon as the caller could have them.
    error Delivery_Known(bytes32 demand, Status status);
    error Delivery_BondTooLow(uint256 needed, uint256 given);
    error Delivery_BondTooHigh(uint256 most, uint256 given);
    /// @notice A bond is a whole number of gwei.
    error Delivery_BondNotWhole(uint256 given);
    error Delivery_Count(uint256 needed, uint256 given);
    error Delivery_NoItem(uint256 item, uint256 items);
    error Delivery_NoOutput(uint256 output, uint256 outputs);
    /// @notice Nothing of the shape is below this node: it is zero by definition.
    error Delivery_NoLeaf(uint256 leaf, uint256 leaves);
    error Delivery_BadProof();
    error Delivery_NotProvider(address caller);
    error Delivery_NotClient(address caller);
    error Delivery_NotPlain(address caller);
    /// @notice No demand that is open has these bytes for its answer.
    error Delivery_NotOpen(bytes32 demand, Status status);
    error Delivery_OutOfTime(bytes32 demand);
    /// @notice The provider may still answer.
    error Delivery_InTime(bytes32 demand, uint256 until);
    /// @notice The lease is convicted of silence: nothing is demanded or answered any more.
    error Delivery_Silent(LeaseId leaseId);
    error Delivery_NotDemander(address caller);
    error Delivery_NothingToCollect(bytes32 demand);
    /// @notice The output is not so large that demanding it would not do.
    error Delivery_NotBig(uint256 leaves, uint256 limit);
    /// @notice The receiver refused the coin.
    error Delivery_NotSent(address to, uint256 amount);
}
