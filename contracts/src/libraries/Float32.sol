// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { Bits } from "./Bits.sol";
import { Math } from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Float32
/// @notice IEEE-754 binary32 in integer arithmetic: round to nearest even, subnormals kept, every NaN that
/// arithmetic makes is 0x7FC00000. A number is the low 32 bits of a word; the higher bits must be zero.
/// @dev A finite number is `m * 2^(e - 149)` with `m < 2^24`, where e is 0 for subnormals and zeros, else the
/// exponent field less one. So packing a rounded mantissa is one addition, `(e << 23) + m`, and a carry out of
/// the mantissa, into the normals or into infinity, lands where it belongs. Products and sums are exact
/// integers times `2^(x - 298)` until `round`, the only place where anything is rounded.
library Float32 {
    uint256 internal constant NAN = 0x7FC00000;
    uint256 internal constant INF = 0x7F800000;
    uint256 internal constant SIGN = 0x80000000;
    uint256 internal constant MAGNITUDE = 0x7FFFFFFF;

    /// @dev Farther apart than this, the smaller operand of a sum only says on which side of a tie the sum lies.
    /// 48 bits shifted by it leave room in a word for the carry.
    uint256 private constant FAR = 200;

    /// @notice a + b.
    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_anySpecial(a, b, 0)) return _addSpecial(a, b);
            (int256 ma, int256 xa) = signed(a);
            (int256 mb, int256 xb) = signed(b);
            (int256 sum, int256 x) = align(ma, xa, mb, xb);
            // Two zeros keep a common sign; an exact cancellation is +0.
            if (sum == 0) return ma == 0 ? a & b : 0;
            return _signedRound(sum, x);
        }
    }

    /// @notice a - b.
    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        // A NaN with its sign flipped is a NaN.
        return add(a, b ^ SIGN);
    }

    /// @notice a * b.
    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_anySpecial(a, b, 0)) return _mulSpecial(a, b);
            (uint256 ma, uint256 ea) = _split(a);
            (uint256 mb, uint256 eb) = _split(b);
            return ((a ^ b) & SIGN) | round(ma * mb, int256(ea + eb));
        }
    }

    /// @notice a * b + c, rounded once.
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        unchecked {
            if (_anySpecial(a, b, c)) {
                uint256 exact = _special(a) || _special(b) ? _mulSpecial(a, b) : 0;
                // A finite product, however large, does not change an infinite or NaN sum.
                return _addSpecial(exact, c);
            }
            (int256 p, int256 y) = product(a, b);
            (int256 m, int256 x) = signed(c);
            (p, x) = align(p, y, m, x);
            if (p != 0) return _signedRound(p, x);
            // Two zeros keep a common sign; an exact cancellation is +0.
            return m == 0 ? (a ^ b) & c & SIGN : 0;
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
            (uint256 ma, uint256 ea) = _split(a);
            (uint256 mb, uint256 eb) = _split(b);
            // With 80 more bits the quotient has 56 or more: far more than are kept, so its last bit can say
            // whether the division left a rest.
            ma <<= 80;
            uint256 quotient = ma / mb;
            if (quotient * mb != ma) quotient |= 1;
            return sign | round(quotient, int256(ea) - int256(eb) + (298 - 80));
        }
    }

    /// @notice The square root of a: NaN below zero, but -0 for -0.
    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (isNaN(a)) return NAN;
            if (a & MAGNITUDE == 0 || a == INF) return a;
            if (a & SIGN != 0) return NAN;
            (uint256 m, uint256 field) = _split(a);
            int256 e = int256(field);
            // The root halves the exponent, e - 149, which therefore has to be even.
            if (e & 1 == 0) (m, e) = (m << 1, e - 1);
            // With 100 more bits the root has 50 or more; see `div`.
            m <<= 100;
            uint256 root = Math.sqrt(m);
            if (root * root != m) root |= 1;
            return round(root, (e - 249) / 2 + 298);
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
            (uint256 m, uint256 e) = _split(a);
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
            return sign | round(sign == 0 ? i : 0x100000000 - i, 298);
        }
    }

    function _special(uint256 a) private pure returns (bool) {
        return a & INF == INF;
    }

    function _anySpecial(uint256 a, uint256 b, uint256 c) private pure returns (bool special) {
        assembly ("memory-safe") {
            special := or(or(eq(and(a, INF), INF), eq(and(b, INF), INF)), eq(and(c, INF), INF))
        }
    }

    /// @dev Of a sum of which an operand is infinite or NaN.
    function _addSpecial(uint256 a, uint256 b) private pure returns (uint256) {
        if (isNaN(a) || isNaN(b)) return NAN;
        if (!_special(a)) return b;
        return _special(b) && a != b ? NAN : a;
    }

    /// @dev Of a product of which a factor is infinite or NaN.
    function _mulSpecial(uint256 a, uint256 b) private pure returns (uint256) {
        if (isNaN(a) || isNaN(b) || a & MAGNITUDE == 0 || b & MAGNITUDE == 0) return NAN;
        return ((a ^ b) & SIGN) | INF;
    }

    /// @dev Mantissa and exponent of a finite number; see the library's note.
    function _split(uint256 a) private pure returns (uint256 m, uint256 e) {
        assembly ("memory-safe") {
            e := and(shr(23, a), 0xFF)
            let normal := gt(e, 0)
            m := or(and(a, 0x7FFFFF), shl(23, normal))
            e := sub(e, normal)
        }
    }

    /// @notice A finite number as a signed mantissa times 2^(x - 298).
    function signed(uint256 a) internal pure returns (int256 m, int256 x) {
        assembly ("memory-safe") {
            let e := and(shr(23, a), 0xFF)
            let normal := gt(e, 0)
            let sign := sub(0, shr(31, a))
            m := sub(xor(or(and(a, 0x7FFFFF), shl(23, normal)), sign), sign)
            x := add(149, sub(e, normal))
        }
    }

    /// @notice The exact product of the finite numbers in the low 32 bits of a and b, as above.
    function product(uint256 a, uint256 b) internal pure returns (int256 p, int256 y) {
        assembly ("memory-safe") {
            let sign := sar(255, shl(224, xor(a, b)))
            let ea := and(shr(23, a), 0xFF)
            let eb := and(shr(23, b), 0xFF)
            let na := gt(ea, 0)
            let nb := gt(eb, 0)
            p := mul(or(and(a, 0x7FFFFF), shl(23, na)), or(and(b, 0x7FFFFF), shl(23, nb)))
            p := sub(xor(p, sign), sign)
            y := sub(add(ea, eb), add(na, nb))
        }
    }

    /// @notice p * 2^(y - 298) + m * 2^(x - 298) as `sum * 2^(base - 298)`: exact, or with a last bit that only
    /// says on which side of a tie the sum lies. Mantissas have at most 48 bits.
    function align(int256 p, int256 y, int256 m, int256 x) internal pure returns (int256 sum, int256 base) {
        assembly ("memory-safe") {
            let d := sub(y, x)
            // Shift up what has the greater exponent: p by d, or m by -d.
            let up := and(d, not(sar(255, d)))
            sum := add(shl(up, p), shl(sub(up, d), m))
            base := sub(y, up)
            if gt(add(d, FAR), 400) {
                switch slt(d, 0)
                case 0 {
                    sum := m
                    if p {
                        sum := add(shl(FAR, p), sub(sgt(m, 0), slt(m, 0)))
                        base := sub(y, FAR)
                    }
                }
                default {
                    sum := p
                    if m {
                        sum := add(shl(FAR, m), sub(sgt(p, 0), slt(p, 0)))
                        base := sub(x, FAR)
                    }
                }
            }
        }
    }

    function _signedRound(int256 m, int256 x) private pure returns (uint256) {
        uint256 sign;
        uint256 size;
        assembly ("memory-safe") {
            let mask := sar(255, m)
            sign := and(mask, SIGN)
            size := sub(xor(m, mask), mask)
        }
        return sign | round(size, x);
    }

    /// @notice m * 2^(x - 298) to the nearest, ties to even, without sign. m must be below 2^255.
    function round(uint256 m, int256 x) internal pure returns (uint256 bits) {
        if (m == 0) return 0;
        uint256 zeros = Bits.leadingZeros(m);
        assembly ("memory-safe") {
            // Drop what exceeds 24 bits, and more if the exponent would else be below that of subnormals.
            let drop := sub(232, zeros)
            let least := sub(149, x)
            if slt(drop, least) { drop := least }
            switch sgt(drop, 0)
            case 0 { m := shl(sub(0, drop), m) }
            default { m := shr(drop, add(m, add(sub(shl(sub(drop, 1), 1), 1), and(shr(drop, m), 1)))) }
            bits := add(shl(23, sub(add(x, drop), 149)), m)
            if gt(bits, INF) { bits := INF }
        }
    }

    /// @dev Orders all numbers but NaN as IEEE-754's totalOrder does.
    function _rank(uint256 a) private pure returns (uint256) {
        return a & SIGN == 0 ? a | SIGN : ~a & 0xFFFFFFFF;
    }
}
