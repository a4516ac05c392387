// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "./interfaces/IReferee.sol";
import {ChainLib} from "./libraries/ChainLib.sol";
import {Float32} from "./libraries/Float32.sol";
import {Head, HeaderLib, Reader, Source} from "./libraries/HeaderLib.sol";
import {LeafLib} from "./libraries/LeafLib.sol";
import {Limits} from "./libraries/Limits.sol";
import {ScalarLib} from "./libraries/ScalarLib.sol";

/// @title Referee
/// @notice See IReferee.
/// @dev Stateless. A `Run` is one call of `step`: the header's reader, the step asked for, the leaves, and the places
/// found so far, one per leaf taken.
contract Referee is IReferee {
    using HeaderLib for Reader;

    uint256 private constant MAP = 1;
    uint256 private constant CONTRACT = 2;
    uint256 private constant REDUCE = 3;
    uint256 private constant MOVE = 4;
    uint256 private constant GATHER = 5;
    uint256 private constant JOIN = 6;
    uint256 private constant WORDS = 32;
    uint256 private constant BYTES = 128;

    struct Run {
        Reader reader;
        Head head;
        uint256 element;
        uint256 segment;
        uint256 accumulator;
        uint256 leaves;
        uint256 given;
        uint256 used;
        Place[4] places;
    }

    /// @dev A source and where the affine form that follows it begins.
    struct Operand {
        Source source;
        uint256 form;
    }

    /// @dev A CONTRACT or REDUCE: `operands` of `left` and `right`; `extreme` is 0 for CONTRACT, 1 max, 2 min.
    struct Chain {
        uint256 extreme;
        uint256 operands;
        Operand left;
        Operand right;
        uint256 terms;
    }

    /// @inheritdoc IReferee
    function step(
        bytes calldata header,
        uint256 element,
        uint256 segment,
        uint256 accumulator,
        bytes calldata leaves
    ) external pure returns (uint256 value, Place[] memory places) {
        Run memory run;
        run.reader.open(header);
        run.reader.head(run.head);
        (run.element, run.segment, run.accumulator) = (element, segment, accumulator);
        uint256 position;
        assembly ("memory-safe") {
            position := leaves.offset
        }
        (run.leaves, run.given) = (position, leaves.length);
        if (element >= run.head.elements) revert Referee_NoStep(element, segment);

        uint256 kind = run.head.kind;
        if (kind == CONTRACT || kind == REDUCE) {
            value = _chainStep(run);
        } else {
            if (segment != 0) revert Referee_NoStep(element, segment);
            if (accumulator != 0) revert Referee_Accumulator(accumulator);
            if (kind == MAP) value = _map(run);
            else if (kind == MOVE) value = _move(run);
            else if (kind == GATHER) value = _gather(run);
            else if (kind == JOIN) value = _join(run);
            else revert Referee_Header(0);
        }

        uint256 used = run.used;
        if (leaves.length != used * LeafLib.BYTES) revert Referee_Leaves(used, leaves.length);
        places = new Place[](used);
        for (uint256 i; i < used; ++i) {
            places[i] = run.places[i];
        }
    }

    /// @inheritdoc IReferee
    function describe(bytes calldata header) external pure returns (Node memory node) {
        Reader memory r;
        Head memory head;
        r.open(header);
        r.head(head);
        if (head.kind == 0 || head.kind > JOIN) revert Referee_Header(0);
        node.kind = uint8(head.kind);
        node.dtype = uint8(head.dtype);
        uint256 columns = head.rank == 0 ? 1 : HeaderLib.sizeOf(head.sizes, head.rank - 1);
        uint256 rows = 1;
        for (uint256 i; i + 1 < head.rank; ++i) {
            rows *= HeaderLib.sizeOf(head.sizes, i);
        }
        (node.rows, node.columns) = (uint32(rows), uint32(columns));
        node.depth = uint8(LeafLib.depth(head.dtype, rows, columns));
        node.segments = 1;
        if (head.kind == CONTRACT || head.kind == REDUCE) {
            Chain memory chain = _chain(r, head);
            node.chain = uint32(chain.left.source.columns);
            node.terms = uint32(chain.terms);
            node.segments = uint32(_segments(chain));
            if (head.kind == REDUCE) node.start = uint32(ChainLib.identity(chain.extreme == 1, head.dtype));
        }
    }

    /// @inheritdoc IReferee
    function fold(bytes calldata header, bytes calldata values) external pure returns (uint256 total) {
        Reader memory r;
        Head memory head;
        r.open(header);
        r.head(head);
        if (head.kind != CONTRACT && head.kind != REDUCE) revert Referee_NoChain(head.kind);
        if (values.length == 0 || values.length % 4 != 0) revert Referee_Fold(values.length);
        Chain memory chain = _chain(r, head);
        uint256 position;
        assembly ("memory-safe") {
            position := values.offset
        }
        total = HeaderLib.load(position, 224);
        unchecked {
            uint256 end = position + values.length;
            bool floating = chain.extreme == 0 && head.dtype == LeafLib.F32;
            while ((position += 4) < end) {
                uint256 next = HeaderLib.load(position, 224);
                if (floating) total = Float32.add(total, next);
                else if (chain.extreme == 0) total = (total + next) & 0xFFFFFFFF;
                else total = ChainLib.better(chain.extreme == 1, head.dtype, total, next);
            }
        }
    }

    // ---------------------------------------------------------------- operands

    /// @dev The next leaf, which has to be the one that holds this element of the source. Returns its position in
    /// calldata and the byte at which the element begins.
    function _leaf(Run memory run, Source memory source, int256 row, int256 column)
        private
        pure
        returns (uint256 leaf, uint256 offset)
    {
        unchecked {
            if (row < 0 || uint256(row) >= source.rows) revert Referee_Outside(source.value, row);
            uint256 index;
            (index, offset) = LeafLib.find(source.dtype, source.columns, uint256(row), uint256(column));
            uint256 used = run.used;
            if (run.given < (used + 1) * LeafLib.BYTES) revert Referee_Leaves(used + 1, run.given);
            Place memory place = run.places[used];
            (place.value, place.leaf, place.offset) = (uint32(source.value), uint32(index), uint8(offset));
            place.depth = uint8(LeafLib.depth(source.dtype, source.rows, source.columns));
            run.used = used + 1;
            leaf = run.leaves + used * LeafLib.BYTES;
        }
    }

    /// @dev The source's element at a row-major place, and its word.
    function _word(Run memory run, Source memory source, int256 place) private pure returns (uint256) {
        int256 columns = int256(source.columns);
        if (place < 0 || columns == 0) revert Referee_Outside(source.value, place);
        (uint256 leaf, uint256 offset) = _leaf(run, source, place / columns, place % columns);
        return LeafLib.read(leaf, offset, source.dtype);
    }

    function _operand(Reader memory r, uint256 rank, Operand memory operand) private pure {
        r.source(operand.source);
        operand.form = r.take(4 + 4 * rank);
    }

    // ------------------------------------------------------------------ chains

    function _chain(Reader memory r, Head memory head) private pure returns (Chain memory chain) {
        uint256 number = r.u8();
        if (head.kind == REDUCE) {
            if (number == 0 || number > 2) r.bad();
            chain.extreme = number;
            number = 0;
        }
        if (number > 1) r.bad();
        chain.operands = number + 1;
        _operand(r, head.rank, chain.left);
        if (number == 1) _operand(r, head.rank, chain.right);
        r.finish();
        Source memory left = chain.left.source;
        Source memory right = number == 1 ? chain.right.source : left;
        // What the validator demands of types and lengths, so that nothing is read as what it is not.
        bool floating = left.dtype == LeafLib.F32;
        if (floating != (right.dtype == LeafLib.F32) || left.columns != right.columns) r.bad();
        uint256 gives = chain.extreme != 0 ? left.dtype : floating ? LeafLib.F32 : LeafLib.I32;
        if (head.dtype != gives) r.bad();
        chain.terms = left.dtype == LeafLib.I8 && right.dtype == LeafLib.I8 ? BYTES : WORDS;
    }

    function _segments(Chain memory chain) private pure returns (uint256) {
        unchecked {
            uint256 k = chain.left.source.columns;
            return k == 0 ? 1 : (k + chain.terms - 1) / chain.terms;
        }
    }

    function _chainStep(Run memory run) private pure returns (uint256) {
        unchecked {
            Chain memory chain = _chain(run.reader, run.head);
            uint256 acc = run.accumulator;
            if (acc >> (8 * LeafLib.width(run.head.dtype)) != 0) revert Referee_Accumulator(acc);
            if (run.segment >= _segments(chain)) revert Referee_NoStep(run.element, run.segment);
            uint256 k = chain.left.source.columns;
            if (k == 0) return acc;
            uint256 first = run.segment * chain.terms;
            uint256 count = k - first < chain.terms ? k - first : chain.terms;
            uint256 left = _row(run, chain.left, first);
            if (chain.extreme != 0) {
                return ChainLib.extreme(chain.extreme == 1, left, run.head.dtype, count, acc);
            }
            uint256 right = chain.operands == 2 ? _row(run, chain.right, first) : 0;
            if (run.head.dtype == LeafLib.F32) return ChainLib.dot(left, right, count, acc);
            return ChainLib.products(left, chain.left.source.dtype, right, chain.right.source.dtype, count, acc);
        }
    }

    /// @dev The calldata position of the segment's first term of an operand.
    function _row(Run memory run, Operand memory operand, uint256 first) private pure returns (uint256) {
        unchecked {
            int256 row = HeaderLib.affine(operand.form, run.head.sizes, run.head.rank, run.element);
            (uint256 leaf, uint256 offset) = _leaf(run, operand.source, row, int256(first));
            return leaf + offset;
        }
    }

    // ---------------------------------------------------------------- elements

    function _map(Run memory run) private pure returns (uint256 value) {
        unchecked {
            Reader memory r = run.reader;
            uint256 operands = r.count(Limits.MAX_MAP_OPERANDS);
            uint256 constants = r.count(Limits.MAX_PROGRAM_CONSTANTS) + r.count(Limits.MAX_PROGRAM_CONSTANTS);
            uint256 steps = r.count(Limits.MAX_INSTRUCTIONS);
            uint256 result = r.u8();
            uint256 filled = operands + constants;
            if (result >= filled + steps) r.bad();
            uint256[] memory registers = new uint256[](filled + steps);
            for (uint256 i; i < operands; ++i) {
                Operand memory operand;
                _operand(r, run.head.rank, operand);
                int256 place = HeaderLib.affine(operand.form, run.head.sizes, run.head.rank, run.element);
                uint256 word = _word(run, operand.source, place);
                if (operand.source.dtype == LeafLib.I8) {
                    word = uint256(LeafLib.signed(word, LeafLib.I8)) & 0xFFFFFFFF;
                }
                registers[i] = word;
            }
            uint256 words = r.take(4 * constants);
            for (uint256 i; i < constants; ++i) {
                registers[operands + i] = HeaderLib.load(words + 4 * i, 224);
            }
            uint256 code = r.take(4 * steps);
            r.finish();
            ScalarLib.run(registers, filled, code, steps);
            value = registers[result];
            if (run.head.dtype == LeafLib.F32) value = ScalarLib.canonical(value);
            if (run.head.dtype == LeafLib.I8) value &= 0xFF;
        }
    }

    function _move(Run memory run) private pure returns (uint256) {
        unchecked {
            Reader memory r = run.reader;
            Source memory source = _like(run);
            uint256 fill = _fill(run);
            (uint256 rank, uint256 sizes, uint256 elements) = r.shape();
            if (elements != run.head.elements) r.bad();
            (uint256 axes, uint256 view_,) = r.shape();
            int256 place;
            bool outside;
            for (uint256 i; i < axes; ++i) {
                uint256 form = r.take(4 + 4 * rank);
                int256 coordinate = HeaderLib.affine(form, sizes, rank, run.element);
                int256 extent = int256(HeaderLib.sizeOf(view_, i));
                if (coordinate < 0 || coordinate >= extent) outside = true;
                place = place * extent + coordinate;
            }
            r.finish();
            return outside ? fill : _word(run, source, place);
        }
    }

    function _gather(Run memory run) private pure returns (uint256) {
        unchecked {
            Reader memory r = run.reader;
            Source memory source = _like(run);
            Source memory index;
            r.source(index);
            uint256 row = r.u32();
            uint256 fill = _fill(run);
            r.finish();
            if (row == 0 || index.dtype == LeafLib.F32) r.bad();
            uint256 word = _word(run, index, int256(run.element / row));
            int256 named = LeafLib.signed(word, index.dtype);
            if (named < 0 || uint256(named) >= source.rows * source.columns / row) return fill;
            return _word(run, source, named * int256(row) + int256(run.element % row));
        }
    }

    function _join(Run memory run) private pure returns (uint256) {
        unchecked {
            Reader memory r = run.reader;
            uint256 axis = r.u8();
            if (axis >= run.head.rank) r.bad();
            uint256 parts = r.count(Limits.MAX_JOIN_SOURCES);
            uint256 inner = 1;
            for (uint256 i = axis + 1; i < run.head.rank; ++i) {
                inner *= HeaderLib.sizeOf(run.head.sizes, i);
            }
            uint256 whole = HeaderLib.sizeOf(run.head.sizes, axis) * inner;
            uint256 rest = run.element % whole;
            uint256 outer = run.element / whole;
            Source memory found;
            uint256 place;
            for (uint256 i; i < parts; ++i) {
                Source memory source = _like(run);
                uint256 size = r.u32() * inner;
                if (found.dtype != 0) continue;
                if (rest < size) (found, place) = (source, outer * size + rest);
                else rest -= size;
            }
            r.finish();
            if (found.dtype == 0) r.bad();
            return _word(run, found, int256(place));
        }
    }

    /// @dev A source that has to be of the output's type.
    function _like(Run memory run) private pure returns (Source memory source) {
        run.reader.source(source);
        if (source.dtype != run.head.dtype) run.reader.bad();
    }

    function _fill(Run memory run) private pure returns (uint256 fill) {
        fill = run.reader.u32();
        if (fill >> (8 * LeafLib.width(run.head.dtype)) != 0) run.reader.bad();
    }
}
