// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";

/// @title Leaves of tensors
/// @notice A leaf is 128 bytes, little-endian; every row of the last axis begins a new one.
/// @dev Sizes are those of valid tapes: at most 2^30 rows times columns, so nothing here leaves a word.
library LeafLib {
    uint256 internal constant BYTES = 128;
    uint256 internal constant F32 = 1;
    uint256 internal constant I32 = 2;
    uint256 internal constant I8 = 3;

    /// @notice Bytes of one element.
    function width(uint256 dtype) internal pure returns (uint256) {
        return dtype == I8 ? 1 : 4;
    }

    /// @notice Leaves of one row.
    function perRow(uint256 dtype, uint256 columns) internal pure returns (uint256) {
        unchecked {
            return (columns * width(dtype) + BYTES - 1) / BYTES;
        }
    }

    /// @notice Depth of the tree over a tensor's leaves; 0 for an empty tensor.
    function depth(uint256 dtype, uint256 rows, uint256 columns) internal pure returns (uint256) {
        unchecked {
            uint256 leaves = rows * perRow(dtype, columns);
            return leaves < 2 ? 0 : 256 - Bits.leadingZeros(leaves - 1);
        }
    }

    /// @notice The leaf of the element in this row and column, and the byte at which it begins there.
    function find(uint256 dtype, uint256 columns, uint256 row, uint256 column)
        internal
        pure
        returns (uint256 leaf, uint256 offset)
    {
        unchecked {
            uint256 start = column * width(dtype);
            return (row * perRow(dtype, columns) + start / BYTES, start % BYTES);
        }
    }

    /// @notice The element at byte `offset` of a leaf that begins at calldata position `leaf`, as an unsigned word.
    function read(uint256 leaf, uint256 offset, uint256 dtype) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(leaf, offset))
            switch eq(dtype, I8)
            case 1 { word := shr(248, word) }
            default { word := or(or(byte(0, word), shl(8, byte(1, word))), or(shl(16, byte(2, word)), shl(24, byte(3, word)))) }
        }
    }

    /// @notice A word of this type as a signed number.
    function signed(uint256 word, uint256 dtype) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            value := signextend(mul(3, iszero(eq(dtype, I8))), word)
        }
    }

    /// @notice Eight little-endian words of calldata, each turned around, the first on top.
    function eight(uint256 position) internal pure returns (uint256 words) {
        assembly ("memory-safe") {
            words := calldataload(position)
            words := or(
                and(shr(8, words), 0x00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF),
                shl(8, and(words, 0x00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF))
            )
            words := or(
                and(shr(16, words), 0x0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF),
                shl(16, and(words, 0x0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF0000FFFF))
            )
        }
    }
}
