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
            if (_special(a) || _special(b)) return _addSpecial(a, b);
            (uint256 ma, uint256 ea) = _split(a);
            (uint256 mb, uint256 eb) = _split(b);
            return _sum(a & SIGN, ma, ea + 149, b & SIGN, mb, eb + 149);
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
            if (_special(a) || _special(b)) return _mulSpecial(a, b);
            (uint256 ma, uint256 ea) = _split(a);
            (uint256 mb, uint256 eb) = _split(b);
            return ((a ^ b) & SIGN) | round(ma * mb, int256(ea + eb));
        }
    }

    /// @notice a * b + c, rounded once.
    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        unchecked {
            if (_special(a) || _special(b) || _special(c)) {
                uint256 product = _special(a) || _special(b) ? _mulSpecial(a, b) : 0;
                // A finite product, however large, does not change an infinite or NaN sum.
                return _addSpecial(product, c);
            }
            (uint256 ma, uint256 ea) = _split(a);
            (uint256 mb, uint256 eb) = _split(b);
            (uint256 mc, uint256 ec) = _split(c);
            return _sum((a ^ b) & SIGN, ma * mb, ea + eb, c & SIGN, mc, ec + 149);
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

    /// @dev (-1)^sa * ma * 2^(xa - 298) + (-1)^sb * mb * 2^(xb - 298), packed. Mantissas have at most 48 bits.
    function _sum(uint256 sa, uint256 ma, uint256 xa, uint256 sb, uint256 mb, uint256 xb)
        private
        pure
        returns (uint256)
    {
        unchecked {
            if (xa < xb) (sa, ma, xa, sb, mb, xb) = (sb, mb, xb, sa, ma, xa);
            uint256 distance = xa - xb;
            if (distance > FAR && ma != 0) {
                (mb, distance) = (mb == 0 ? 0 : 1, FAR);
                xb = xa - FAR;
            }
            ma <<= distance;
            if (sa == sb) return sa | round(ma + mb, int256(xb));
            if (ma > mb) return sa | round(ma - mb, int256(xb));
            // An exact cancellation is +0.
            return ma == mb ? 0 : sb | round(mb - ma, int256(xb));
        }
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
