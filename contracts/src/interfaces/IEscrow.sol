// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrowCore} from "./IEscrowCore.sol";
import {IEscrowViews} from "./IEscrowViews.sol";

/// @title Escrow: turns signed bids into leases and pays them block by block
/// @notice Clients hold credits per listed token. A bid signed by a provider's operator key becomes a lease when
/// the client that it names opens it; from `start` on, heartbeats earn blocks; the rest comes back to the client.
///
/// A packed bid is six words, big-endian, and travels whole in `LeaseOpened`:
///   0  address client, uint96 ratePerBlock       1  address owner, uint96 completionFee
///   2  bytes32 jobHash                           3  bytes32 delegates
///   4  uint96 bond, uint64 capacityNonce, uint48 expiry, uint32 startDeadline, uint16 grace
///   5  uint32 maxBlocks, uint32 topUpCap, uint32 resultDeadline, uint32 challengeWindow,
///      uint32 traceAllowance, uint8 token, uint8 leaseClass, uint8 verification, uint8 flags, uint64 zero
///
/// Assumptions
/// - Safety: a listed token moves exactly the asked sum or reverts, has no fee on transfer, does not rebase, and
///   cannot take tokens from this contract by itself. Hooks on transfer are tolerated. What comes in is measured,
///   except by `topUpFromWallet`, so no token may be listed that can begin to take a fee.
/// - Liveness: a listed token does not refuse transfers to or from Escrow and Staking. A token that refuses one
///   recipient stops only that recipient's own withdrawals.
/// - The clock never runs backwards and stays below 2^40.
/// - A judge keeps to `IJudgeHost`. No other contract or key has any power; there is no owner and no upgrade.
/// - Operator keys can be stolen: what they can lose is bounded by the owner's caps (`IStaking.setCaps`).
interface IEscrow is IEscrowCore, IEscrowViews {}
