// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeMoves} from "./DisputeMoves.sol";
import {IDisputeMoves} from "./interfaces/IDisputeMoves.sol";
import {GameLib, GameWord} from "./libraries/GameLib.sol";
import {LeafLib} from "./libraries/LeafLib.sol";
import {Facts, SiteLib} from "./libraries/SiteLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Phase, Position} from "./types/DisputeTypes.sol";

/// @title The way down inside one element: the running values of its chain, until one segment is left
abstract contract DisputeChains is DisputeMoves {
    using GameLib for GameWord;
    using SiteLib for Facts;

    /// @inheritdoc IDisputeMoves
    function element(
        bytes32 caseId,
        bytes32 seal,
        uint48 tag,
        Position calldata position,
        bytes32 headerHash,
        uint256 facts_,
        uint256 number
    ) external {
        (bytes32 game, GameWord g) = _mine(caseId, seal, Phase.Pick, Phase.Pick);
        _requireTag(g, tag);
        _requirePosition(game, position);
        _requireSite(position.site, headerHash, facts_);
        Facts facts = Facts.wrap(facts_);
        if (number >= facts.rows() * facts.columns()) revert Disputes_NoElement(number);
        (uint256 leaf,) = facts.find(number);
        if (leaf >> g.levels() != g.path() || facts.segments() < 2) revert Disputes_NoElement(number);
        _store(game, g.withPath(number).withPhase(Phase.Chain));
    }

    /// @inheritdoc IDisputeMoves
    function running(
        bytes32 game,
        Position calldata position,
        bytes calldata header,
        uint256 facts_,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes calldata values
    ) external {
        GameWord g = _owed(game, Phase.Chain);
        _requireOwn(game, position);
        _requireSite(position.site, keccak256(header), facts_);
        Facts facts = Facts.wrap(facts_);
        (uint256 claimed, bytes32 left) = _claimed(g, position, facts, leaf, siblings);
        bool long = facts.spans() > 1;
        uint256 count = long ? facts.spans() : facts.segments();
        if (values.length != 4 * count) revert Disputes_Count(4 * count, values.length);
        if (long) _requireFold(_word(values, count - 1), claimed);
        else _requireFold(_foldBlocks(header, facts, values, values[:0]), claimed);
        uint256 sum;
        (g, sum) = _repay(
            // Until one is chosen, the last span stands there: no other may be asked for.
            g.withPhase(long ? Phase.Span : Phase.Prove).withChosen(facts.spans() - 1),
            long ? ANSWER_GAS : ANSWER_GAS + FOLD_GAS,
            (values.length + header.length + leaf.length) / 32,
            siblings.length + 8
        );
        bytes32 anchor = TreeLib.hash2(TreeLib.rootOfWords(values), bytes32(claimed));
        _store(game, g, _positionHash(anchor, position.site, left, msg.sender));
        _send(msg.sender, sum);
    }

    /// @dev The element's word in the provider's leaf, and the position's `left`, completed by what stands before it.
    function _claimed(
        GameWord g,
        Position calldata position,
        Facts facts,
        bytes calldata leaf,
        bytes32[] calldata siblings
    ) private pure returns (uint256 word, bytes32 left) {
        if (siblings.length != g.levels()) revert Disputes_Count(g.levels(), siblings.length);
        (uint256 index, uint256 offset) = facts.find(g.path());
        (word, left) = _leafAt(position, facts, index, offset, leaf, siblings);
    }

    /// @dev Holds a leaf against the anchor; the word of the node's type at `offset`, and the completed `left`.
    function _leafAt(
        Position calldata position,
        Facts facts,
        uint256 index,
        uint256 offset,
        bytes calldata leaf,
        bytes32[] calldata siblings
    ) internal pure returns (uint256 word, bytes32 left) {
        if (leaf.length != LeafLib.BYTES) revert Disputes_Count(LeafLib.BYTES, leaf.length);
        if (TreeLib.climb(TreeLib.leafHash(leaf, 0), index, siblings) != position.anchor) {
            revert Disputes_BadProof();
        }
        left = TreeLib.leftOf(position.left, index, siblings);
        left = TreeLib.cut(keccak256(abi.encodePacked(left, leaf[:offset])));
        uint256 start;
        assembly ("memory-safe") {
            start := leaf.offset
        }
        word = LeafLib.read(start, offset, facts.dtype());
    }

    /// @inheritdoc IDisputeMoves
    function span(bytes32 caseId, bytes32 seal, uint48 tag, uint256 number) external {
        (bytes32 game, GameWord g) = _mine(caseId, seal, Phase.Span, Phase.Span);
        _requireTag(g, tag);
        if (number > g.chosen()) revert Disputes_NoChild(number);
        _store(game, g.withChosen(number).withPhase(Phase.Running));
    }

    /// @inheritdoc IDisputeMoves
    function runningOfSpan(
        bytes32 game,
        Position calldata position,
        bytes calldata header,
        uint256 facts_,
        uint256 claimed,
        bytes calldata totals,
        bytes calldata values
    ) external {
        GameWord g = _owed(game, Phase.Running);
        _requireOwn(game, position);
        _requireSite(position.site, keccak256(header), facts_);
        if (position.anchor != TreeLib.hash2(TreeLib.rootOfWords(totals), bytes32(claimed))) {
            revert Disputes_OtherPosition(game);
        }
        Facts facts = Facts.wrap(facts_);
        uint256 number = g.chosen();
        uint256 count = facts.segmentsOf(number);
        if (values.length != 4 * count) revert Disputes_Count(4 * count, values.length);
        bytes calldata before = number == 0 ? totals[:0] : totals[4 * number - 4:4 * number];
        uint256 total = _word(totals, number);
        _requireFold(_foldBlocks(header, facts, values, before), total);
        uint256 sum;
        (g, sum) = _repay(
            g.withPhase(Phase.Prove),
            ANSWER_GAS + FOLD_GAS,
            (values.length + header.length + totals.length) / 32,
            8
        );
        bytes32 anchor = TreeLib.hash2(TreeLib.rootOfWords(values), bytes32(claimed));
        _store(game, g, _positionHash(anchor, position.site, position.left, msg.sender));
        _send(msg.sender, sum);
    }

    function _requireOwn(bytes32 game, Position calldata position) private view {
        _requirePosition(game, position);
        if (position.operator != msg.sender) revert Disputes_NotProvider(msg.sender);
    }

    function _requireFold(uint256 found, uint256 needed) private pure {
        if (found != needed) revert Disputes_BadFold(found, needed);
    }

    /// @dev The total behind the blocks whose last running values stand in `values`, from the total before them.
    function _foldBlocks(bytes calldata header, Facts facts, bytes calldata values, bytes calldata before)
        private
        view
        returns (uint256)
    {
        unchecked {
            uint256 size = 4 * (256 / facts.terms());
            uint256 count = (values.length + size - 1) / size;
            bytes memory ends = new bytes(before.length + 4 * count);
            assembly ("memory-safe") {
                let to := add(ends, 0x20)
                calldatacopy(to, before.offset, before.length)
                to := add(to, before.length)
                // The last running value of each block; the last block may be shorter.
                let last := add(values.offset, sub(values.length, 4))
                // Four bytes each: what is copied behind them is written over, or lies behind the free pointer.
                for { let from := add(values.offset, sub(size, 4)) } lt(from, last) { from := add(from, size) } {
                    mstore(to, calldataload(from))
                    to := add(to, 4)
                }
                mstore(to, calldataload(last))
            }
            return _referee.fold(header, ends);
        }
    }

    function _word(bytes calldata values, uint256 number) internal pure returns (uint256) {
        return uint32(bytes4(values[4 * number:4 * number + 4]));
    }
}
