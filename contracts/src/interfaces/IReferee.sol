// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The referee: what one step of a tape is, and what it gives
/// @notice Pure and universal: it knows the six node kinds and the scalar instructions, and no list of operators.
/// It reads a node's header (`protocol/tape/encoding/headers.py`), names the leaves that one step reads, and
/// computes the step from them. `protocol/dispute/steps.py` is its twin; both read the same frozen vectors.
///
/// What a step is
/// - MAP, MOVE, GATHER, JOIN: one output element; `segment` and `accumulator` must be 0.
/// - CONTRACT, REDUCE: one segment of the chain of one output element, 128 terms if every operand is i8, else 32.
///   `accumulator` is the running value before the segment, which is `Node.start` at the first segment of each
///   block of 256 terms; the result is the running value behind it. An empty chain has one segment that reads
///   nothing. The element is `fold` of the running values at the end of its blocks.
///
/// Numbers
/// - An element is numbered in row-major order. A value is a word as an unsigned number: 32 bits for f32 and i32,
///   8 bits for i8. Running values have 32 bits, but those of an i8 REDUCE, which have 8.
/// - Leaves are 128 bytes each, little-endian as they are hashed, back to back in the order of `places`.
///
/// Assumptions
/// - The header is proven against the program root of a tape that the validator accepts. For any other bytes the
///   referee may answer or revert; a revert never convicts.
/// - Whoever calls proves every leaf at its place. The referee checks no proof and trusts no leaf: a leaf without a
///   valid proof proves nothing.
/// - A place is a value of the tape: inputs first, then constants, then nodes. The caller knows the three counts.
interface IReferee {
    /// @notice Where an operand lies.
    /// @param value value index: inputs, then constants, then nodes
    /// @param leaf leaf of that value's tensor tree
    /// @param depth depth of that tree
    /// @param offset byte of the leaf at which the operand begins
    struct Place {
        uint32 value;
        uint32 leaf;
        uint8 depth;
        uint8 offset;
    }

    /// @notice What a header says of the node's output and of its chains.
    /// @param kind 1 MAP, 2 CONTRACT, 3 REDUCE, 4 MOVE, 5 GATHER, 6 JOIN
    /// @param dtype 1 f32, 2 i32, 3 i8
    /// @param rows rows of the output's last axis
    /// @param columns length of the output's last axis
    /// @param depth depth of the output's tensor tree
    /// @param chain terms of a chain (K); 0 for other kinds
    /// @param terms terms of one segment, 32 or 128; 0 for other kinds
    /// @param segments segments of a chain, at least 1; 1 for other kinds
    /// @param start running value before the first term of every block
    struct Node {
        uint8 kind;
        uint8 dtype;
        uint32 rows;
        uint32 columns;
        uint8 depth;
        uint32 chain;
        uint32 terms;
        uint32 segments;
        uint32 start;
    }

    /// @notice The header ends inside a field, or has bytes too many, or a field is outside its limit.
    error Referee_Header(uint256 position);
    /// @notice The node's output has no such element, or the element's chain no such segment.
    error Referee_NoStep(uint256 element, uint256 segment);
    /// @notice The header reads a place outside its source: no tape that is valid does.
    error Referee_Outside(uint256 value, int256 place);
    /// @notice The step reads `needed` leaves of 128 bytes, not these bytes.
    error Referee_Leaves(uint256 needed, uint256 bytesGiven);
    /// @notice The accumulator is no running value, or a kind that has none was given one.
    error Referee_Accumulator(uint256 accumulator);
    /// @notice The scalar program has an unknown opcode, or reads a register that is not written yet.
    error Referee_Program(uint256 instruction);
    /// @notice There is nothing to fold, or the bytes are no 4-byte words.
    error Referee_Fold(uint256 bytesGiven);
    /// @notice The node has no chains.
    error Referee_NoChain(uint256 kind);

    /// @notice The step's result, and the places of the leaves that it read.
    /// @dev A GATHER reads its index first; the index decides whether there is a second operand.
    /// What lies outside a shape is read from nowhere: a fill comes from the header.
    /// @param header the node's header
    /// @param element the output element
    /// @param segment the segment of its chain
    /// @param accumulator the running value before it
    /// @param leaves the operands' leaves
    /// @return value the element, or the running value behind the segment
    /// @return places where the leaves must be proven to stand
    function step(
        bytes calldata header,
        uint256 element,
        uint256 segment,
        uint256 accumulator,
        bytes calldata leaves
    ) external pure returns (uint256 value, Place[] memory places);

    /// @notice The facts of a node that a game needs to descend into it.
    function describe(bytes calldata header) external pure returns (Node memory);

    /// @notice Block results, left to right, as one: the first, then each next one added (CONTRACT) or compared
    /// (REDUCE). Of two values: a total and the next block's result.
    /// @param header the node's header
    /// @param values 4 bytes each, big-endian; at least one
    function fold(bytes calldata header, bytes calldata values) external pure returns (uint256);
}
