// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowState} from "./EscrowState.sol";
import {IEscrowCore} from "./interfaces/IEscrowCore.sol";

/// @title Owners, their operator keys and their capacity nonces
abstract contract Operators is EscrowState, IEscrowCore {
    uint256 private constant MAX_REGISTRATION = 2048;

    /// @inheritdoc IEscrowCore
    function register(address operator, bytes calldata registration) external {
        if (operator == address(0)) revert Escrow_ZeroAddress();
        if (registration.length > MAX_REGISTRATION) {
            revert Escrow_RegistrationTooLong(registration.length, MAX_REGISTRATION);
        }
        _setOperator(operator);
        emit Registered(msg.sender, operator, registration);
    }

    /// @inheritdoc IEscrowCore
    function setOperator(address operator) external {
        _setOperator(operator);
    }

    /// @inheritdoc IEscrowCore
    function operatorOf(address owner) external view returns (address) {
        return _operators[owner];
    }

    /// @inheritdoc IEscrowCore
    function cancelNonces(address owner, uint64[] calldata nonces) external {
        _requireProvider(owner);
        for (uint256 i; i < nonces.length; ++i) {
            uint256 bit = 1 << (nonces[i] & 0xff);
            uint256 bits = _nonces[owner][nonces[i] >> 8];
            if (bits & bit != 0) continue;
            _nonces[owner][nonces[i] >> 8] = bits | bit;
            emit NonceCancelled(owner, nonces[i]);
        }
    }

    function _setOperator(address operator) private {
        _operators[msg.sender] = operator;
        emit OperatorSet(msg.sender, operator);
    }

    function _spendNonce(address owner, uint64 nonce) internal {
        uint256 bits = _nonces[owner][nonce >> 8];
        uint256 bit = 1 << (nonce & 0xff);
        // INVARIANT: of all bids that share a nonce, at most one becomes a lease.
        if (bits & bit != 0) revert Escrow_NonceSpent(owner, nonce);
        _nonces[owner][nonce >> 8] = bits | bit;
    }

    /// @dev The zero address has no key, so an owner without an operator lets nobody through.
    function _requireOperator(address owner) internal view {
        address operator = _operators[owner];
        if (msg.sender != operator) revert Escrow_NotOperator(msg.sender, operator);
    }

    function _requireProvider(address owner) internal view {
        if (msg.sender != owner && msg.sender != _operators[owner]) {
            revert Escrow_NotProvider(msg.sender, owner);
        }
    }
}
