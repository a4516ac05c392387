// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";
import {Float32} from "./Float32.sol";
import {FloatCases} from "./FloatCases.sol";
import {LeafLib} from "./LeafLib.sol";

/// @title Chains: the segments of CONTRACT and REDUCE
/// @notice Operands lie at calldata positions, little-endian, within one leaf each.
library ChainLib {
    uint256 private constant ONE = 0x3F800000;

    /// @dev Eight times the same: the number 1, a sign, a fraction, an exponent field, and the least bit.
    uint256 private constant ONES = 0x3F8000003F8000003F8000003F8000003F8000003F8000003F8000003F800000;
    uint256 private constant SIGNS = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant FRACTIONS = 0x007FFFFF007FFFFF007FFFFF007FFFFF007FFFFF007FFFFF007FFFFF007FFFFF;
    uint256 private constant FIELDS = 0x000000FF000000FF000000FF000000FF000000FF000000FF000000FF000000FF;
    uint256 private constant LEAST = 0x0000000100000001000000010000000100000001000000010000000100000001;

    /// @dev Numbers with this exponent field or a greater one are too wide for `_quick`.
    uint256 private constant WIDE = 231;

    /// @dev The last of 24 places of which the first is the top bit of a word.
    uint256 private constant UNIT = 0x10000000000000000000000000000000000000000000000000000000000;

    /// @notice `acc = fma(left[i], right[i], acc)` for i below count; `right` 0 stands for ones.
    /// @dev What makes it cheaper than `count` calls of Float32.fma: numbers are turned around and taken apart eight
    /// at once, and the accumulator stays a fixed-point number. If that gets too wide, or the numbers or the product of
    /// one of eight terms are, the packed way goes on to the end.
    function dot(uint256 left, uint256 right, uint256 count, uint256 acc) internal pure returns (uint256) {
        unchecked {
            uint256 done;
            if ((acc >> 23) & 0xFF < WIDE) (done, acc) = _quick(left, right, count, acc);
            for (; done < count; ++done) {
                uint256 a = LeafLib.read(left, 4 * done, LeafLib.F32);
                uint256 b = right == 0 ? ONE : LeafLib.read(right, 4 * done, LeafLib.F32);
                acc = Float32.fma(a, b, acc);
            }
            return acc;
        }
    }

    /// @dev How many terms were quick, and the accumulator behind them. Inside, the accumulator is x times the least
    /// subnormal, 2^-149, with |x| <= 2^254, and `zero` is the number meant if x is 0.
    function _quick(uint256 left, uint256 right, uint256 count, uint256 acc)
        private
        pure
        returns (uint256 done, uint256)
    {
        unchecked {
            (int256 x, uint256 zero) = _unpack(acc);
            uint256 rights = ONES;
            while (done < count) {
                uint256 lefts = LeafLib.eight(left + 4 * done);
                if (right != 0) rights = LeafLib.eight(right + 4 * done);
                bool wide;
                uint256 marks;
                uint256 factors;
                (wide, marks, lefts, factors) = _apart(lefts, rights);
                if (wide) break;
                uint256 last = count - done < 8 ? 256 - 32 * (count - done) : 0;
                uint256 reached;
                (reached, x, zero) = _eight(marks, lefts, factors, last, x, zero);
                done += (256 - reached) >> 5;
                if (reached != last) break;
            }
            return (done, _pack(x, zero));
        }
    }

    /// @dev Eight pairs at once: the mantissas of either side, and of every product a mark: in the top bit its sign, in
    /// the ten lowest the left shift that makes it a fixed-point number, mod 2^10. `wide` if a number is infinite or
    /// NaN, or a product may reach 2^254 least subnormals.
    function _apart(uint256 lefts, uint256 rights)
        private
        pure
        returns (bool wide, uint256 marks, uint256 ls, uint256 rs)
    {
        assembly ("memory-safe") {
            let e := and(shr(23, lefts), FIELDS)
            let f := and(shr(23, rights), FIELDS)
            // 1 in the lanes of normal numbers.
            let m := and(shr(8, add(e, FIELDS)), LEAST)
            let n := and(shr(8, add(f, FIELDS)), LEAST)
            ls := or(and(lefts, FRACTIONS), shl(23, m))
            rs := or(and(rights, FRACTIONS), shl(23, n))
            // A product is p * 2^(y - 298): shift by y - 149, and let no lane borrow from the next.
            let y := sub(add(e, f), add(m, n))
            marks := or(and(xor(lefts, rights), SIGNS), add(y, mul(875, LEAST)))
            // Fields of 255 become 256, and y from 356 on 512 or more.
            y := shr(1, add(y, mul(156, LEAST)))
            wide := iszero(iszero(and(or(y, or(add(e, LEAST), add(f, LEAST))), shl(8, LEAST))))
        }
    }

    /// @dev Up to eight terms, from the top lane to that which `last` shifts down. Where it got to, and the accumulator.
    function _eight(uint256 marks, uint256 ls, uint256 rs, uint256 last, int256 x, uint256 zero)
        private
        pure
        returns (uint256, int256, uint256)
    {
        unchecked {
            uint256 shift = 256;
            while (shift != last) {
                shift -= 32;
                uint256 mark;
                int256 p;
                int256 sum;
                uint256 size;
                assembly ("memory-safe") {
                    mark := shr(shift, marks)
                    let below := sar(255, shl(224, mark))
                    p := mul(and(shr(shift, ls), 0xFFFFFF), and(shr(shift, rs), 0xFFFFFF))
                    p := sub(xor(p, below), below)
                    sum := add(x, shl(and(mark, 0x3FF), p))
                    // A negative number loses 1, so that -2^k counts as shorter by a bit: no matter.
                    size := xor(sum, sar(255, sum))
                }
                uint256 zeros = Bits.leadingZeros(size);
                // From 2^75 to 2^254 the sum rounds as if all of the product were in it, see Float32.fma.
                if (zeros - 2 > 178) {
                    if (zeros < 2) return (shift + 32, x, zero);
                    (x, zero) = _small(p, mark, x, zero);
                    continue;
                }
                assembly ("memory-safe") {
                    let unit := shr(zeros, UNIT)
                    x := and(add(sum, sub(shr(1, unit), iszero(and(sum, unit)))), sub(0, unit))
                }
            }
            return (shift, x, zero);
        }
    }

    /// @dev A term that leaves a small sum: p, to be shifted as its mark says, and x.
    function _small(int256 p, uint256 mark, int256 x, uint256 zero) private pure returns (int256, uint256) {
        unchecked {
            uint256 shift = mark & 0x3FF;
            if (p == 0) {
                // Two zeros keep a common sign.
                return (x, zero & mark & Float32.SIGN);
            }
            if (shift < 256) {
                int256 sum = x + (p << shift);
                uint256 zeros = Bits.leadingZeros(uint256(sum ^ (sum >> 255)));
                // Up to 24 bits are exact, and an exact cancellation is +0.
                return (zeros > 231 ? sum : _round(sum, zeros), 0);
            }
            // The product has bits below the least subnormal, up to 149 places.
            uint256 places = 1024 - shift;
            return _unpack(FloatCases.pack((x << places) + p, int256(149 - places)));
        }
    }

    /// @dev To the nearest number of 24 bits, ties to even: half a unit up, less the least bit if the unit is even, and
    /// down to a unit. In two's complement it serves both signs.
    function _round(int256 sum, uint256 zeros) private pure returns (int256 x) {
        assembly ("memory-safe") {
            let unit := shr(zeros, UNIT)
            x := and(add(sum, sub(shr(1, unit), iszero(and(sum, unit)))), sub(0, unit))
        }
    }

    /// @dev Of a number below 2^254 least subnormals.
    function _unpack(uint256 acc) private pure returns (int256 x, uint256 zero) {
        (int256 m, int256 e) = FloatCases.signed(acc);
        return (m << uint256(e - 149), m == 0 ? acc : 0);
    }

    /// @dev Nothing is rounded, but into infinity.
    function _pack(int256 x, uint256 zero) private pure returns (uint256) {
        return x == 0 ? zero : FloatCases.pack(x, 149);
    }

    /// @notice The sum of products of integers mod 2^32, from an accumulator; `right` 0 stands for ones.
    function products(uint256 left, uint256 leftType, uint256 right, uint256 rightType, uint256 count, uint256 acc)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 leftWidth = LeafLib.width(leftType);
            uint256 rightWidth = LeafLib.width(rightType);
            for (uint256 i; i < count; ++i) {
                int256 a = LeafLib.signed(LeafLib.read(left, i * leftWidth, leftType), leftType);
                int256 b =
                    right == 0 ? int256(1) : LeafLib.signed(LeafLib.read(right, i * rightWidth, rightType), rightType);
                acc += uint256(a * b);
            }
            return acc & 0xFFFFFFFF;
        }
    }

    /// @notice The extreme of an accumulator and `count` elements.
    function extreme(bool greatest, uint256 source, uint256 dtype, uint256 count, uint256 acc)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            uint256 width = LeafLib.width(dtype);
            for (uint256 i; i < count; ++i) {
                acc = better(greatest, dtype, acc, LeafLib.read(source, i * width, dtype));
            }
            return acc;
        }
    }

    /// @notice The greater or the lesser of two words of one type.
    function better(bool greatest, uint256 dtype, uint256 a, uint256 b) internal pure returns (uint256) {
        if (dtype == LeafLib.F32) return greatest ? Float32.max(a, b) : Float32.min(a, b);
        bool less = LeafLib.signed(a, dtype) < LeafLib.signed(b, dtype);
        return less == greatest ? b : a;
    }

    /// @notice What an empty row gives.
    function identity(bool greatest, uint256 dtype) internal pure returns (uint256) {
        unchecked {
            if (dtype == LeafLib.F32) return greatest ? Float32.SIGN | Float32.INF : Float32.INF;
            uint256 low = dtype == LeafLib.I8 ? 0x80 : 0x80000000;
            return greatest ? low : low - 1;
        }
    }
}
