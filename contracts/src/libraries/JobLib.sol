// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Job} from "../types/DisputeTypes.sol";

/// @title What a bid's job hash and a result commit to
/// @notice `protocol/tape/roots.py` is the definition.
library JobLib {
    bytes32 internal constant TAG_PROGRAM = keccak256("gavel.tape.program.v1");
    bytes32 internal constant TAG_NODE = keccak256("gavel.tape.node.v1");
    bytes32 internal constant TAG_ITEM = keccak256("gavel.tape.item.v1");

    /// @notice The bid's `jobHash`: keccak256(programRoot, inputRoot, items).
    function hash(Job calldata job) internal pure returns (bytes32 root) {
        bytes32 tag = TAG_PROGRAM;
        assembly ("memory-safe") {
            // As they stand in calldata: the program's seven words, then the job's two others.
            let m := mload(0x40)
            mstore(m, tag)
            calldatacopy(add(m, 0x20), job, 0xE0)
            mstore(m, keccak256(m, 0x100))
            calldatacopy(add(m, 0x20), add(job, 0xE0), 0x40)
            root := keccak256(m, 0x60)
        }
    }

    /// @notice An item's root, from the roots of its tensors.
    function itemRoot(bytes32[] calldata roots) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_ITEM, roots));
    }

    /// @notice A node's leaf in the program's tree of headers.
    function headerHash(bytes calldata header) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_NODE, header));
    }
}
