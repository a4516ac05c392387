// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";
import {Float32} from "./Float32.sol";
import {LeafLib} from "./LeafLib.sol";

/// @title Chains: the segments of CONTRACT and REDUCE
/// @notice Operands lie at calldata positions, little-endian, within one leaf each.
library ChainLib {
    uint256 private constant ONE = 0x3F800000;

    /// @dev See Float32: farther apart than this, the smaller addend only says on which side of a tie the sum lies.
    int256 private constant FAR = 200;

    /// @dev Exponent of the largest finite numbers, of which the mantissa has 24 bits.
    uint256 private constant TOP = 402;

    /// @notice `acc = fma(left[i], right[i], acc)` for i below count; `right` 0 stands for ones.
    /// @dev Two things make it cheaper than `count` calls of Float32.fma: eight words are turned around at once,
    /// and the accumulator stays unpacked, (-1)^negative * m * 2^(x - 298) with m <= 2^24. From the first infinity
    /// or NaN on, which no chain leaves but by another one, the packed way goes on.
    function dot(uint256 left, uint256 right, uint256 count, uint256 acc) internal pure returns (uint256) {
        unchecked {
            uint256 done;
            if (acc & Float32.INF != Float32.INF) {
                (done, acc) = _finite(left, right, count, acc);
            }
            for (; done < count; ++done) {
                uint256 a = LeafLib.read(left, 4 * done, LeafLib.F32);
                uint256 b = right == 0 ? ONE : LeafLib.read(right, 4 * done, LeafLib.F32);
                acc = Float32.fma(a, b, acc);
            }
            return acc;
        }
    }

    /// @dev The chain while all is finite: how many terms it took, and the accumulator behind them.
    function _finite(uint256 left, uint256 right, uint256 count, uint256 acc)
        private
        pure
        returns (uint256 i, uint256 packed)
    {
        unchecked {
            // m is signed; `negative` tells the sign of a zero too.
            bool negative = acc >> 31 != 0;
            (int256 m, int256 x) = _unpack(acc, negative);
            uint256 lefts;
            uint256 rights = 0x3F8000003F8000003F8000003F8000003F8000003F8000003F8000003F800000;
            for (; i < count; ++i) {
                if (i & 7 == 0) {
                    lefts = LeafLib.eight(left + 4 * i);
                    if (right != 0) rights = LeafLib.eight(right + 4 * i);
                }
                int256 p;
                int256 y;
                bool special;
                uint256 flip;
                assembly ("memory-safe") {
                    let shift := shl(5, sub(7, and(i, 7)))
                    let a := shr(shift, lefts)
                    let b := shr(shift, rights)
                    flip := and(xor(a, b), 0x80000000)
                    let ea := and(shr(23, a), 0xFF)
                    let eb := and(shr(23, b), 0xFF)
                    special := or(eq(ea, 0xFF), eq(eb, 0xFF))
                    let na := gt(ea, 0)
                    let nb := gt(eb, 0)
                    p := mul(or(and(a, 0x7FFFFF), shl(23, na)), or(and(b, 0x7FFFFF), shl(23, nb)))
                    y := sub(add(ea, eb), add(na, nb))
                    if flip { p := sub(0, p) }
                }
                if (special) break;

                // The sum, exactly or with a sticky bit, times 2^(y - 298).
                int256 sum;
                assembly ("memory-safe") {
                    let d := sub(y, x)
                    switch slt(d, 0)
                    case 0 {
                        switch gt(d, FAR)
                        case 0 {
                            sum := add(m, shl(d, p))
                            y := x
                        }
                        default {
                            switch p
                            case 0 {
                                sum := m
                                y := x
                            }
                            default {
                                sum := add(shl(FAR, p), sub(sgt(m, 0), slt(m, 0)))
                                y := sub(y, FAR)
                            }
                        }
                    }
                    default {
                        d := sub(0, d)
                        switch gt(d, FAR)
                        case 0 { sum := add(p, shl(d, m)) }
                        default {
                            switch m
                            case 0 { sum := p }
                            default {
                                sum := add(shl(FAR, m), sub(sgt(p, 0), slt(p, 0)))
                                y := sub(x, FAR)
                            }
                        }
                    }
                }
                if (sum == 0) {
                    // Two zeros keep a common sign; an exact cancellation is +0.
                    negative = negative && m == 0 && p == 0 && flip != 0;
                    (m, x) = (0, 149);
                    continue;
                }
                negative = sum < 0;
                uint256 size = negative ? uint256(-sum) : uint256(sum);
                uint256 zeros = Bits.leadingZeros(size);
                assembly ("memory-safe") {
                    let drop := sub(232, zeros)
                    let least := sub(149, y)
                    if slt(drop, least) { drop := least }
                    if sgt(drop, 0) {
                        size := shr(drop, add(size, add(sub(shl(sub(drop, 1), 1), 1), and(shr(drop, size), 1))))
                        y := add(y, drop)
                    }
                    m := size
                    if negative { m := sub(0, size) }
                    x := y
                }
                if (uint256(x) + (size >> 24) > TOP) {
                    return (i + 1, negative ? Float32.SIGN | Float32.INF : Float32.INF);
                }
            }
            packed = _pack(m, x, negative);
        }
    }

    function _unpack(uint256 word, bool negative) private pure returns (int256 m, int256 x) {
        assembly ("memory-safe") {
            let e := and(shr(23, word), 0xFF)
            let normal := gt(e, 0)
            m := or(and(word, 0x7FFFFF), shl(23, normal))
            if negative { m := sub(0, m) }
            x := add(149, sub(e, normal))
        }
    }

    /// @dev Nothing is rounded: the number has at most 24 bits, and none below the least subnormal. x >= 149.
    function _pack(int256 m, int256 x, bool negative) private pure returns (uint256) {
        unchecked {
            uint256 size = m < 0 ? uint256(-m) : uint256(m);
            uint256 sign = negative ? Float32.SIGN : 0;
            return size == 0 ? sign : sign | Float32.round(size, x);
        }
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
