// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";

/// @title Binary keccak trees
/// @notice `protocol/tape/merkle.py` is the definition. Leaves are numbered from the left; siblings go from the bottom up.
/// A hash in a tree is the first 24 bytes of keccak256, and 8 zero bytes, which are cheap as calldata (ADR 041).
library TreeLib {
    /// @notice keccak256 of two words, cut as in a tree.
    function hash2(bytes32 a, bytes32 b) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(0x20, b)
            hash := and(keccak256(0, 0x40), not(0xFFFFFFFFFFFFFFFF))
        }
    }

    /// @notice The first 24 bytes.
    function cut(bytes32 hash) internal pure returns (bytes32) {
        return hash & ~bytes32(uint256(type(uint64).max));
    }

    /// @notice Depth of a tree over this many leaves.
    function depth(uint256 leaves) internal pure returns (uint256) {
        unchecked {
            return leaves < 2 ? 0 : 256 - Bits.leadingZeros(leaves - 1);
        }
    }

    /// @notice The root over 2^levels zero words.
    function rootOfZeros(uint256 levels) internal pure returns (bytes32 root) {
        for (uint256 i; i < levels; ++i) {
            root = hash2(root, root);
        }
    }

    /// @notice The root that a node and its siblings give. Bits of `index` above the siblings do not matter.
    function climb(bytes32 node, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := node
            let cutting := not(0xFFFFFFFFFFFFFFFF)
            let bits := shl(5, index) // bit 5 says where the node goes: to 0x00 or to 0x20
            let next := siblings.offset
            let end := add(next, shl(5, siblings.length))
            if and(siblings.length, 1) {
                let right := and(bits, 0x20)
                mstore(right, root)
                mstore(xor(right, 0x20), calldataload(next))
                root := and(keccak256(0, 0x40), cutting)
                bits := shr(1, bits)
                next := add(next, 0x20)
            }
            // The others by two, which saves half of the looking whether it is the end.
            for { } lt(next, end) { next := add(next, 0x40) } {
                let right := and(bits, 0x20)
                mstore(right, root)
                mstore(xor(right, 0x20), calldataload(next))
                root := and(keccak256(0, 0x40), cutting)
                right := and(shr(1, bits), 0x20)
                mstore(right, root)
                mstore(xor(right, 0x20), calldataload(add(next, 0x20)))
                root := and(keccak256(0, 0x40), cutting)
                bits := shr(2, bits)
            }
        }
    }

    /// @notice Chains the left siblings on the way down to node `index`, the topmost first, onto `left`.
    function leftOf(bytes32 left, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32 chained) {
        assembly ("memory-safe") {
            chained := left
            let cutting := not(0xFFFFFFFFFFFFFFFF)
            for { let i := siblings.length } i { } {
                i := sub(i, 1)
                if and(shr(i, index), 1) {
                    mstore(0, chained)
                    mstore(0x20, calldataload(add(siblings.offset, shl(5, i))))
                    chained := and(keccak256(0, 0x40), cutting)
                }
            }
        }
    }

    /// @notice The root over 2^levels nodes.
    function rootOf(bytes32[] calldata nodes) internal pure returns (bytes32) {
        uint256 m;
        assembly ("memory-safe") {
            m := mload(0x40)
            calldatacopy(m, nodes.offset, shl(5, nodes.length))
        }
        return _rootAt(m, nodes.length << 5);
    }

    /// @notice The root over 2^levels leaves of 128 bytes.
    function rootOfLeaves(bytes calldata leaves) internal pure returns (bytes32) {
        uint256 m;
        uint256 size = leaves.length >> 2;
        assembly ("memory-safe") {
            m := mload(0x40)
            let cutting := not(0xFFFFFFFFFFFFFFFF)
            calldatacopy(m, leaves.offset, leaves.length)
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } {
                mstore(add(m, at), and(keccak256(add(m, shl(2, at)), 0x80), cutting))
            }
        }
        return _rootAt(m, size);
    }

    /// @notice The root over words of 32 bytes, the last padded with zeros, and their number padded with zero words to
    /// a power of two.
    function rootOfWords(bytes calldata data) internal pure returns (bytes32) {
        uint256 m;
        uint256 size;
        unchecked {
            size = 32 << depth((data.length + 31) / 32);
        }
        assembly ("memory-safe") {
            m := mload(0x40)
            // What lies behind the free pointer may be dirty; behind calldata there may be more than `data`.
            for { let at := and(data.length, not(0x1F)) } lt(at, size) { at := add(at, 0x20) } {
                mstore(add(m, at), 0)
            }
            calldatacopy(m, data.offset, data.length)
        }
        return _rootAt(m, size);
    }

    /// @dev Of `size` bytes of nodes at memory position `m`, which it uses up: level by level, two parents at a time.
    function _rootAt(uint256 m, uint256 size) private pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let cutting := not(0xFFFFFFFFFFFFFFFF)
            for { } gt(size, 0x40) { size := shr(1, size) } {
                let to := m
                for { let from := m } lt(from, add(m, size)) { from := add(from, 0x80) } {
                    mstore(to, and(keccak256(from, 0x40), cutting))
                    mstore(add(to, 0x20), and(keccak256(add(from, 0x40), 0x40), cutting))
                    to := add(to, 0x40)
                }
            }
            switch size
            case 0x40 { root := and(keccak256(m, 0x40), cutting) }
            default { root := mload(m) }
        }
    }

    /// @notice keccak256 of a 128-byte leaf in calldata.
    function leafHash(bytes calldata leaf, uint256 start) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, add(leaf.offset, start), 0x80)
            hash := and(keccak256(m, 0x80), not(0xFFFFFFFFFFFFFFFF))
        }
    }
}
