// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {Float32} from "./Float32.sol";

/// @title The scalar instructions
/// @notice `protocol/tape/scalar/ops.py` is the table. A register holds 32 bits, the higher ones zero. Registers are
/// typed by the validator; here every instruction is total for any words, whatever their type.
library ScalarLib {
    uint256 private constant MASK = 0xFFFFFFFF;

    /// @notice Runs `count` instructions from calldata position `code`, on registers of which `filled` are written.
    function run(uint256[] memory registers, uint256 filled, uint256 code, uint256 count) internal pure {
        unchecked {
            for (uint256 i; i < count; ++i) {
                uint256 op;
                uint256 a;
                uint256 b;
                uint256 c;
                bool early;
                assembly ("memory-safe") {
                    let word := calldataload(add(code, shl(2, i)))
                    op := byte(0, word)
                    a := byte(1, word)
                    b := byte(2, word)
                    c := byte(3, word)
                    early := iszero(and(and(lt(a, filled), lt(b, filled)), lt(c, filled)))
                }
                if (early) revert IReferee.Referee_Program(i);
                assembly ("memory-safe") {
                    let first := add(registers, 0x20)
                    a := mload(add(first, shl(5, a)))
                    b := mload(add(first, shl(5, b)))
                    c := mload(add(first, shl(5, c)))
                }
                uint256 result = op < 17 ? _float(op, a, b, c, i) : _integer(op, a, b, c, i);
                assembly ("memory-safe") {
                    filled := add(filled, 1)
                    mstore(add(registers, shl(5, filled)), result)
                }
            }
        }
    }

    function _float(uint256 op, uint256 a, uint256 b, uint256 c, uint256 i) private pure returns (uint256) {
        if (op < 7) {
            if (op == 6) return Float32.fma(a, b, c);
            if (op == 3) return Float32.mul(a, b);
            if (op == 1) return Float32.add(a, b);
            if (op == 2) return Float32.sub(a, b);
            if (op == 4) return Float32.div(a, b);
            if (op == 5) return Float32.sqrt(a);
            revert IReferee.Referee_Program(i);
        }
        if (op < 12) {
            if (op == 7) return Float32.min(a, b);
            if (op == 8) return Float32.max(a, b);
            if (op == 9) return a ^ Float32.SIGN;
            if (op == 10) return a & Float32.MAGNITUDE;
            return Float32.eq(a, b) ? 1 : 0;
        }
        if (op == 12) return Float32.lt(a, b) ? 1 : 0;
        if (op == 13) return Float32.le(a, b) ? 1 : 0;
        if (op == 14) return a != 0 ? b : c;
        if (op == 15) return canonical(a);
        return a;
    }

    function _integer(uint256 op, uint256 a, uint256 b, uint256 c, uint256 i) private pure returns (uint256) {
        unchecked {
            if (op < 23) {
                if (op == 17) return (a + b) & MASK;
                if (op == 18) return (a - b) & MASK;
                if (op == 19) return (a * b) & MASK;
                int256 x = _signed(a);
                int256 y = _signed(b);
                if (op == 20) return (uint256(x * y) >> 32) & MASK;
                // EVM division is by 0 total, and cannot overflow in 256 bits.
                int256 quotient;
                assembly ("memory-safe") {
                    quotient := sdiv(x, y)
                }
                return uint256(op == 21 ? quotient : x - quotient * y) & MASK;
            }
            if (op < 29) {
                if (op == 23) return a & b;
                if (op == 24) return a | b;
                if (op == 25) return a ^ b;
                if (op == 26) return (a << (b & 31)) & MASK;
                if (op == 27) return a >> (b & 31);
                return uint256(_signed(a) >> (b & 31)) & MASK;
            }
            if (op < 33) {
                if (op == 29) return a == b ? 1 : 0;
                if (op == 30) return _signed(a) < _signed(b) ? 1 : 0;
                if (op == 31) return a < b ? 1 : 0;
                return a != 0 ? b : c;
            }
            if (op == 33) return _signed(a) < _signed(b) ? a : b;
            if (op == 34) return _signed(a) < _signed(b) ? b : a;
            if (op == 35) return Float32.fromInt(a);
            if (op == 36) return Float32.toInt(a);
            revert IReferee.Referee_Program(i);
        }
    }

    /// @notice Every NaN as 0x7FC00000, anything else as it is.
    function canonical(uint256 word) internal pure returns (uint256) {
        return Float32.isNaN(word) ? Float32.NAN : word;
    }

    function _signed(uint256 word) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := signextend(3, word)
        }
    }
}
