// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Keccak trees in memory, for tests: every layer with its padding, leaf hashes first.
library TestTree {
    /// @notice Cut as every hash in a tree.
    function leafHash(bytes memory leaf) internal pure returns (bytes32) {
        return bytes32(bytes24(keccak256(leaf)));
    }

    function build(bytes32[] memory leaves, bytes32 pad) internal pure returns (bytes32[][] memory layers) {
        uint256 depth;
        while (1 << depth < leaves.length) ++depth;
        layers = new bytes32[][](depth + 1);
        layers[0] = new bytes32[](1 << depth);
        for (uint256 i; i < 1 << depth; ++i) {
            layers[0][i] = i < leaves.length ? leaves[i] : pad;
        }
        for (uint256 level = 1; level <= depth; ++level) {
            bytes32[] memory lower = layers[level - 1];
            layers[level] = new bytes32[](lower.length / 2);
            for (uint256 i; i < lower.length / 2; ++i) {
                bytes32 whole = keccak256(abi.encode(lower[2 * i], lower[2 * i + 1]));
                layers[level][i] = bytes32(bytes24(whole));
            }
        }
    }

    function root(bytes32[][] memory layers) internal pure returns (bytes32) {
        return layers[layers.length - 1][0];
    }

    /// @notice Siblings of a node `level` layers above the leaves, from the bottom up.
    function proof(bytes32[][] memory layers, uint256 level, uint256 index)
        internal
        pure
        returns (bytes32[] memory siblings)
    {
        siblings = new bytes32[](layers.length - 1 - level);
        for (uint256 i; i < siblings.length; ++i) {
            siblings[i] = layers[level + i][(index >> i) ^ 1];
        }
    }

    /// @notice The descendants of a node, `down` levels below it, back to back.
    function below(bytes32[][] memory layers, uint256 level, uint256 index, uint256 down)
        internal
        pure
        returns (bytes memory data)
    {
        for (uint256 i; i < 1 << down; ++i) {
            data = abi.encodePacked(data, layers[level - down][(index << down) + i]);
        }
    }
}
