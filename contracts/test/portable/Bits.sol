// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bits without the CLZ instruction
/// @notice For EVMs before Osaka, such as those that tests run in process or that provers know: compile with this file
/// in the place of `src/libraries/Bits.sol`. Nothing that ships uses it.
library Bits {
    /// @notice How many zero bits lead a word; 256 for zero.
    /// @dev Without a branch, so that a prover follows one path.
    function leadingZeros(uint256 word) internal pure returns (uint256 zeros) {
        assembly ("memory-safe") {
            let bit := shl(7, gt(word, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF))
            bit := or(bit, shl(6, gt(shr(bit, word), 0xFFFFFFFFFFFFFFFF)))
            bit := or(bit, shl(5, gt(shr(bit, word), 0xFFFFFFFF)))
            bit := or(bit, shl(4, gt(shr(bit, word), 0xFFFF)))
            bit := or(bit, shl(3, gt(shr(bit, word), 0xFF)))
            bit := or(bit, shl(2, gt(shr(bit, word), 0xF)))
            bit := or(bit, shl(1, gt(shr(bit, word), 3)))
            bit := or(bit, gt(shr(bit, word), 1))
            zeros := add(sub(255, bit), iszero(word))
        }
    }
}
