// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";
import {FloatCases} from "./FloatCases.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Float32
/// @notice IEEE-754 binary32 in integer arithmetic: round to nearest even, subnormals kept, every NaN that
/// arithmetic makes is 0x7FC00000. A number is the low 32 bits of a word; the higher bits must be zero.
/// @dev add, mul and fma go a quick way without branches, as fixed-point integers as wide as a word, and at its end
/// throw the result away if it was not theirs to give: for an infinity, a NaN, a subnormal and what else is far from
/// ordinary, FloatCases has the general way. Mind that a shift by 256 or more, which is what a negative number of bits
/// means to the EVM, gives 0.
library Float32 {
    uint256 internal constant NAN = 0x7FC00000;
    uint256 internal constant INF = 0x7F800000;
    uint256 internal constant SIGN = 0x80000000;
    uint256 internal constant MAGNITUDE = 0x7FFFFFFF;

    /// @dev The top bit of a word, and what rounds to 24 bits a word whose leading bit is the second: half a unit less
    /// the least bit, which is put back where the unit is odd.
    uint256 private constant TOP = 0x8000000000000000000000000000000000000000000000000000000000000000;
    uint256 private constant HALF = 0x3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF;

    /// @notice a + b.
    /// @dev Fixed point: the leading bit of a number with exponent field e is bit e of a word, and what falls below
    /// bit 0 is cut off. If an operand is so cut, or is a zero or subnormal (taken for 1), it is below 2^23; if the
    /// sum then is 2^52 or more, the other operand, a multiple of 2^28, is exact and the sum's nearest, cut or not.
    function add(uint256 a, uint256 b) internal pure returns (uint256 sum) {
        unchecked {
            uint256 rare;
            uint256 sign;
            uint256 size;
            assembly ("memory-safe") {
                let x := shr(and(shr(23, not(a)), 0xFF), or(shl(232, a), TOP))
                let y := shr(and(shr(23, not(b)), 0xFF), or(shl(232, b), TOP))
                // Exponent fields 254 and 255.
                rare := shr(254, or(x, y))
                // The sum as if a were positive; it is signed, and its size below 2^255.
                let apart := sub(0, shr(31, xor(a, b)))
                size := add(x, sub(xor(y, apart), apart))
                let below := sar(255, size)
                size := sub(xor(size, below), below)
                sign := and(xor(a, below), SIGN)
            }
            uint256 zeros = Bits.leadingZeros(size);
            assembly ("memory-safe") {
                rare := or(rare, gt(zeros, 203))
                size := shr(1, shl(zeros, size))
                size := shr(231, add(add(size, HALF), and(shr(231, size), 1)))
                sum := or(sign, add(shl(23, sub(254, zeros)), size))
            }
            if (rare != 0) sum = FloatCases.add(a, b);
        }
    }

    /// @notice a - b.
    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        // A NaN with its sign flipped is a NaN.
        return add(a, b ^ SIGN);
    }

    /// @notice a * b.
    /// @dev Quick for normal numbers with a normal product.
    function mul(uint256 a, uint256 b) internal pure returns (uint256 product) {
        unchecked {
            uint256 e;
            uint256 f;
            uint256 size;
            assembly ("memory-safe") {
                e := sub(and(shr(23, a), 0xFF), 1)
                f := sub(and(shr(23, b), 0xFF), 1)
                size := mul(or(and(a, 0x7FFFFF), 0x800000), or(and(b, 0x7FFFFF), 0x800000))
            }
            uint256 zeros = Bits.leadingZeros(size);
            assembly ("memory-safe") {
                let g := sub(add(add(e, f), 83), zeros)
                e := or(or(gt(e, 253), gt(f, 253)), gt(g, 253))
                size := shr(1, shl(zeros, size))
                size := shr(231, add(add(size, HALF), and(shr(231, size), 1)))
                product := or(and(xor(a, b), SIGN), add(shl(23, g), size))
            }
            if (e != 0) product = FloatCases.mul(a, b);
        }
    }

    /// @notice a * b + c, rounded once.
    /// @dev Quick for normal a and b. Fixed point in units of the least subnormal, 2^-149, where c is a whole number. A
    /// product has 48 bits; below 2^47 it may have a fraction, and is then left away: if the sum is 2^75 or more, c is
    /// a multiple of 2^52 and the nearest to the sum, with the product or without.
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256 sum) {
        unchecked {
            uint256 rare;
            uint256 sign;
            uint256 size;
            assembly ("memory-safe") {
                let e := sub(and(shr(23, a), 0xFF), 1)
                let f := sub(and(shr(23, b), 0xFF), 1)
                rare := or(gt(e, 253), gt(f, 253))
                e := sub(add(e, f), 149)
                // Neither product nor c may reach 2^253.
                rare := or(rare, sgt(e, 205))
                let p := shl(e, mul(or(and(a, 0x7FFFFF), 0x800000), or(and(b, 0x7FFFFF), 0x800000)))
                e := and(shr(23, c), 0xFF)
                f := gt(e, 0)
                let q := or(and(c, 0x7FFFFF), shl(23, f))
                e := sub(e, f)
                rare := or(rare, gt(e, 229))
                q := shl(e, q)
                // The sum as if the product were positive, signed.
                sign := xor(a, b)
                let apart := sub(0, shr(31, xor(sign, c)))
                size := add(p, sub(xor(q, apart), apart))
                let below := sar(255, size)
                size := sub(xor(size, below), below)
                sign := and(xor(sign, below), SIGN)
            }
            uint256 zeros = Bits.leadingZeros(size);
            assembly ("memory-safe") {
                rare := or(rare, gt(zeros, 180))
                size := shr(1, shl(zeros, size))
                size := shr(231, add(add(size, HALF), and(shr(231, size), 1)))
                sum := or(sign, add(shl(23, sub(232, zeros)), size))
            }
            if (rare != 0) sum = FloatCases.fma(a, b, c);
        }
    }

    /// @notice a / b; x / 0 is an infinity, 0 / 0 a NaN.
    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            uint256 sign = (a ^ b) & SIGN;
            if (isNaN(a) || isNaN(b)) return NAN;
            if (a & MAGNITUDE == INF) return b & MAGNITUDE == INF ? NAN : sign | INF;
            if (b & MAGNITUDE == INF) return sign;
            if (b & MAGNITUDE == 0) return a & MAGNITUDE == 0 ? NAN : sign | INF;
            (uint256 ma, uint256 ea) = FloatCases.split(a);
            (uint256 mb, uint256 eb) = FloatCases.split(b);
            // With 80 more bits the quotient has 56 or more: far more than are kept, so its last bit can say
            // whether the division left a rest.
            ma <<= 80;
            uint256 quotient = ma / mb;
            if (quotient * mb != ma) quotient |= 1;
            return sign | FloatCases.round(quotient, int256(ea) - int256(eb) + (298 - 80));
        }
    }

    /// @notice The square root of a: NaN below zero, but -0 for -0.
    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (isNaN(a)) return NAN;
            if (a & MAGNITUDE == 0 || a == INF) return a;
            if (a & SIGN != 0) return NAN;
            (uint256 m, uint256 field) = FloatCases.split(a);
            int256 e = int256(field);
            // The root halves the exponent, e - 149, which therefore has to be even.
            if (e & 1 == 0) (m, e) = (m << 1, e - 1);
            // With 100 more bits the root has 50 or more; see `div`.
            m <<= 100;
            uint256 root = Math.sqrt(m);
            if (root * root != m) root |= 1;
            return FloatCases.round(root, (e - 249) / 2 + 298);
        }
    }

    /// @notice The smaller; NaN if either is; -0 is below +0.
    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        return _rank(a) < _rank(b) ? a : b;
    }

    /// @notice The larger; NaN if either is; -0 is below +0.
    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        return _rank(a) < _rank(b) ? b : a;
    }

    /// @notice Whether a < b: false if either is NaN; zeros are equal.
    function lt(uint256 a, uint256 b) internal pure returns (bool) {
        return !isNaN(a) && !isNaN(b) && _rank(a) < _rank(b) && (a | b) & MAGNITUDE != 0;
    }

    /// @notice Whether a <= b: false if either is NaN; zeros are equal.
    function le(uint256 a, uint256 b) internal pure returns (bool) {
        return !isNaN(a) && !isNaN(b) && (_rank(a) <= _rank(b) || (a | b) & MAGNITUDE == 0);
    }

    /// @notice Whether a equals b: false if either is NaN; zeros are equal.
    function eq(uint256 a, uint256 b) internal pure returns (bool) {
        return !isNaN(a) && (a == b || (a | b) & MAGNITUDE == 0);
    }

    /// @notice Whether a is any NaN.
    function isNaN(uint256 a) internal pure returns (bool) {
        return a & MAGNITUDE > INF;
    }

    /// @notice The integer nearest to zero of a, as 32 bits of two's complement: saturating, 0 for NaN.
    function toInt(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (isNaN(a)) return 0;
            (uint256 m, uint256 e) = FloatCases.split(a);
            bool negative = a & SIGN != 0;
            // 158 - 31 = 127: from 2^31 on nothing fits, but -2^31 itself, which is what saturation gives.
            if (a & MAGNITUDE >= 0x4F000000) return negative ? 0x80000000 : 0x7FFFFFFF;
            m = e >= 149 ? m << (e - 149) : m >> (149 - e);
            return (negative ? 0 - m : m) & 0xFFFFFFFF;
        }
    }

    /// @notice The number nearest to the 32-bit two's complement integer i, ties to even.
    function fromInt(uint256 i) internal pure returns (uint256) {
        unchecked {
            uint256 sign = i & SIGN;
            return sign | FloatCases.round(sign == 0 ? i : 0x100000000 - i, 298);
        }
    }

    /// @dev Orders all numbers but NaN as IEEE-754's totalOrder does.
    function _rank(uint256 a) private pure returns (uint256) {
        return a & SIGN == 0 ? a | SIGN : ~a & 0xFFFFFFFF;
    }
}
