// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChainLib} from "../../src/libraries/ChainLib.sol";
import {Float32} from "../../src/libraries/Float32.sol";

/// @title GasHarness
/// @notice What arithmetic costs inside a contract that is compiled as contracts ship, without any call.
contract GasHarness {
    /// @notice Gas of one a + b, operands and result on the stack.
    function add(uint32 a, uint32 b) external view returns (uint256 used, uint256 result) {
        uint256 before = gasleft();
        result = Float32.add(a, b);
        used = before - gasleft();
    }

    /// @notice Gas of one a * b + c.
    function fma(uint32 a, uint32 b, uint32 c) external view returns (uint256 used, uint256 result) {
        uint256 before = gasleft();
        result = Float32.fma(a, b, c);
        used = before - gasleft();
    }

    /// @notice Gas of a chain from +0 over all little-endian words of both sides.
    function chain(bytes calldata left, bytes calldata right) external view returns (uint256 used, uint256 result) {
        uint256 l;
        uint256 r;
        assembly ("memory-safe") {
            l := left.offset
            r := right.offset
        }
        uint256 before = gasleft();
        result = ChainLib.dot(l, r, left.length / 4, 0);
        used = before - gasleft();
    }
}
