// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IJudgeHost} from "./IJudge.sol";
import {LeaseId, LeaseState, Permit} from "../types/Types.sol";

/// @title What can be done with the Escrow: the part of `IEscrow` that has effects, with its events and errors
interface IEscrowCore is IERC6372, IJudgeHost {
    // ------------------------------------------------------------------------------------------------ events

    /// @notice The award: the bid became a lease. Carries the packed bid whole.
    event LeaseOpened(LeaseId indexed leaseId, address indexed owner, address indexed client, bytes32[6] bid);
    /// @notice The provider holds all inputs and runs; the stream begins at clock reading `reading`.
    event Started(LeaseId indexed leaseId, uint48 reading);
    /// @notice The leases of one provider whose heartbeat counted. Those skipped are absent.
    event Beat(address indexed owner, LeaseId[] leaseIds);
    /// @notice `payer` funded `blocks` more blocks for `amount`.
    event ToppedUp(LeaseId indexed leaseId, address indexed payer, uint32 blocks, uint256 amount);
    /// @notice The owner was paid `amount` of what streamed; `withdrawnBlocks` in all so far.
    event Withdrawn(LeaseId indexed leaseId, address indexed owner, uint32 withdrawnBlocks, uint256 amount);
    /// @notice The client closed a running job: a result must be posted at `deadline` at the latest.
    event Closing(LeaseId indexed leaseId, uint48 deadline);
    /// @notice The result, written once at clock reading `reading`.
    event ResultPosted(LeaseId indexed leaseId, bytes32 outputRoot, uint48 reading);
    /// @notice The lease ended; `outcome` says how. `toOwner` and `toClient` became credits, `seized` of the bond
    /// went into these sums, `burnt` (of deposit and bond together) belongs to nobody any more.
    event Ended(
        LeaseId indexed leaseId,
        LeaseState indexed outcome,
        uint256 toOwner,
        uint256 toClient,
        uint256 seized,
        uint256 burnt
    );
    /// @notice A judge convicted the result; it was credited `reward` for those who proved it.
    event Convicted(LeaseId indexed leaseId, address indexed judge, uint256 reward);
    /// @notice A capacity nonce was given up: no bid with it can be opened.
    event NonceCancelled(address indexed owner, uint64 nonce);
    /// @notice The key that signs bids, starts, beats and posts for `owner` from now on; zero: none.
    event OperatorSet(address indexed owner, address indexed operator);
    /// @notice What the provider says about itself: a canonical `Registration` message.
    event Registered(address indexed owner, address indexed operator, bytes registration);
    /// @notice Credits bought by `payer` for `account`.
    event Deposited(uint8 indexed token, address indexed account, address indexed payer, uint256 amount);
    /// @notice Credits of `account` paid out to `to`.
    event CreditsWithdrawn(uint8 indexed token, address indexed account, address to, uint256 amount);

    // ------------------------------------------------------------------------------------------------ errors

    /// @notice The bid contradicts itself or this deployment; `reason` is the offending field's name.
    error Escrow_BadBid(bytes32 reason);
    /// @notice The token list, seats or clock of the deployment are not usable; `reason` is the field's name.
    error Escrow_BadDeployment(bytes32 reason);
    error Escrow_UnlistedToken(uint8 token);
    error Escrow_NoJudge(uint8 verification);
    error Escrow_NotClient(address caller, address client);
    error Escrow_NotProvider(address caller, address owner);
    error Escrow_NotOperator(address caller, address operator);
    /// @notice The caller has no seat for this kind.
    error Escrow_NotJudge(address caller, uint8 verification);
    /// @notice The bid's signature is not by the owner's operator key of this moment.
    error Escrow_NotSigned(address signer, address operator);
    error Escrow_Expired(uint48 expiry, uint48 now_);
    error Escrow_NonceSpent(address owner, uint64 nonce);
    error Escrow_BondTooLow(uint96 bond, uint96 reserve);
    error Escrow_TooFewCredits(address account, uint256 needed, uint256 available);
    /// @notice The call does not exist for a lease in this state.
    error Escrow_WrongState(LeaseId leaseId, LeaseState state);
    /// @notice The last reading for this call was `deadline`.
    error Escrow_TooLate(LeaseId leaseId, uint48 deadline, uint48 now_);
    /// @notice The call is possible after `deadline` only.
    error Escrow_TooEarly(LeaseId leaseId, uint48 deadline, uint48 now_);
    error Escrow_OverCap(LeaseId leaseId, uint256 funded, uint32 cap);
    error Escrow_Held(LeaseId leaseId, uint32 freezes);
    error Escrow_NotHeld(LeaseId leaseId);
    error Escrow_FeeBurnt(LeaseId leaseId);
    /// @notice A batch pays one owner in one token.
    error Escrow_MixedBatch(uint256 index);
    error Escrow_ZeroResult();
    error Escrow_ZeroAddress();
    error Escrow_RegistrationTooLong(uint256 length, uint256 limit);
    /// @notice The token moved another sum than asked.
    error Escrow_ShortTransfer(uint256 asked, uint256 received);

