// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../../src/interfaces/IReferee.sol";
import {Case, Job} from "../../src/types/DisputeTypes.sol";
import {Bid} from "../../src/types/Types.sol";
import {GameBase} from "./GameBase.sol";

/// @notice A small tape and what a cheating provider committed to: 64 inner nodes and 2 outputs. Each node below has
/// one false element, in row 3 and column 5: leaf 3, byte 20. What a node copies is true in all its leaves but that.
abstract contract GameCast is GameBase {
    bytes32 internal constant TAG_CONSTANT = keccak256("gavel.tape.constant.v1");
    uint256 internal constant INNER = 64;
    uint256 internal constant FIRST = 4; // two inputs, two constants
    uint256 internal constant ITEM = 2; // of four
    uint256 internal constant SOURCE = 9; // what is copied
    uint256 internal constant PRODUCT = 40; // 512 terms: nodes 5 and 6
    uint256 internal constant LONG = 41; // 8256 terms: nodes 7 and 8
    uint256 internal constant COPY = 42; // of node 9
    uint256 internal constant COPY_INPUT = 43; // of input 1
    uint256 internal constant COPY_CONSTANT = 44; // of constant 1
    uint256 internal constant RAGGED = 45; // 9 rows of 30 columns
    uint256 internal constant RAGGED_PRODUCT = 46; // 512 terms, as PRODUCT, but 9 rows: leaves 9 to 15 are padding
    uint256 internal constant OUTPUT = 64; // a copy of node 9
    uint256 internal constant OUTPUT_OF_OUTPUT = 65; // a copy of node 64
    uint256 internal constant LEAF = 3;
    uint256 internal constant OFFSET = 20;
    uint256 internal constant ELEMENT = 3 * 32 + 5;
    uint256 internal constant TRUE_SEGMENT = 9; // of the product, as the one before it
    uint256 internal constant FALSE_SEGMENT = 10;

    Job internal job;
    bytes32[] internal roots; // of the inner nodes' tensors
    bytes32[] internal outputs;
    bytes32[] internal items;
    bytes32[] internal nodeHashes;
    bytes32[6] internal bid;
    Case internal case_;
    bytes internal values; // of the product
    bytes[3] internal spanValues; // of the long product
    bytes internal totals;

    function setUp() public virtual override {
        super.setUp();
        _makeValues();
        _makeTotals();
        roots = proof(7000, INNER);
        roots[SOURCE] = sourceRoot();
        for (uint256 side; side < 2; ++side) {
            roots[5 + side] = _operandRoot(PRODUCT, side);
            roots[7 + side] = _operandRoot(LONG, side);
        }
        for (uint256 node = PRODUCT; node <= RAGGED_PRODUCT; ++node) {
            roots[node] = tensorRoot(leavesOf(node));
        }
        outputs.push(tensorRoot(leavesOf(OUTPUT)));
        outputs.push(tensorRoot(leavesOf(OUTPUT_OF_OUTPUT)));
        _makeJob();
        items = proof(6000, 4);
        items[ITEM] = itemRootOf(outputs);
        (, bytes32 outputRoot) = upFrom(items, 0);
        bid = posted(leaseBid(), outputRoot);
        case_ = caseOf(bid, ITEM, items[ITEM]);
    }

    /// @dev The lease that the game is about.
    function leaseBid() internal view virtual returns (Bid memory b) {
        b = jobBid();
        b.jobHash = jobHashOf(job);
    }

    function leaseBidOf(uint64 nonce) internal view returns (Bid memory b) {
        b = leaseBid();
        b.capacityNonce = nonce;
    }

    function _makeJob() private {
        nodeHashes = proof(9000, 128);
        for (uint256 node = PRODUCT; node <= RAGGED_PRODUCT; ++node) {
            nodeHashes[node] = keccak256(abi.encodePacked(TAG_NODE, headerOf(node)));
        }
        nodeHashes[OUTPUT] = keccak256(abi.encodePacked(TAG_NODE, headerOf(OUTPUT)));
        nodeHashes[OUTPUT_OF_OUTPUT] = keccak256(abi.encodePacked(TAG_NODE, headerOf(OUTPUT_OF_OUTPUT)));
        (job.program.inputs, job.program.constants, job.program.nodes, job.program.outputs) = (2, 2, 66, 2);
        (, job.program.nodesRoot) = upFrom(nodeHashes, 0);
        job.program.inputsRoot = any(1);
        job.program.constantsRoot = climb(constantEntry(), 1, proof(6200, 1));
        job.inputRoot = climb(itemRootOf(inputRoots()), ITEM, proof(6300, 2));
        job.items = 4;
    }

    function constantEntry() internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_CONSTANT, sourceRoot(), hex"0102"));
    }

    function inputRoots() internal pure returns (bytes32[] memory given) {
        given = proof(6100, 2);
        given[1] = sourceRoot();
    }

    // --------------------------------------------------------------------------------------------- headers

    function headerOf(uint256 node) internal pure returns (bytes memory) {
        if (node == PRODUCT) return _product(5, 512, 16);
        if (node == LONG) return _product(7, 8256, 16);
        if (node == RAGGED_PRODUCT) return _product(5, 512, 9);
        if (node == COPY_INPUT) return _move(1, 16, 32);
        if (node == COPY_CONSTANT) return _move(3, 16, 32);
        if (node == RAGGED) return _move(uint32(FIRST + SOURCE), 9, 30);
        if (node == OUTPUT_OF_OUTPUT) return _move(uint32(FIRST + OUTPUT), 16, 32);
        return _move(uint32(FIRST + SOURCE), 16, 32);
    }

    /// @dev Rows of 32 elements; rows of the left operand times rows of the right one.
    function _product(uint32 left, uint32 terms, uint32 rows) private pure returns (bytes memory) {
        uint32 value = uint32(FIRST) + left;
        return abi.encodePacked(
            hex"020102",
            rows,
            uint32(32),
            hex"01",
            abi.encodePacked(value, hex"01", rows, terms, int32(0), int32(1), int32(0)),
            abi.encodePacked(value + 1, hex"01", uint32(32), terms, int32(0), int32(0), int32(1))
        );
    }

    function _move(uint32 value, uint32 rows, uint32 columns) private pure returns (bytes memory) {
        bytes memory shape = abi.encodePacked(hex"02", rows, columns);
        bytes memory head =
            abi.encodePacked(hex"0401", shape, value, hex"01", uint32(16), uint32(32), uint32(0));
        bytes memory view_ = abi.encodePacked(hex"02", uint32(16), uint32(32));
        bytes memory forms = abi.encodePacked(int32(0), int32(1), int32(0), int32(0), int32(0), int32(1));
        return bytes.concat(head, shape, view_, forms);
    }

    /// @dev As `SiteLib` packs them.
    function factsOf(uint256 node, uint256 landedAt) internal view returns (uint256) {
        IReferee.Node memory n = referee.describe(headerOf(node));
        uint256 low = landedAt | uint256(n.start) << 32 | uint256(n.columns) << 64 | uint256(n.rows) << 96
            | uint256(n.chain) << 128 | uint256(n.terms) << 148 | uint256(n.depth) << 156;
        uint256 output = node < INNER ? 0 : node - INNER + 1;
        return low | uint256(n.dtype) << 164 | uint256(n.kind) << 168 | output << 172 | node << 180 | FIRST
            << 200 | INNER << 220;
    }

    // --------------------------------------------------------------------------------------------- tensors

    /// @dev Sixteen leaves. What the provider has in leaf 3 is what it ought to be, with one bit turned.
    function leavesOf(uint256 node) internal view returns (bytes[] memory leaves) {
        leaves = new bytes[](16);
        for (uint256 i; i < 16; ++i) {
            leaves[i] = leaf(100 + i);
        }
        if (node == PRODUCT) _put(leaves[LEAF], word(values, 7), word(values, 15));
        else if (node == LONG) _put(leaves[LEAF], word(totals, 2));
        else leaves[LEAF] = flipped(leaf(99));
        if (node == OUTPUT_OF_OUTPUT) leaves[LEAF] = leaf(99);
        if (node == RAGGED) {
            for (uint256 i; i < 16; ++i) {
                if (i >= 9) leaves[i] = new bytes(128);
                for (uint256 k = 120; k < 128; ++k) {
                    leaves[i][k] = 0;
                }
            }
            leaves[11][127] = 0x07; // a row that does not exist
            leaves[4][121] = 0x09; // a column that does not exist
        }
    }

    /// @dev What the challenger has: the same, but for the false element.
    function ownLeavesOf(uint256 node) internal view returns (bytes[] memory leaves) {
        leaves = leavesOf(node);
        leaves[LEAF] = flipped(leaves[LEAF]);
    }

    function flipped(bytes memory one) internal pure returns (bytes memory) {
        one[OFFSET] ^= 0x01;
        return one;
    }

    function _put(bytes memory one, uint256 first, uint256 second) private view {
        bytes memory ends = abi.encodePacked(uint32(first), uint32(second));
        _put(one, referee.fold(headerOf(PRODUCT), ends));
    }

    function _put(bytes memory one, uint256 element) private pure {
        bytes4 bytes_ = bytes4(swapped(uint32(element)));
        for (uint256 i; i < 4; ++i) {
            one[OFFSET + i] = bytes_[i];
        }
    }

    function claimedOf(uint256 node) internal view returns (uint256 element) {
        bytes memory one = leavesOf(node)[LEAF];
        for (uint256 i = 4; i > 0; --i) {
            element = element << 8 | uint8(one[OFFSET + i - 1]);
        }
    }

    function hashesOf(bytes[] memory leaves) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](leaves.length);
        for (uint256 i; i < leaves.length; ++i) {
            hashes[i] = leafHash(leaves[i]);
        }
    }

    function tensorRoot(bytes[] memory leaves) internal pure returns (bytes32 root) {
        (, root) = upFrom(hashesOf(leaves), 0);
    }

    /// @dev Of a tensor that is known by its leaf 3 alone.
    function sourceRoot() internal pure returns (bytes32) {
        return climb(leafHash(leaf(99)), LEAF, proof(6500, 4));
    }

    function _operandRoot(uint256 node, uint256 side) private pure returns (bytes32) {
        bytes memory one = leaf(node == PRODUCT ? 50 + side : 52 + side);
        return climb(leafHash(one), operandLeaf(node, side), operandSiblings(node, side));
    }

    // ---------------------------------------------------------------------------------------------- chains

    function word(bytes memory words, uint256 i) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(224, mload(add(add(words, 32), mul(4, i))))
        }
    }

    /// @dev Any running values, but for two segments that are true.
    function _makeValues() private {
        bytes memory read = bytes.concat(leaf(50), leaf(51));
        for (uint256 i; i < 16; ++i) {
            uint256 value = number(500 + i);
            if (i == 8 || i == 9) {
                uint256 before = i == 8 ? 0 : word(values, 8);
                (value,) = referee.step(headerOf(PRODUCT), ELEMENT, i, before, read);
            }
            values = bytes.concat(values, bytes4(uint32(value)));
        }
    }

    /// @dev Any running values of each span, and the totals to which they fold.
    function _makeTotals() private {
        for (uint256 span; span < 3; ++span) {
            bytes memory ends;
            if (span > 0) ends = abi.encodePacked(uint32(word(totals, span - 1)));
            uint256 count = span == 2 ? 2 : 128;
            for (uint256 i; i < count; ++i) {
                bytes4 value = bytes4(number(600 + 200 * span + i));
                spanValues[span] = bytes.concat(spanValues[span], value);
                if (i % 8 == 7 || i + 1 == count) ends = bytes.concat(ends, value);
            }
            totals = bytes.concat(totals, bytes4(uint32(referee.fold(headerOf(LONG), ends))));
        }
    }

    function wordsOf(bytes memory data) internal pure returns (bytes32[] memory words) {
        uint256 count = 1;
        while (32 * count < data.length) count *= 2;
        words = new bytes32[](count);
        for (uint256 i; i < data.length; ++i) {
            words[i / 32] |= bytes32(data[i]) >> (8 * (i % 32));
        }
    }

    /// @dev All leaves of the product's operands' rows are one and the same; of the long one's, one leaf is known.
    function operandSiblings(uint256 node, uint256 side) internal pure returns (bytes32[] memory siblings) {
        if (node == LONG) return proof(8000, 13 + side);
        siblings = proof(8000, 8 + side);
        siblings[0] = leafHash(leaf(50 + side));
        for (uint256 i = 1; i < 4; ++i) {
            siblings[i] = pair(siblings[i - 1], siblings[i - 1]);
        }
    }

    /// @dev Leaf of the operand that the false segment of the false element reads.
    function operandLeaf(uint256 node, uint256 side) internal pure returns (uint256) {
        uint256 perRow = node == PRODUCT ? 16 : 258;
        return (side == 0 ? 3 : 5) * perRow + (node == PRODUCT ? FALSE_SEGMENT : 257);
    }
}
