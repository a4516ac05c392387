// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bits without the CLZ instruction
/// @notice For EVMs before Osaka, such as those that tests run in process: compile with this file remapped onto
/// `src/libraries/Bits.sol`. Nothing that ships uses it.
library Bits {
    /// @notice How many zero bits lead a word; 256 for zero.
    function leadingZeros(uint256 word) internal pure returns (uint256 zeros) {
        if (word == 0) return 256;
        unchecked {
            for (uint256 step = 128; step != 0; step >>= 1) {
                if (word >> (256 - step) == 0) {
                    zeros += step;
                    word <<= step;
                }
            }
        }
    }
}