    // ----------------------------------------------------------------------------------------------- credits

    /// @notice Buy credits for `account` with the caller's tokens (needs an allowance).
    function deposit(uint8 token, address account, uint256 amount) external;

    /// @notice The same with an ERC-2612 permit instead of an earlier allowance.
    function depositWithPermit(uint8 token, address account, uint256 amount, Permit calldata permit) external;

    /// @notice Turn the caller's credits back into tokens, sent to `to`.
    function withdrawCredits(uint8 token, address to, uint256 amount) external;

    // --------------------------------------------------------------------------------------------- providers

    /// @notice Set the caller's operator key and publish its registration (at most 2048 bytes).
    function register(address operator, bytes calldata registration) external;

    /// @notice Replace the caller's operator key at once; zero revokes it.
    function setOperator(address operator) external;

    /// @notice The operator key of this moment; zero if there is none.
    function operatorOf(address owner) external view returns (address);

    /// @notice Give up capacity nonces. By the owner or its operator; spent ones are left as they are.
    function cancelNonces(address owner, uint64[] calldata nonces) external;

    // ------------------------------------------------------------------------------------------------ leases

    /// @notice Open a lease with the caller's credits. Only the client that the bid names can.
    /// @param signature r | s | v over the bid's EIP-712 digest by the owner's operator key
    function openLease(bytes32[6] calldata bid, bytes calldata signature) external returns (LeaseId);

    /// @notice Open a lease with the caller's tokens (needs an allowance for `depositOf(bid)`).
    function openLeaseFromWallet(bytes32[6] calldata bid, bytes calldata signature) external returns (LeaseId);

    /// @notice Open a lease with the caller's tokens and a permit.
    function openLeaseWithPermit(bytes32[6] calldata bid, bytes calldata signature, Permit calldata permit)
        external
        returns (LeaseId);

    /// @notice Begin the stream. By the operator, until the start deadline.
    function start(bytes32[6] calldata bid) external;

    /// @notice Sign of life for many leases of one provider. By the operator.
    /// Each adds min(now, lastBeat + grace, end) - lastBeat to the paid blocks; what cannot be served is skipped.
    function beat(address owner, bytes32[] calldata bidHashes) external;

    /// @notice Fund more blocks with the caller's credits, up to the bid's cap. By anyone; deadlines stay.
    function topUp(bytes32[6] calldata bid, uint32 blocks) external;

    /// @notice Fund more blocks with the caller's tokens.
    function topUpFromWallet(bytes32[6] calldata bid, uint32 blocks) external;

    /// @notice Pay the owner what streamed and may leave now. By anyone; all bids of one owner and token.
    /// On a job lease no more than bond - reserve leaves before the result is final.
    /// @return amount sum paid, possibly zero
    function withdraw(bytes32[6][] calldata bids) external returns (uint256 amount);

    /// @notice End a lease as its client: at once if unstarted (costs the show-up sum) or a service; on a running
    /// job it moves the result deadline to now + grace, and is refused if that is not earlier.
    function closeByClient(bytes32[6] calldata bid) external;

    /// @notice End a lease as its owner or operator: unstarted (costs the show-up sum), a service, or a running job
    /// (all of the stream goes back to the client, and a penalty is burnt).
    function closeByProvider(bytes32[6] calldata bid) external;

    /// @notice Post the result of a job, once. By the operator, until the result deadline.
    function postResult(address owner, bytes32 bidHash, bytes32 outputRoot) external;

    /// @notice Pay a posted result whose window is over and that no judge holds. By anyone.
    function finalize(bytes32[6] calldata bid) external;

    /// @notice End what ran over a deadline: no start, no result, a client's close that took effect, a service
    /// whose funds are over. By anyone.
    function expire(bytes32[6] calldata bid) external;

    /// @notice Zero until posted.
    function resultOf(LeaseId leaseId) external view returns (bytes32 outputRoot);
}
