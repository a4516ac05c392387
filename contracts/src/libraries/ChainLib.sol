// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bits} from "./Bits.sol";
import {Float32} from "./Float32.sol";
import {LeafLib} from "./LeafLib.sol";

/// @title Chains: the segments of CONTRACT and REDUCE
/// @notice Operands lie at calldata positions, little-endian, within one leaf each.
library ChainLib {
    uint256 private constant ONE = 0x3F800000;

    /// @dev 48 bits shifted by this and by 25 leave room in a word for sign and carry.
    uint256 private constant NEAR = 160;
    int256 private constant MIDDLE = 275;
    int256 private constant MINUS_ZERO = -100000;

    /// @dev Eight times 1, and eight exponent fields.
    uint256 private constant ONES = 0x3F8000003F8000003F8000003F8000003F8000003F8000003F8000003F800000;
    uint256 private constant EXPONENTS = 0x7F8000007F8000007F8000007F8000007F8000007F8000007F8000007F800000;

    /// @notice `acc = fma(left[i], right[i], acc)` for i below count; `right` 0 stands for ones.
    /// @dev Two things make it cheaper than `count` calls of Float32.fma: eight words are turned around at once,
    /// and the accumulator stays unpacked, m * 2^(x - 298) with |m| <= 2^24. From the first infinity
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
        returns (uint256 done, uint256)
    {
        unchecked {
            (int256 m, int256 x) = _unpack(acc);
            uint256 rights = ONES;
            for (; done < count; done += 8) {
                uint256 lefts = LeafLib.eight(left + 4 * done);
                if (right != 0) rights = LeafLib.eight(right + 4 * done);
                if (_anySpecial(lefts) || _anySpecial(rights)) break;
                uint256 last = count - done < 8 ? 256 - 32 * (count - done) : 0;
                (int256 before, int256 scale) = (m, x);
                bool finite;
                (finite, m, x) = _eight(lefts, rights, last, m, x);
                // The packed way does the eight again that reach infinity.
                if (!finite) return (done, _pack(before, scale));
            }
            return (done, _pack(m, x));
        }
    }

    /// @dev Up to eight terms, from the top lane to that which `last` shifts down.
    /// The common case has no branch: exponents within NEAR of each other, a sum that rounds to a normal number.
    /// The sum is shifted up by 25, so that rounding always has bits to drop.
    function _eight(uint256 lefts, uint256 rights, uint256 last, int256 m, int256 x)
        private
        pure
        returns (bool, int256, int256)
    {
        unchecked {
            uint256 shift = 256;
            do {
                shift -= 32;
                (int256 p, int256 y) = Float32.product(lefts >> shift, rights >> shift);
                bool rare;
                int256 sign;
                uint256 size;
                assembly ("memory-safe") {
                    let d := sub(y, x)
                    rare := gt(add(d, NEAR), 320)
                    let up := and(d, not(sar(255, d)))
                    let sum := shl(25, add(shl(up, p), shl(sub(up, d), m)))
                    y := sub(y, add(up, 25))
                    sign := sar(255, sum)
                    size := sub(xor(sum, sign), sign)
                }
                uint256 zeros = Bits.leadingZeros(size);
                assembly ("memory-safe") {
                    let drop := sub(232, zeros)
                    size := shr(drop, add(size, add(sub(shl(sub(drop, 1), 1), 1), and(shr(drop, size), 1))))
                    y := add(y, drop)
                    rare := or(rare, gt(sub(y, 149), 252))
                }
                if (rare) {
                    uint256 acc = Float32.fma(
                        (lefts >> shift) & 0xFFFFFFFF, (rights >> shift) & 0xFFFFFFFF, _pack(m, x)
                    );
                    if (acc & Float32.INF == Float32.INF) return (false, m, x);
                    (m, x) = _unpack(acc);
                } else {
                    assembly ("memory-safe") {
                        m := sub(xor(size, sign), sign)
                        x := y
                    }
                }
            } while (shift != last);
            return (true, m, x);
        }
    }

    /// @dev Whether one of eight words is an infinity or NaN: an exponent field of ones carries into the sign.
    function _anySpecial(uint256 words) private pure returns (bool special) {
        assembly ("memory-safe") {
            special := iszero(
                iszero(
                    and(
                        add(and(words, EXPONENTS), 0x0080000000800000008000000080000000800000008000000080000000800000),
                        0x8000000080000000800000008000000080000000800000008000000080000000
                    )
                )
            )
        }
    }

    /// @dev The exponent of a zero is free: -0 has one so far off that the rare way takes care of its sign.
    function _unpack(uint256 acc) private pure returns (int256 m, int256 x) {
        (m, x) = Float32.signed(acc);
        if (m == 0) x = acc == 0 ? MIDDLE : MINUS_ZERO;
    }

    /// @dev Nothing is rounded: the number has at most 24 bits, and none below the least subnormal.
    function _pack(int256 m, int256 x) private pure returns (uint256) {
        unchecked {
            if (m == 0) return x == MINUS_ZERO ? Float32.SIGN : 0;
            return m < 0 ? Float32.SIGN | Float32.round(uint256(-m), x) : Float32.round(uint256(m), x);
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
