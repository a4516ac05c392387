// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Creates contracts at addresses that depend on nothing but their order: this contract's first creation has nonce 1.
contract Deployer {
    function create(bytes memory code) external returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
            if iszero(made) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }
}
