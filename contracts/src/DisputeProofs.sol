// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeChains} from "./DisputeChains.sol";
import {IDisputeMoves} from "./interfaces/IDisputeMoves.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {GameLib, GameWord} from "./libraries/GameLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {LeafLib} from "./libraries/LeafLib.sol";
import {PlaceLib} from "./libraries/PlaceLib.sol";
import {LeaseWord, Sentence, SentenceLib} from "./libraries/SentenceLib.sol";
import {Facts, SiteLib} from "./libraries/SiteLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Case, Conviction, Job, OperandProof, PackedPlace, Phase, Place, Position} from "./types/DisputeTypes.sol";
import {LeaseId} from "./types/Types.sol";

/// @title The last move: one step, computed from the provider's own operands
/// @dev INVARIANT: a conviction needs a step whose operands are all proven and whose result differs from what the
/// provider committed to. A call that reverts anywhere convicts nobody.
abstract contract DisputeProofs is DisputeChains {
    using GameLib for GameWord;
    using SentenceLib for LeaseWord;
    using SentenceLib for Sentence;
    using SiteLib for Facts;

    /// @inheritdoc IDisputeMoves
    function prove(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes calldata header,
        uint256 facts_,
        uint256 number,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes calldata leaves,
        OperandProof[] calldata operands,
        Job[] calldata job
    ) external {
        (bytes32 game, GameWord g, Place memory place, bytes32 trace_) =
            _accused(case_, seal, position, keccak256(header), facts_, Phase.Pick, Phase.Reveal);
        Facts facts = Facts.wrap(facts_);
        if (number >= facts.rows() * facts.columns()) revert Disputes_NoElement(number);
        if (facts.segments() > 1) revert Disputes_NeedsRunning(facts.segments());
        (uint256 index, uint256 offset) = facts.find(number);
        (place.leaf, place.offset) = (uint32(index), uint8(offset));
        place.width = uint8(LeafLib.width(facts.dtype()));
        uint256 word;
        (word, place.left) = _shown(g, position, facts, index, offset, leaf, siblings);
        uint256 right = _step(case_, trace_, header, facts, [number, 0, facts.start()], leaves, operands, job);
        if (right == word) revert Disputes_StepIsTrue(right);
        (place.claimed, place.right, place.exact) = (uint32(word), uint32(right), true);
        _convict(game, g, case_.leaseId, place);
    }

    /// @inheritdoc IDisputeMoves
    function proveSegment(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes calldata header,
        uint256 facts_,
        uint256 claimed,
        uint256 segment,
        bytes32 word,
        bytes32[] calldata siblings,
        bytes calldata leaves,
        OperandProof[] calldata operands,
        Job[] calldata job
    ) external {
        (bytes32 game, GameWord g, Place memory place, bytes32 trace_) =
            _accused(case_, seal, position, keccak256(header), facts_, Phase.Prove, Phase.Prove);
        Facts facts = Facts.wrap(facts_);
        uint256 count = facts.segmentsOf(g.chosen());
        if (segment >= count) revert Disputes_NoElement(segment);
        // Eight running values of four bytes stand in a word.
        if (siblings.length != TreeLib.depth((count + 7) / 8)) {
            revert Disputes_Count(TreeLib.depth((count + 7) / 8), siblings.length);
        }
        bytes32 root = TreeLib.climb(word, segment / 8, siblings);
        if (position.anchor != TreeLib.hash2(root, bytes32(claimed))) revert Disputes_BadProof();
        uint256 before = segment % (256 / facts.terms()) == 0 ? facts.start() : _eighth(word, segment % 8 - 1);
        uint256 first = g.chosen() * (SiteLib.SPAN / facts.terms());
        uint256 right = _step(
            case_, trace_, header, facts, [g.path(), first + segment, before], leaves, operands, job
        );
        if (right == _eighth(word, segment % 8)) revert Disputes_StepIsTrue(right);
        (uint256 index, uint256 offset) = facts.find(g.path());
        (place.leaf, place.offset) = (uint32(index), uint8(offset));
        (place.width, place.left) = (uint8(LeafLib.width(facts.dtype())), position.left);
        place.claimed = uint32(claimed);
        _convict(game, g, case_.leaseId, place);
    }

    /// @inheritdoc IDisputeMoves
    function proveOutside(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes32 headerHash,
        uint256 facts_,
        uint256 index,
        uint256 offset,
        bytes calldata leaf,
        bytes32[] calldata siblings
    ) external {
        (bytes32 game, GameWord g, Place memory place,) =
            _accused(case_, seal, position, headerHash, facts_, Phase.Pick, Phase.Reveal);
        Facts facts = Facts.wrap(facts_);
        if (offset >= LeafLib.BYTES || facts.isInside(index, offset)) revert Disputes_NoElement(index);
        (, place.left) = _shown(g, position, facts, index, offset, leaf, siblings);
        uint256 byte_ = uint8(leaf[offset]);
        if (byte_ == 0) revert Disputes_StepIsTrue(0);
        (place.leaf, place.offset, place.width) = (uint32(index), uint8(offset), 1);
        (place.claimed, place.exact) = (uint32(byte_), true);
        _convict(game, g, case_.leaseId, place);
    }

    /// @dev The caller's game at this position, its lease not convicted yet, and what is known of the place.
    function _accused(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes32 headerHash,
        uint256 facts_,
        Phase one,
        Phase other
    ) private view returns (bytes32 game, GameWord g, Place memory place, bytes32 trace_) {
        place.caseId = _caseId(case_);
        (game, g) = _mine(place.caseId, seal, one, other);
        if (g.openedAt() >= _now()) revert Disputes_TooYoung(game);
        LeaseWord w = _leases[case_.leaseId];
        if (w.isSentence()) revert Disputes_Convicted(case_.leaseId);
        trace_ = _traceOf(w, place.caseId, case_.item);
        _requirePosition(game, position);
        _requireSite(position.site, headerHash, facts_);
        Facts facts = Facts.wrap(facts_);
        (place.node, place.output, place.landedAt) = (uint32(facts.node()), facts.output(), facts.landedAt());
    }

    /// @dev A leaf of the node's tensor, proven under the anchor.
    function _shown(
        GameWord g,
        Position calldata position,
        Facts facts,
        uint256 index,
        uint256 offset,
        bytes calldata leaf,
        bytes32[] calldata siblings
    ) private pure returns (uint256 word, bytes32 left) {
        if (siblings.length != g.levels()) revert Disputes_Count(g.levels(), siblings.length);
        if (index >> g.levels() != g.path()) revert Disputes_NoElement(index);
        return _leafAt(position, facts, index, offset, leaf, siblings);
    }

    /// @dev What the Referee says of a step, `which` being element, segment and accumulator; each leaf that it read is
    /// proven at its place.
    function _step(
        Case calldata case_,
        bytes32 trace_,
        bytes calldata header,
        Facts facts,
        uint256[3] memory which,
        bytes calldata leaves,
        OperandProof[] calldata operands,
        Job[] calldata job
    ) private view returns (uint256 right) {
        IReferee.Place[] memory places;
        (right, places) = _referee.step(header, which[0], which[1], which[2], leaves);
        if (operands.length != places.length) revert Disputes_Count(places.length, operands.length);
        unchecked {
            for (uint256 i; i < places.length; ++i) {
                IReferee.Place memory place = places[i];
                OperandProof calldata proof = operands[i];
                bytes32[] calldata siblings = proof.tensor;
                if (siblings.length != place.depth) revert Disputes_Count(place.depth, siblings.length);
                bytes32 root =
                    TreeLib.climb(TreeLib.leafHash(leaves, i * LeafLib.BYTES), place.leaf, siblings);
                if (place.value >= facts.first()) {
                    _requireNode(case_, trace_, facts, place.value - facts.first(), root, proof);
                } else {
                    _requireGiven(case_, job, place.value, root, proof);
                }
            }
        }
    }

    /// @dev The tensor root of a node before this one, in the provider's own trace or among its outputs.
    function _requireNode(
        Case calldata case_,
        bytes32 trace_,
        Facts facts,
        uint256 node,
        bytes32 root,
        OperandProof calldata proof
    ) private pure {
        if (node >= facts.inner()) {
            _requireAmong(proof.roots, node - facts.inner(), root);
            if (JobLib.itemRoot(proof.roots) != case_.itemRoot) revert Disputes_BadProof();
            return;
        }
        bytes32[] calldata siblings = proof.tree;
        _requireDepth(siblings, facts.inner());
        if (TreeLib.climb(root, node, siblings) != trace_) revert Disputes_BadProof();
    }

    /// @dev The tensor root of an input of the item, or of a constant of the program.
    function _requireGiven(
        Case calldata case_,
        Job[] calldata jobs,
        uint256 value,
        bytes32 root,
        OperandProof calldata proof
    ) private pure {
        if (jobs.length != 1) revert Disputes_Count(1, jobs.length);
        Job calldata job = jobs[0];
        if (JobLib.hash(job) != case_.jobHash) revert Disputes_WrongJob(case_.jobHash);
        if (value < job.program.inputs) {
            if (proof.roots.length != job.program.inputs) revert Disputes_BadProof();
            _requireAmong(proof.roots, value, root);
            _requireDepth(proof.tree, job.items);
            bytes32 item = JobLib.itemRoot(proof.roots);
            if (TreeLib.climb(item, case_.item, proof.tree) != job.inputRoot) revert Disputes_BadProof();
        } else {
            value -= job.program.inputs;
            _requireDepth(proof.tree, job.program.constants);
            bytes32 entry = keccak256(abi.encodePacked(TAG_CONSTANT, root, proof.dtype));
            if (TreeLib.climb(entry, value, proof.tree) != job.program.constantsRoot) revert Disputes_BadProof();
        }
    }

    function _requireAmong(bytes32[] calldata roots, uint256 number, bytes32 root) private pure {
        if (number >= roots.length || roots[number] != root) revert Disputes_BadProof();
    }

    function _requireDepth(bytes32[] calldata siblings, uint256 leaves) private pure {
        if (siblings.length != TreeLib.depth(leaves)) {
            revert Disputes_Count(TreeLib.depth(leaves), siblings.length);
        }
    }

    function _eighth(bytes32 word, uint256 number) private pure returns (uint256) {
        return uint32(uint256(word) >> (224 - 32 * number));
    }

    function _convict(bytes32 game, GameWord g, LeaseId leaseId, Place memory place) private {
        PackedPlace memory packed = PlaceLib.pack(place);
        _leases[leaseId] =
            Sentence(Conviction.Proven, false, false, uint32(_now()), 0, PlaceLib.hash(packed)).pack();
        g = g.withPhase(Phase.Won);
        delete _games[game].position; // nothing stands on it any more
        _store(game, g);
        emit Judged(game, leaseId, packed);
    }
}
