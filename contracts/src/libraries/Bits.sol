// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bits
/// @notice The one place that uses the CLZ instruction (Osaka). EVMs without it run `test/portable/Bits.sol`, which
/// tests remap onto this file.
library Bits {
    /// @notice How many zero bits lead a word; 256 for zero.
    function leadingZeros(uint256 word) internal pure returns (uint256 zeros) {
        assembly ("memory-safe") {
            zeros := clz(word)
        }
    }
}
