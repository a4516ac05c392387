// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Limits of a tape
/// @notice Those of `protocol/tape/limits.py` that a header's reader needs; a test holds the two files equal.
library Limits {
    uint256 internal constant MAX_INSTRUCTIONS = 128;
    uint256 internal constant MAX_PROGRAM_CONSTANTS = 64;
    uint256 internal constant MAX_MAP_OPERANDS = 4;
    uint256 internal constant MAX_JOIN_SOURCES = 32;
    uint256 internal constant MAX_RANK = 8;
    uint256 internal constant MAX_HEADER = 2048;
    uint256 internal constant BLOCK = 256;
    uint256 internal constant LEAF_BYTES = 128;
}
