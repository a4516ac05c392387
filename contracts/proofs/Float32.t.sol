// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "../src/libraries/Float32.sol";

/// @notice What halmos proves of Float32, for all operands (`make prove`; docs/contracts.md, Proofs).
contract Float32Proofs {
    uint256 private constant SIGN = 0x80000000;

    // --------------------------------------------------------------------------- algebra

    function check_SumIsCanonical(uint32 a, uint32 b) public pure {
        _canonical(Float32.add(a, b), Float32.isNaN(a) || Float32.isNaN(b));
    }

    function check_ProductIsCanonical(uint32 a, uint32 b) public pure {
        _canonical(Float32.mul(a, b), Float32.isNaN(a) || Float32.isNaN(b));
    }

    function check_OneIsNeutral(uint32 a) public pure {
        assert(Float32.mul(a, 0x3F800000) == (Float32.isNaN(a) ? Float32.NAN : a));
    }

    function check_MinusZeroIsNeutral(uint32 a) public pure {
        assert(Float32.add(a, SIGN) == (Float32.isNaN(a) ? Float32.NAN : a));
    }

    function check_DifferenceOfEquals(uint32 a) public pure {
        assert(Float32.sub(a, a) == (a & Float32.INF == Float32.INF ? Float32.NAN : 0));
    }

    // ----------------------------------------------------------------------------- order

    function check_OrderIsThatOfIntegers(uint32 a, uint32 b) public pure {
        if (Float32.isNaN(a) || Float32.isNaN(b)) {
            assert(!Float32.lt(a, b) && !Float32.le(a, b) && !Float32.eq(a, b));
            return;
        }
        (int256 x, int256 y) = (_integer(a), _integer(b));
        assert(Float32.lt(a, b) == (x < y));
        assert(Float32.le(a, b) == (x <= y));
        assert(Float32.eq(a, b) == (x == y));
    }

    function check_ExtremesAreOrdered(uint32 a, uint32 b) public pure {
        (uint256 low, uint256 high) = (Float32.min(a, b), Float32.max(a, b));
        if (Float32.isNaN(a) || Float32.isNaN(b)) {
            assert(low == Float32.NAN && high == Float32.NAN);
            return;
        }
        assert((low == a && high == b) || (low == b && high == a));
        assert(Float32.le(low, high));
        // -0 is below +0.
        if (a != b && Float32.eq(a, b)) assert(low == SIGN && high == 0);
        assert(low == Float32.min(b, a) && high == Float32.max(b, a));
    }

    // ----------------------------------------------------------------------- conversions

    function check_ShortIntegersSurvive(int32 i) public pure {
        if (i < -0x1000000 || i > 0x1000000) return;
        uint256 word = uint32(i);
        assert(Float32.toInt(Float32.fromInt(word)) == word);
    }

    function check_FromIntKeepsOrder(int32 i, int32 j) public pure {
        if (i <= j) assert(Float32.le(Float32.fromInt(uint32(i)), Float32.fromInt(uint32(j))));
    }

    function check_ToIntIsBelow(uint32 a) public pure {
        uint256 i = Float32.toInt(a);
        assert(i <= type(uint32).max);
        // Integers of more than 24 bits come from numbers that are integers, or saturate.
        if (a & Float32.MAGNITUDE < 0x4B800000) {
            uint256 back = Float32.fromInt(i);
            assert(back & Float32.MAGNITUDE <= a & Float32.MAGNITUDE);
        } else if (a & Float32.MAGNITUDE < 0x4F000000) {
            assert(Float32.fromInt(i) == a);
        }
    }

    function _canonical(uint256 result, bool nan) private pure {
        assert(result <= type(uint32).max);
        if (Float32.isNaN(result)) assert(result == Float32.NAN);
        if (nan) assert(result == Float32.NAN);
    }

    /// @dev Numbers in order, zeros as one.
    function _integer(uint256 a) private pure returns (int256) {
        int256 size = int256(a & Float32.MAGNITUDE);
        return a & SIGN == 0 ? size : -size;
    }
}
