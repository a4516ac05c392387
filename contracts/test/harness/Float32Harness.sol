// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChainLib} from "../../src/libraries/ChainLib.sol";
import {Float32} from "../../src/libraries/Float32.sol";
import {LeafLib} from "../../src/libraries/LeafLib.sol";

/// @title Float32Harness
/// @notice Runs one operation over many operands in one call, so that millions of patterns can be compared.
contract Float32Harness {
    /// @notice Applies `op` to consecutive groups of operands, each a 4-byte word; returns 4 bytes per group.
    function bulk(uint8 op, bytes calldata words) external pure returns (bytes memory out) {
        unchecked {
            uint256 arity = op == 4 ? 3 : op >= 5 && op <= 7 ? 1 : 2;
            uint256 count = words.length / 4 / arity;
            out = new bytes(4 * count);
            for (uint256 i = 0; i < count; ++i) {
                uint256 offset = i * arity * 4;
                uint256 a = _word(words, offset);
                uint256 b = arity > 1 ? _word(words, offset + 4) : 0;
                uint256 c = arity > 2 ? _word(words, offset + 8) : 0;
                _put(out, i, _apply(op, a, b, c));
            }
        }
    }

    /// @notice Runs chains of `terms` terms: each an accumulator, the left and, unless they are ones, the right operands,
    /// all little-endian; returns 4 bytes per chain.
    function chains(bytes calldata words, uint256 terms, bool ones) external pure returns (bytes memory out) {
        unchecked {
            uint256 size = 4 + terms * (ones ? 4 : 8);
            uint256 count = words.length / size;
            out = new bytes(4 * count);
            for (uint256 i = 0; i < count; ++i) {
                uint256 start;
                assembly ("memory-safe") {
                    start := add(words.offset, mul(i, size))
                }
                uint256 acc = LeafLib.read(start, 0, LeafLib.F32);
                uint256 right = ones ? 0 : start + 4 + 4 * terms;
                _put(out, i, ChainLib.dot(start + 4, right, terms, acc));
            }
        }
    }

    function _put(bytes memory out, uint256 i, uint256 result) private pure {
        assembly ("memory-safe") {
            let slot := add(add(out, 4), mul(4, i))
            mstore(slot, or(and(mload(slot), not(0xFFFFFFFF)), result))
        }
    }

    function _word(bytes calldata words, uint256 offset) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(224, calldataload(add(words.offset, offset)))
        }
    }

    function _apply(uint8 op, uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        if (op == 0) return Float32.add(a, b);
        if (op == 1) return Float32.sub(a, b);
        if (op == 2) return Float32.mul(a, b);
        if (op == 3) return Float32.div(a, b);
        if (op == 4) return Float32.fma(a, b, c);
        if (op == 5) return Float32.sqrt(a);
        if (op == 6) return Float32.toInt(a);
        if (op == 7) return Float32.fromInt(a);
        if (op == 8) return Float32.min(a, b);
        if (op == 9) return Float32.max(a, b);
        if (op == 10) return Float32.lt(a, b) ? 1 : 0;
        if (op == 11) return Float32.le(a, b) ? 1 : 0;
        return Float32.eq(a, b) ? 1 : 0;
    }
}
