// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TreeLib} from "../../src/libraries/TreeLib.sol";
import {Assertions} from "../base/Assertions.sol";

/// @notice The library on calldata, as contracts use it.
contract Trees {
    function climb(bytes32 node, uint256 index, bytes32[] calldata siblings) external pure returns (bytes32) {
        return TreeLib.climb(node, index, siblings);
    }

    function leftOf(bytes32 left, uint256 index, bytes32[] calldata siblings)
        external
        pure
        returns (bytes32)
    {
        return TreeLib.leftOf(left, index, siblings);
    }

    function rootOf(bytes32[] calldata nodes) external pure returns (bytes32) {
        return TreeLib.rootOf(nodes);
    }

    function rootOfLeaves(bytes calldata leaves) external pure returns (bytes32) {
        return TreeLib.rootOfLeaves(leaves);
    }

    /// @dev Over memory that is not zero.
    function rootOfWords(bytes calldata data) external pure returns (bytes32) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            for { let i := 0 } lt(i, 0x2000) { i := add(i, 0x20) } { mstore(add(free, i), not(0)) }
        }
        return TreeLib.rootOfWords(data);
    }
}

/// @notice Trees in assembly against the plainest ones.
contract TreeLibTest is Assertions {
    Trees private _trees = new Trees();

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return bytes32(bytes24(keccak256(abi.encodePacked(a, b))));
    }

    function _root(bytes32[] memory nodes, uint256 first, uint256 count) private pure returns (bytes32) {
        if (count == 1) return nodes[first];
        return _pair(_root(nodes, first, count / 2), _root(nodes, first + count / 2, count / 2));
    }

    function _nodes(bytes32 seed, uint256 count) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            nodes[i] = _pair(seed, bytes32(i));
        }
    }

    /// From every node of a tree its siblings lead to the root, and the left ones are those left of the way down.
    function testFuzz_Climb(bytes32 seed, uint8 depth_, uint256 index_) public view {
        uint256 depth = bound(depth_, 0, 7);
        uint256 index = bound(index_, 0, (1 << depth) - 1);
        bytes32[] memory nodes = _nodes(seed, 1 << depth);
        bytes32[] memory siblings = new bytes32[](depth);
        bytes32 left = seed;
        for (uint256 i = depth; i > 0; --i) {
            uint256 size = 1 << (i - 1);
            siblings[i - 1] = _root(nodes, ((index / size) ^ 1) * size, size);
            if (index / size % 2 == 1) left = _pair(left, siblings[i - 1]);
        }
        bytes32 root = _root(nodes, 0, 1 << depth);
        eq(_trees.climb(nodes[index], index, siblings), root, "climb");
        eq(_trees.leftOf(seed, index, siblings), left, "left");
        eq(_trees.rootOf(nodes), root, "root");
        // Bits of the index above the siblings do not matter.
        eq(_trees.climb(nodes[index], index | 1 << 200, siblings), root, "higher bits");
    }

    function testFuzz_Leaves(bytes32 seed, uint8 depth_) public view {
        uint256 count = 1 << bound(depth_, 0, 4);
        bytes memory leaves;
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            bytes memory one = abi.encodePacked(_nodes(_pair(seed, bytes32(i)), 4));
            hashes[i] = bytes32(bytes24(keccak256(one)));
            leaves = bytes.concat(leaves, one);
        }
        eq(_trees.rootOfLeaves(leaves), _root(hashes, 0, count), "root");
    }

    function testFuzz_Words(bytes memory data) public view {
        uint256 count = 1;
        while (32 * count < data.length) count *= 2;
        bytes32[] memory words = new bytes32[](count);
        for (uint256 i; i < data.length; ++i) {
            words[i / 32] |= bytes32(data[i]) >> (8 * (i % 32));
        }
        eq(_trees.rootOfWords(data), _root(words, 0, count), "root");
    }

    function testFuzz_Depth(uint32 leaves) public pure {
        uint256 depth;
        while (uint256(1) << depth < leaves) ++depth;
        eq(TreeLib.depth(leaves), depth, "depth");
    }
}
