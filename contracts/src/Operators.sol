// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "./interfaces/IEscrow.sol";

/// @title Owners, their operator keys and their capacity nonces
abstract contract Operators is IEscrow {
    uint256 private constant MAX_REGISTRATION = 2048;

    /// @inheritdoc IEscrow
    mapping(address owner => address) public operatorOf;
    mapping(address owner => mapping(uint64 word => uint256 bits)) private _nonces;

    /// @inheritdoc IEscrow
    function register(address operator, bytes calldata registration) external {
        if (operator == address(0)) revert Escrow_ZeroAddress();
        if (registration.length > MAX_REGISTRATION) {
            revert Escrow_RegistrationTooLong(registration.length, MAX_REGISTRATION);
        }
        _setOperator(operator);
        emit Registered(msg.sender, operator, registration);
    }

    /// @inheritdoc IEscrow
    function setOperator(address operator) external {
        _setOperator(operator);
    }

    /// @inheritdoc IEscrow
    function cancelNonces(address owner, uint64[] calldata nonces) external {
        _requireProvider(owner);
        for (uint256 i; i < nonces.length; ++i) {
            if (isNonceUsed(owner, nonces[i])) continue;
            _nonces[owner][nonces[i] >> 8] |= 1 << (nonces[i] & 0xff);
            emit NonceCancelled(owner, nonces[i]);
        }
    }

    /// @inheritdoc IEscrow
    function isNonceUsed(address owner, uint64 nonce) public view returns (bool) {
        return _nonces[owner][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    /// @inheritdoc IEscrow
    function nonceWord(address owner, uint64 word) external view returns (uint256) {
        return _nonces[owner][word];
    }

    function _setOperator(address operator) private {
        operatorOf[msg.sender] = operator;
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
        address operator = operatorOf[owner];
        if (msg.sender != operator) revert Escrow_NotOperator(msg.sender, operator);
    }

    function _requireProvider(address owner) internal view {
        if (msg.sender != owner && msg.sender != operatorOf[owner]) revert Escrow_NotProvider(msg.sender, owner);
    }
}
