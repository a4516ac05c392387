// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";
import {LeafLib} from "./LeafLib.sol";

/// @notice What a game must know of the node that it landed on, in one word. From the lowest bit: landedAt 32,
/// start 32, columns 32, rows 32, chain 20, terms 8, depth 8, dtype 4, kind 4, output 8, node 20, first 20, inner 20.
type Facts is uint256;

/// @title Facts of a node, packed
/// @notice `output` is the node's number among the outputs plus one, zero for an inner node; `first` is the value index
/// of the tape's first node, `inner` how many nodes are no outputs.
library SiteLib {
    uint256 private constant START = 32;
    uint256 private constant COLUMNS = 64;
    uint256 private constant ROWS = 96;
    uint256 private constant CHAIN = 128;
    uint256 private constant TERMS = 148;
    uint256 private constant DEPTH = 156;
    uint256 private constant DTYPE = 164;
    uint256 private constant KIND = 168;
    uint256 private constant OUTPUT = 172;
    uint256 private constant NODE = 180;
    uint256 private constant FIRST = 200;
    uint256 private constant INNER = 220;
    /// @notice Terms of one span.
    uint256 internal constant SPAN = 4096;

    function pack(IReferee.Node memory n, uint256 now_, uint256 node_, uint256 first_, uint256 inner_)
        internal
        pure
        returns (Facts)
    {
        uint256 output_ = node_ < inner_ ? 0 : node_ - inner_ + 1;
        return Facts.wrap(
            now_ | uint256(n.start) << START | uint256(n.columns) << COLUMNS | uint256(n.rows) << ROWS
                | uint256(n.chain) << CHAIN | uint256(n.terms) << TERMS | uint256(n.depth) << DEPTH
                | uint256(n.dtype) << DTYPE | uint256(n.kind) << KIND | output_ << OUTPUT | node_ << NODE
                | first_ << FIRST | inner_ << INNER
        );
    }

    function landedAt(Facts f) internal pure returns (uint32) {
        return uint32(Facts.unwrap(f));
    }

    function start(Facts f) internal pure returns (uint256) {
        return uint32(Facts.unwrap(f) >> START);
    }

    function columns(Facts f) internal pure returns (uint256) {
        return uint32(Facts.unwrap(f) >> COLUMNS);
    }

    function rows(Facts f) internal pure returns (uint256) {
        return uint32(Facts.unwrap(f) >> ROWS);
    }

    function chain(Facts f) internal pure returns (uint256) {
        return Facts.unwrap(f) >> CHAIN & 0xFFFFF;
    }

    function terms(Facts f) internal pure returns (uint256) {
        return uint8(Facts.unwrap(f) >> TERMS);
    }

    function depth(Facts f) internal pure returns (uint256) {
        return uint8(Facts.unwrap(f) >> DEPTH);
    }

    function dtype(Facts f) internal pure returns (uint256) {
        return Facts.unwrap(f) >> DTYPE & 0xF;
    }

    function output(Facts f) internal pure returns (uint8) {
        return uint8(Facts.unwrap(f) >> OUTPUT);
    }

    function node(Facts f) internal pure returns (uint256) {
        return Facts.unwrap(f) >> NODE & 0xFFFFF;
    }

    function first(Facts f) internal pure returns (uint256) {
        return Facts.unwrap(f) >> FIRST & 0xFFFFF;
    }

    function inner(Facts f) internal pure returns (uint256) {
        return Facts.unwrap(f) >> INNER & 0xFFFFF;
    }

    /// @notice Segments of an element's chain; 1 if the node has none or they are empty.
    function segments(Facts f) internal pure returns (uint256) {
        unchecked {
            uint256 k = chain(f);
            return k == 0 ? 1 : (k + terms(f) - 1) / terms(f);
        }
    }

    /// @notice Spans of an element's chain.
    function spans(Facts f) internal pure returns (uint256) {
        unchecked {
            return (chain(f) + SPAN - 1) / SPAN;
        }
    }

    /// @notice Segments of one span; the last may be shorter.
    function segmentsOf(Facts f, uint256 span) internal pure returns (uint256) {
        unchecked {
            uint256 rest = segments(f) - span * (SPAN / terms(f));
            uint256 full = SPAN / terms(f);
            return rest < full ? rest : full;
        }
    }

    /// @notice The leaf that holds an element, and the byte at which it begins there.
    function find(Facts f, uint256 element) internal pure returns (uint256 leaf, uint256 offset) {
        return LeafLib.find(dtype(f), columns(f), element / columns(f), element % columns(f));
    }

    /// @notice Whether a byte of a leaf belongs to an element.
    function isInside(Facts f, uint256 leaf, uint256 offset) internal pure returns (bool) {
        uint256 perRow = LeafLib.perRow(dtype(f), columns(f));
        if (leaf >= rows(f) * perRow) return false;
        return leaf % perRow * LeafLib.BYTES + offset < columns(f) * LeafLib.width(dtype(f));
    }
}
