// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {LeafLib} from "./LeafLib.sol";
import {Limits} from "./Limits.sol";

/// @notice A header being read: the bytes, and how many were taken. `end` bytes are all.
struct Reader {
    uint256 base;
    uint256 taken;
    uint256 end;
}

/// @notice The front of every header. `sizes` is where the sizes of the shape begin.
struct Head {
    uint256 kind;
    uint256 dtype;
    uint256 rank;
    uint256 sizes;
    uint256 elements;
}

/// @notice A source as its reader sees it.
struct Source {
    uint256 value;
    uint256 dtype;
    uint256 rows;
    uint256 columns;
}

/// @title Fields of node headers
/// @notice Big-endian, fixed widths; `protocol/tape/encoding/fields.py` and `headers.py` are the definition.
library HeaderLib {
    /// @dev Readers, heads and sources are filled where they stand: memory is not taken twice.
    function open(Reader memory r, bytes calldata header) internal pure {
        if (header.length > Limits.MAX_HEADER) revert IReferee.Referee_Header(header.length);
        assembly ("memory-safe") {
            mstore(r, header.offset)
        }
        r.end = header.length;
    }

    /// @notice Goes on by `size` bytes and tells where they begin.
    function take(Reader memory r, uint256 size) internal pure returns (uint256 position) {
        unchecked {
            uint256 next = r.taken + size;
            if (next > r.end) revert IReferee.Referee_Header(r.taken);
            position = r.base + r.taken;
            r.taken = next;
        }
    }

    function u8(Reader memory r) internal pure returns (uint256) {
        return load(take(r, 1), 248);
    }

    function u32(Reader memory r) internal pure returns (uint256) {
        return load(take(r, 4), 224);
    }

    /// @notice An unsigned byte that may be at most `most`.
    function count(Reader memory r, uint256 most) internal pure returns (uint256 number) {
        number = u8(r);
        if (number > most) bad(r);
    }

    function dtype(Reader memory r) internal pure returns (uint256 code) {
        code = u8(r);
        if (code == 0 || code > LeafLib.I8) bad(r);
    }

    /// @notice Rank, where the sizes begin, and their product.
    function shape(Reader memory r) internal pure returns (uint256 rank, uint256 sizes, uint256 elements) {
        unchecked {
            rank = count(r, Limits.MAX_RANK);
            sizes = take(r, 4 * rank);
            elements = 1;
            for (uint256 i; i < rank; ++i) {
                elements *= sizeOf(sizes, i);
            }
        }
    }

    function head(Reader memory r, Head memory h) internal pure {
        uint256 word = load(take(r, 2), 240);
        (h.kind, h.dtype) = (word >> 8, word & 0xFF);
        if (h.dtype == 0 || h.dtype > LeafLib.I8) bad(r);
        (h.rank, h.sizes, h.elements) = shape(r);
    }

    function source(Reader memory r, Source memory s) internal pure {
        uint256 word = load(take(r, 13), 152);
        (s.value, s.dtype) = (word >> 72, word >> 64 & 0xFF);
        (s.rows, s.columns) = (uint32(word >> 32), uint32(word));
        if (s.dtype == 0 || s.dtype > LeafLib.I8) bad(r);
    }

    function finish(Reader memory r) internal pure {
        if (r.taken != r.end) bad(r);
    }

    function bad(Reader memory r) internal pure {
        revert IReferee.Referee_Header(r.taken);
    }

    /// @notice Size of axis i of the shape whose sizes begin at calldata position `sizes`.
    function sizeOf(uint256 sizes, uint256 i) internal pure returns (uint256) {
        unchecked {
            return load(sizes + 4 * i, 224);
        }
    }

    /// @notice The affine form at calldata position `form`, for the element's coordinates in a shape.
    /// @dev Sizes are not 0, for the element exists. No sum leaves 256 bits: 8 products of 63 bits.
    function affine(uint256 form, uint256 sizes, uint256 rank, uint256 element)
        internal
        pure
        returns (int256 place)
    {
        assembly ("memory-safe") {
            place := signextend(3, shr(224, calldataload(form)))
            for { let i := shl(2, rank) } i { } {
                let coef := signextend(3, shr(224, calldataload(add(form, i))))
                i := sub(i, 4)
                let extent := shr(224, calldataload(add(sizes, i)))
                place := add(place, mul(coef, mod(element, extent)))
                element := div(element, extent)
            }
        }
    }

    function load(uint256 position, uint256 shift) internal pure returns (uint256 field) {
        assembly ("memory-safe") {
            field := shr(shift, calldataload(position))
        }
    }
}
