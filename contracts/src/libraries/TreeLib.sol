// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";

/// @title Binary keccak trees
/// @notice `protocol/tape/merkle.py` is the definition. Leaves are numbered from the left; siblings go from the bottom up.
library TreeLib {
    /// @notice Depth of a tree over this many leaves.
    function depth(uint256 leaves) internal pure returns (uint256) {
        unchecked {
            return leaves < 2 ? 0 : 256 - Bits.leadingZeros(leaves - 1);
        }
    }

    /// @notice The root that a node and its siblings give. Bits of `index` above the siblings do not matter.
    function climb(bytes32 node, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := node
            let at := siblings.offset
            for { let end := add(at, shl(5, siblings.length)) } lt(at, end) { at := add(at, 0x20) } {
                let right := shl(5, and(index, 1))
                mstore(right, root)
                mstore(xor(right, 0x20), calldataload(at))
                root := keccak256(0, 0x40)
                index := shr(1, index)
            }
        }
    }

    /// @notice Chains the left siblings on the way down to node `index`, the topmost first, onto `left`.
    function leftOf(bytes32 left, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 chained) {
        assembly ("memory-safe") {
            chained := left
            for { let i := siblings.length } i { } {
                i := sub(i, 1)
                if and(shr(i, index), 1) {
                    mstore(0, chained)
                    mstore(0x20, calldataload(add(siblings.offset, shl(5, i))))
                    chained := keccak256(0, 0x40)
                }
            }
        }
    }

    /// @notice The root over 2^levels nodes.
    function rootOf(bytes32[] calldata nodes) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            let size := shl(5, nodes.length)
            calldatacopy(m, nodes.offset, size)
            for { } gt(size, 0x20) { size := shr(1, size) } {
                for { let at := 0 } lt(at, size) { at := add(at, 0x40) } {
                    mstore(add(m, shr(1, at)), keccak256(add(m, at), 0x40))
                }
            }
            root := mload(m)
        }
    }

    /// @notice The root over 2^levels leaves of 128 bytes.
    function rootOfLeaves(bytes calldata leaves) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, leaves.offset, leaves.length)
            let size := shr(2, leaves.length)
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } {
                mstore(add(m, at), keccak256(add(m, shl(2, at)), 0x80))
            }
            for { } gt(size, 0x20) { size := shr(1, size) } {
                for { let at := 0 } lt(at, size) { at := add(at, 0x40) } {
                    mstore(add(m, shr(1, at)), keccak256(add(m, at), 0x40))
                }
            }
            root := mload(m)
        }
    }

    /// @notice The root over words of 32 bytes, the last padded with zeros, and their number padded with zero words to
    /// a power of two.
    function rootOfWords(bytes calldata data) internal pure returns (bytes32 root) {
        uint256 words;
        unchecked {
            words = (data.length + 31) / 32;
            words = 1 << depth(words);
        }
        assembly ("memory-safe") {
            let m := mload(0x40)
            let size := shl(5, words)
            // What lies behind the free pointer may be dirty; behind calldata there may be more than `data`.
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } { mstore(add(m, at), 0) }
            calldatacopy(m, data.offset, data.length)
            for { } gt(size, 0x20) { size := shr(1, size) } {
                for { let at := 0 } lt(at, size) { at := add(at, 0x40) } {
                    mstore(add(m, shr(1, at)), keccak256(add(m, at), 0x40))
                }
            }
            root := mload(m)
        }
    }

    /// @notice keccak256 of a 128-byte leaf in calldata.
    function leafHash(bytes calldata leaf, uint256 start) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, add(leaf.offset, start), 0x80)
            hash := keccak256(m, 0x80)
        }
    }
}
