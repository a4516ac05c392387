// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {IStaking} from "./IStaking.sol";
import {Bid, LeaseId, LeaseMoney, LeaseView, Listing} from "../types/Types.sol";

/// @title What can be read from the Escrow, and nothing else
interface IEscrowViews is IERC5267 {
    /// @notice EIP-712 struct hash of a packed bid (without the domain).
    function bidHash(bytes32[6] calldata bid) external pure returns (bytes32);

    /// @notice EIP-712 digest that the operator signs.
    function bidDigest(bytes32[6] calldata bid) external view returns (bytes32);

    function leaseIdOf(address owner, bytes32 bidHash_) external pure returns (LeaseId);

    /// @notice The bid with names; reverts unless the reserved bits are zero.
    function decodeBid(bytes32[6] calldata bid) external pure returns (Bid memory);

    /// @notice ratePerBlock x maxBlocks + completionFee.
    function depositOf(bytes32[6] calldata bid) external pure returns (uint256);

    /// @notice What the client or the provider loses if it closes the lease before the start.
    function showUpOf(bytes32[6] calldata bid) external view returns (uint256 client, uint256 provider);

    function leaseOf(LeaseId leaseId) external view returns (LeaseView memory);

    /// @notice Views of many leases in one call.
    function leasesOf(LeaseId[] calldata leaseIds) external view returns (LeaseView[] memory);

    function moneyOf(bytes32[6] calldata bid) external view returns (LeaseMoney memory);

    function creditsOf(uint8 token, address account) external view returns (uint256);

    /// @notice Whether bids with this nonce are void: opened once or cancelled.
    function isNonceUsed(address owner, uint64 nonce) external view returns (bool);

    /// @notice The 256 nonces from 256 x `word` on, as a bitmap.
    function nonceWord(address owner, uint64 word) external view returns (uint256);

    function tokens() external view returns (Listing[] memory);

    /// @notice Verification kind whose results this address judges; zero: it is no judge. `Seated` logs name them all.
    function kindOf(address judge) external view returns (uint8);

    /// @notice Whether bids may ask for this verification kind. False for kind 0, which needs no judge.
    function isKindJudged(uint8 kind) external view returns (bool);

    function staking() external view returns (IStaking);

    /// @notice Sum of deposits burnt: held by this contract, owned by nobody.
    function burntOf(uint8 token) external view returns (uint256);

    function minGrace() external view returns (uint16);

    function maxChallengeWindow() external view returns (uint32);

    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice 1/n of the bond burns when a provider ends a job without a result.
    function PENALTY_DIVISOR() external view returns (uint256);

    /// @notice Each silence of a service beyond grace burns 1/n of its bond.
    function GAPS_TO_ALL() external view returns (uint256);
}
