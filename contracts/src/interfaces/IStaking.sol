// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {Permit, StakeView} from "../types/Types.sol";

/// @title Staking: what providers can lose
/// @notice Owners stake listed tokens. The Escrow, which deploys this contract, locks part of a stake behind each
/// lease, in the lease's own token, within the caps that the owner sets. What is locked cannot be unbonded; what is
/// not can, after a delay longer than the longest challenge window and one game.
///
/// Assumptions: as in `IEscrow`. The Escrow unlocks each bond exactly once.
interface IStaking is IERC6372 {
    event Staked(address indexed owner, uint8 indexed token, uint256 amount);
    event CapsSet(address indexed owner, uint8 indexed token, uint128 maxPerLease, uint128 maxLocked);
    /// @notice `amount` in all waits to be released; it is free once the clock has passed `releaseAt`.
    event Unbonding(address indexed owner, uint8 indexed token, uint256 amount, uint48 releaseAt);
    event Unbonded(address indexed owner, uint8 indexed token, address to, uint256 amount);
    /// @notice Stake lost: `seized` went to the Escrow for the client or a judge, `burnt` belongs to nobody.
    event Slashed(address indexed owner, uint8 indexed token, uint256 seized, uint256 burnt);

    error Staking_NotEscrow(address caller);
    error Staking_UnlistedToken(uint8 token);
    error Staking_OverLeaseCap(address owner, uint256 bond, uint256 maxPerLease);
    error Staking_OverTotalCap(address owner, uint256 locked, uint256 maxLocked);
    error Staking_OverStake(address owner, uint256 asked, uint256 free);
    error Staking_NothingUnbonding(address owner);
    error Staking_TooEarly(uint48 releaseAt, uint48 now_);
    error Staking_ZeroAmount();
    error Staking_ZeroAddress();
    error Staking_ShortTransfer(uint256 asked, uint256 received);

    /// @notice Stake the caller's tokens and set its caps for that token: the most that one lease, and all leases
    /// together, may lock. Caps of zero lock nothing.
    function stake(uint8 token, uint128 amount, uint128 maxPerLease, uint128 maxLocked) external;

    /// @notice The same with an ERC-2612 permit instead of an earlier allowance.
    function stakeWithPermit(
        uint8 token,
        uint128 amount,
        uint128 maxPerLease,
        uint128 maxLocked,
        Permit calldata permit
    ) external;

    /// @notice Change the caller's caps. Bonds locked already stay.
    function setCaps(uint8 token, uint128 maxPerLease, uint128 maxLocked) external;

    /// @notice Begin to take out stake that no lease locks. A further call adds to the sum and restarts the delay.
    function unbond(uint8 token, uint128 amount) external;

    /// @notice Pay the caller's unbonded stake to `to`, once the delay is over.
    function claimUnbonded(uint8 token, address to) external;

    /// @notice Lock `bond` behind a lease. Only the Escrow.
    function lock(address owner, uint8 token, uint96 bond) external;

    /// @notice Unlock `bond`, of which `seized` goes to the Escrow and `burnt` to nobody. Only the Escrow.
    function unlock(address owner, uint8 token, uint96 bond, uint256 seized, uint256 burnt) external;

    function stakeOf(address owner, uint8 token) external view returns (StakeView memory);

    function escrow() external view returns (address);

    function unbondingDelay() external view returns (uint32);

    /// @notice Sum of stake burnt: held by this contract, owned by nobody.
    function burntOf(uint8 token) external view returns (uint256);
}
