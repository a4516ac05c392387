// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";

/// @title FloatCases
/// @notice Sums and products of any binary32 numbers, infinities, NaNs, zeros and subnormals among them: what the
/// quick ways of Float32 leave.
/// @dev A finite number is `m * 2^(e - 149)` with `m < 2^24`, where e is 0 for subnormals and zeros, else the
/// exponent field less one. So packing a rounded mantissa is one addition, `(e << 23) + m`, and a carry out of
/// the mantissa, into the normals or into infinity, lands where it belongs. Products and sums are exact
/// integers times `2^(x - 298)` until `round`, the only place where anything is rounded.
library FloatCases {
    uint256 private constant NAN = 0x7FC00000;
    uint256 private constant INF = 0x7F800000;
    uint256 private constant SIGN = 0x80000000;
    uint256 private constant MAGNITUDE = 0x7FFFFFFF;

    /// @dev Farther apart than this, the smaller operand of a sum only says on which side of a tie the sum lies.
    /// 48 bits shifted by it leave room in a word for the carry.
    uint256 private constant FAR = 200;

    /// @notice a + b.
    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_special(a) || _special(b)) return _addSpecial(a, b);
            (int256 ma, int256 xa) = signed(a);
            (int256 mb, int256 xb) = signed(b);
            (int256 sum, int256 x) = _align(ma, xa, mb, xb);
            // Two zeros keep a common sign; an exact cancellation is +0.
            if (sum == 0) return ma == 0 ? a & b : 0;
            return pack(sum, x);
        }
    }

    /// @notice a * b.
    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_special(a) || _special(b)) return _mulSpecial(a, b);
            (uint256 ma, uint256 ea) = split(a);
            (uint256 mb, uint256 eb) = split(b);
            return ((a ^ b) & SIGN) | round(ma * mb, int256(ea + eb));
        }
    }

    /// @notice a * b + c, rounded once.
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        unchecked {
            bool special = _special(a) || _special(b);
            if (special || _special(c)) {
                // A finite product, however large, does not change an infinite or NaN sum.
                return _addSpecial(special ? _mulSpecial(a, b) : 0, c);
            }
            (int256 p, int256 y) = _product(a, b);
            (int256 m, int256 x) = signed(c);
            (p, x) = _align(p, y, m, x);
            if (p != 0) return pack(p, x);
            // Two zeros keep a common sign; an exact cancellation is +0.
            return m == 0 ? (a ^ b) & c & SIGN : 0;
        }
    }

    function _special(uint256 a) private pure returns (bool) {
        return a & INF == INF;
    }

    function _isNaN(uint256 a) private pure returns (bool) {
        return a & MAGNITUDE > INF;
    }

    /// @dev Of a sum of which an operand is infinite or NaN.
    function _addSpecial(uint256 a, uint256 b) private pure returns (uint256) {
        if (_isNaN(a) || _isNaN(b)) return NAN;
        if (!_special(a)) return b;
        return _special(b) && a != b ? NAN : a;
    }

    /// @dev Of a product of which a factor is infinite or NaN.
    function _mulSpecial(uint256 a, uint256 b) private pure returns (uint256) {
        if (_isNaN(a) || _isNaN(b) || a & MAGNITUDE == 0 || b & MAGNITUDE == 0) return NAN;
        return ((a ^ b) & SIGN) | INF;
    }

    /// @notice Mantissa and exponent of a finite number; see the library's note.
    function split(uint256 a) internal pure returns (uint256 m, uint256 e) {
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

    /// @dev The exact product of finite numbers, as above.
    function _product(uint256 a, uint256 b) private pure returns (int256 p, int256 y) {
        assembly ("memory-safe") {
            let sign := sub(0, shr(31, xor(a, b)))
            let ea := and(shr(23, a), 0xFF)
            let eb := and(shr(23, b), 0xFF)
            let na := gt(ea, 0)
            let nb := gt(eb, 0)
            p := mul(or(and(a, 0x7FFFFF), shl(23, na)), or(and(b, 0x7FFFFF), shl(23, nb)))
            p := sub(xor(p, sign), sign)
            y := sub(add(ea, eb), add(na, nb))
        }
    }

    /// @dev p * 2^(y - 298) + m * 2^(x - 298) as `sum * 2^(base - 298)`: exact, or with a last bit that only
    /// says on which side of a tie the sum lies. Mantissas have at most 48 bits.
    function _align(int256 p, int256 y, int256 m, int256 x) private pure returns (int256 sum, int256 base) {
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

    /// @notice m * 2^(x - 298) to the nearest; +0 for 0. |m| must be below 2^255.
    function pack(int256 m, int256 x) internal pure returns (uint256) {
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
}
