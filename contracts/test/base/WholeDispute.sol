// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GameBase} from "./GameBase.sol";
import {Case, Conviction, Job, OperandProof, Phase, Place, Position} from "../../src/types/DisputeTypes.sol";
import {IReferee} from "../../src/interfaces/IReferee.sol";

/// @notice One whole dispute: 1,024 nodes, an f32 product of 1024 x 1024 elements over K = 4096, both operands outputs of nodes.
abstract contract WholeDispute is GameBase {
    uint256 private constant NODE = 500;
    uint256 private constant LEFT = 10;
    uint256 private constant RIGHT = 20;
    uint256 private constant ROW = 421;
    uint256 private constant COLUMN = 709;
    uint256 private constant SEGMENT = 77;
    /// @dev What each answer shows of the tensor, from the lowest byte: 32, 16 and 16 hashes.
    uint256 private constant LEVELS = 0x040405;
    bytes32 private constant SALT = "salt";

    // What the provider committed to.
    bytes private header;
    bytes32[] private roots; // of the inner nodes' tensors
    bytes private values;
    bytes private leaves; // the four around the element
    bytes32[][3] private rows; // what it shows of the tensor, from the top
    bytes private leftLeaf;
    bytes private rightLeaf;
    Job private job;
    bytes32 private outputRoot; // one item
    bytes32[6] private bid;
    Case private case_;
    bytes32 private ownTrace;
    bytes32 internal game;
    bytes32 private seal;
    Position private last; // of the conviction
    uint256 private lastFacts;
    uint256 private lastClaimed;

    function setUp() public virtual override {
        super.setUp();
        header = abi.encodePacked(hex"02", hex"0102", uint32(1024), uint32(1024), hex"01", _operand(LEFT, 1, 0));
        header = abi.encodePacked(header, _operand(RIGHT, 0, 1));
        (leftLeaf, rightLeaf) = (leaf(1), leaf(2));
        _makeElement();
        bytes32 tensor = _makeTensor();
        roots = proof(7000, 1024);
        roots[1023] = 0; // the output is none of them
        roots[NODE] = tensor;
        roots[LEFT] = climb(leafHash(leftLeaf), ROW * 128 + SEGMENT, proof(8000, 17));
        roots[RIGHT] = climb(leafHash(rightLeaf), COLUMN * 128 + SEGMENT, proof(8100, 17));
        job.program.inputs = 1;
        job.program.nodes = 1024;
        job.program.outputs = 1;
        job.program.nodesRoot =
            climb(keccak256(abi.encodePacked(TAG_NODE, header)), NODE, _headerProof());
        (job.program.inputsRoot, job.program.constantsRoot, job.inputRoot) = (any(1), any(2), any(3));
        job.items = 1;
        outputRoot = any(4);
        bid = posted(job, outputRoot);
        case_ = caseOf(bid, 0, outputRoot);
        (, ownTrace) = upFrom(_own(), 0);
        seal = cut(keccak256(abi.encode(ownTrace, any(5), CHALLENGER, case_.leaseId, uint256(0), SALT)));
        game = gameId(case_, CHALLENGER, seal);
    }

    /// @dev The header beside the node's is no hash in the tree yet, so it is whole.
    function _headerProof() private pure returns (bytes32[] memory siblings) {
        siblings = proof(9000, 10);
        siblings[0] = keccak256("header");
    }

    function _operand(uint256 node, int32 first, int32 second) private pure returns (bytes memory) {
        return abi.encodePacked(uint32(1 + node), hex"01", uint32(1024), uint32(4096), int32(0), first, second);
    }

    /// @dev Running values that fold to the element: any but that.
    function _makeElement() private {
        bytes memory ends;
        for (uint256 i; i < 128; ++i) {
            bytes4 value = bytes4(number(500 + i));
            values = bytes.concat(values, value);
            if (i % 8 == 7) ends = bytes.concat(ends, value);
        }
        uint256 element = referee.fold(header, ends);
        for (uint256 i; i < 4; ++i) {
            leaves = bytes.concat(leaves, leaf(10 + i));
        }
        uint256 index = (ROW * 32 + COLUMN / 32) % 4;
        bytes4 word = bytes4(swapped(uint32(element)));
        for (uint256 i; i < 4; ++i) {
            leaves[index * 128 + COLUMN % 32 * 4 + i] = word[i];
        }
    }

    function _makeTensor() private returns (bytes32 node) {
        (, node) = upFrom(_leafHashes(), 0);
        uint256 path = (ROW * 32 + COLUMN / 32) >> 2;
        for (uint256 i = 3; i > 0; --i) {
            uint256 levels = LEVELS >> 8 * (i - 1) & 0xFF;
            rows[i - 1] = row(4000 + 100 * i, 1 << levels, path & (1 << levels) - 1, node);
            (, node) = upFrom(rows[i - 1], 0);
            path >>= levels;
        }
    }

    function _leafHashes() private view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            hashes[i] = leafHash(_leaf(i));
        }
    }

    function _leaf(uint256 index) private view returns (bytes memory one) {
        one = new bytes(128);
        for (uint256 i; i < 128; ++i) {
            one[i] = leaves[index * 128 + i];
        }
    }

    /// @dev The challenger's own roots: the same up to the false node.
    function _own() private view returns (bytes32[] memory own) {
        own = roots;
        own[NODE] = _ownTensor();
    }

    function _ownLeaf() private view returns (bytes memory own) {
        own = _leaf((ROW * 32 + COLUMN / 32) % 4);
        own[COLUMN % 32 * 4] ^= 0x01;
    }

    function _ownSiblings() private view returns (bytes32[] memory siblings) {
        siblings = new bytes32[](15);
        uint256 path = ROW * 32 + COLUMN / 32;
        (bytes32[] memory some,) = upFrom(_leafHashes(), path & 3);
        (siblings[0], siblings[1]) = (some[0], some[1]);
        path >>= 2;
        uint256 next = 2;
        for (uint256 level = 3; level > 0; --level) {
            uint256 levels = LEVELS >> 8 * (level - 1) & 0xFF;
            (some,) = upFrom(rows[level - 1], path & (1 << levels) - 1);
            for (uint256 i; i < levels; ++i) {
                siblings[next++] = some[i];
            }
            path >>= levels;
        }
    }

    function _ownTensor() private view returns (bytes32) {
        return climb(leafHash(_ownLeaf()), ROW * 32 + COLUMN / 32, _ownSiblings());
    }

    // ------------------------------------------------------------------------------------------------- moves

    /// @dev A move of the challenger was made.
    function moved(string memory name) internal virtual;

    /// @dev The provider has answered.
    function answered(string memory name) internal virtual;

    /// @dev The next call is the provider's answer.
    function answers() internal virtual {
        as_(operator);
    }

    function _challenge() private {
        uint256 bond = 4 * 700_000 * 1 gwei + 1 ether;
        as_(CHALLENGER);
        disputes.challenge{value: bond}(bid, job, 0, outputRoot, new bytes32[](0), seal, new address[](0));
        moved("challenge");
        skip(1);
    }

    function _trace() private {
        bytes32[] memory level = _level5();
        bytes32 hash = escrow.bidHash(bid);
        answers();
        disputes.trace(OWNER, hash, case_, CHALLENGER, seal, level);
        answered("trace");
        skip(1);
    }

    function _level5() private view returns (bytes32[] memory level) {
        level = new bytes32[](32);
        for (uint256 i; i < 32; ++i) {
            (, level[i]) = upFrom(part(roots, 32 * i, 32), 0);
        }
    }

    function _pick(uint256 index, string memory name) private {
        uint48 tag = tagOf(game);
        bytes32 caseId = idOfCase(case_);
        as_(CHALLENGER);
        disputes.pick(caseId, seal, tag, index);
        moved(name);
        skip(1);
    }

    function _reveal(
        bytes32 site,
        bytes32 left,
        bytes32[] memory children,
        bytes32[] memory siblings,
        string memory name
    ) private {
        answers();
        disputes.reveal(game, site, left, children, siblings);
        answered(name);
        skip(1);
    }

    /// @dev Up to the conviction.
    function play() internal {
        _challenge();
        _trace();
        _pick(NODE >> 5, "pick");
        (bytes32[] memory up,) = upFrom(_level5(), NODE >> 5);
        bytes32[] memory nodes = part(roots, NODE & ~uint256(31), 32);
        _reveal(0, 0, nodes, up, "reveal_32");
        bytes32 left = leftOf(0, NODE >> 5, up);
        Position memory position = _land(nodes, left);
        position = _descend(position);
        (uint256 facts, uint256 claimed) = _element(position);
        _last(position, facts, claimed);
        (last, lastFacts, lastClaimed) = (position, facts, claimed);
    }

    function _land(bytes32[] memory nodes, bytes32 left) private returns (Position memory position) {
        bytes32 root;
        bytes32[] memory siblings;
        (siblings, root) = upFrom(nodes, NODE & 31);
        position = Position(root, 0, left, operator);
        as_(CHALLENGER);
        disputes.land(case_, seal, position, job, NODE, header, _headerProof(), roots[NODE], siblings);
        moved("land");
        uint256 facts = _facts();
        skip(1);
        position = Position(roots[NODE], siteOf(header, facts), leftOf(left, NODE, siblings), operator);
    }

    /// @dev As `SiteLib` packs them, landed in the block before this one or in this one.
    function _facts() private view returns (uint256) {
        IReferee.Node memory n = referee.describe(header);
        return block.number | uint256(n.columns) << 64 | uint256(n.rows) << 96 | uint256(n.chain) << 128
            | uint256(n.terms) << 148 | uint256(n.depth) << 156 | uint256(n.dtype) << 164 | uint256(n.kind) << 168
            | NODE << 180 | uint256(1) << 200 | uint256(1023) << 220;
    }

    function _descend(Position memory position) private returns (Position memory) {
        uint256 path = ROW * 32 + COLUMN / 32;
        bytes32[] memory up;
        uint256 above = 15;
        uint256 index;
        for (uint256 i; i < 3; ++i) {
            _reveal(position.site, position.left, rows[i], up, i == 0 ? "reveal_32_first" : "reveal_16");
            position.left = leftOf(position.left, index, up);
            uint256 levels = LEVELS >> 8 * i & 0xFF;
            above -= levels;
            index = path >> above & (1 << levels) - 1;
            _pick(index, "pick");
            (up,) = upFrom(rows[i], index);
        }
        answers();
        disputes.revealLeaves(game, position.site, position.left, leaves, up);
        answered("reveal_leaves");
        skip(1);
        position.left = leftOf(position.left, index, up);
        (, position.anchor) = upFrom(_leafHashes(), 0);
        return position;
    }

    function _element(Position memory position) private returns (uint256 facts, uint256 claimed) {
        facts = _factsOf(position.site);
        uint256 element = ROW * 1024 + COLUMN;
        uint48 tag = tagOf(game);
        bytes32 caseId = idOfCase(case_);
        as_(CHALLENGER);
        disputes.element(caseId, seal, tag, position, keccak256(header), facts, element);
        moved("element");
        skip(1);
        uint256 index = (ROW * 32 + COLUMN / 32) % 4;
        bytes memory one = _leaf(index);
        (bytes32[] memory up,) = upFrom(_leafHashes(), index);
        answers();
        disputes.running(game, position, header, facts, one, up, values);
        answered("running");
        skip(1);
        uint256 offset = COLUMN % 32 * 4;
        for (uint256 i = 4; i > 0; --i) {
            claimed = claimed << 8 | uint8(one[offset + i - 1]);
        }
        bytes memory before = new bytes(offset);
        for (uint256 i; i < offset; ++i) {
            before[i] = one[i];
        }
        position.left = cut(keccak256(abi.encodePacked(leftOf(position.left, index, up), before)));
        position.anchor = pair(_wordsRoot(), bytes32(claimed));
    }

    function _factsOf(bytes32 site) private view returns (uint256 facts) {
        facts = _facts() - block.number;
        for (uint256 i = block.number; i > block.number - 20; --i) {
            if (siteOf(header, facts | i) == site) return facts | i;
        }
        revert("facts");
    }

    function _words() private view returns (bytes32[] memory words) {
        words = new bytes32[](16);
        for (uint256 i; i < 512; ++i) {
            words[i / 32] |= bytes32(values[i]) >> (8 * (i % 32));
        }
    }

    function _wordsRoot() private view returns (bytes32 root) {
        (, root) = upFrom(_words(), 0);
    }

    function _last(Position memory position, uint256 facts, uint256 claimed) private {
        OperandProof[] memory operands = new OperandProof[](2);
        (operands[0].tree,) = upFrom(roots, LEFT);
        (operands[1].tree,) = upFrom(roots, RIGHT);
        (operands[0].tensor, operands[1].tensor) = (proof(8000, 17), proof(8100, 17));
        (bytes32[] memory up,) = upFrom(_words(), SEGMENT / 8);
        bytes32 word = _words()[SEGMENT / 8];
        bytes memory read = bytes.concat(leftLeaf, rightLeaf);
        as_(CHALLENGER);
        disputes.proveSegment(
            case_, seal, position, header, facts, claimed, SEGMENT, word, up, read, operands, new Job[](0)
        );
        moved("last_step");
        yes(disputes.verdictOf(case_.leaseId).how == Conviction.Proven, "convicted");
    }

    function claim() internal {
        Place memory place;
        place.caseId = idOfCase(case_);
        (place.node, place.leaf) = (uint32(NODE), uint32(ROW * 32 + COLUMN / 32));
        (place.offset, place.width) = (uint8(COLUMN % 32 * 4), 4);
        (place.left, place.claimed, place.landedAt) = (last.left, uint32(lastClaimed), uint32(lastFacts));
        (bytes32[] memory above,) = upFrom(_own(), NODE);
        bytes memory own = _ownLeaf();
        bytes32[] memory up = _ownSiblings();
        as_(CHALLENGER);
        disputes.claim(case_, place, SALT, any(5), own, up, above);
        moved("claim");
        skip(CLAIM_PERIOD + 1);
        disputes.settle(bid);
        as_(CHALLENGER);
        disputes.collect(bid, case_, seal);
        yes(token.balanceOf(CHALLENGER) != 0, "rewarded");
    }
}
