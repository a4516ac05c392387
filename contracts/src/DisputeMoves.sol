// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeState} from "./DisputeState.sol";
import {IDisputeMoves} from "./interfaces/IDisputeMoves.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {GameLib, GameWord} from "./libraries/GameLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {LeafLib} from "./libraries/LeafLib.sol";
import {LeaseWord, SentenceLib} from "./libraries/SentenceLib.sol";
import {Facts, SiteLib} from "./libraries/SiteLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Case, Job, Phase, Position} from "./types/DisputeTypes.sol";
import {LeaseId} from "./types/Types.sol";

/// @title Opening a game, and the way down: from the trace's root to one step
abstract contract DisputeMoves is DisputeState, IDisputeMoves {
    using BidLib for bytes32[6];
    using GameLib for GameWord;
    using SentenceLib for LeaseWord;
    using SiteLib for Facts;

    // ----------------------------------------------------------------------------------------------- opening

    /// @inheritdoc IDisputeMoves
    function challenge(
        bytes32[6] calldata bid,
        Job calldata job,
        uint256 item,
        bytes32 itemRoot,
        bytes32[] calldata proof,
        bytes32 seal,
        address[] calldata delegates
    ) external payable returns (bytes32 game) {
        // On a private lease both sides publish plaintext: only those who know it may make them (rule 23).
        if (bid.isPrivate() && !bid.isParty(msg.sender, delegates)) revert Disputes_Private(msg.sender);
        bytes32 jobHash = JobLib.hash(job);
        if (jobHash != bid.jobHash()) revert Disputes_WrongJob(jobHash);
        if (item >= job.items) revert Disputes_NoItem(item, job.items);
        // Refused there: a lease that is not posted, whose window is over, or that is no tape's.
        (bytes32 outputRoot, uint256 held, uint256 ran) = _escrow.freeze(bid);
        if (proof.length != TreeLib.depth(job.items)) {
            revert Disputes_Count(TreeLib.depth(job.items), proof.length);
        }
        if (TreeLib.climb(itemRoot, item, proof) != outputRoot) revert Disputes_BadProof();
        LeaseId leaseId = bid.leaseId();
        LeaseWord w = _leases[leaseId];
        if (w.isSentence()) revert Disputes_Convicted(leaseId);
        bytes32 caseId = TreeLib.cut(keccak256(abi.encode(leaseId, jobHash, item, itemRoot)));
        game = _gameId(caseId, msg.sender, seal);
        if (_games[game].state.phase() != Phase.None) revert Disputes_GameExists(game);
        bytes32 root = _traceOf(w, caseId, item);
        _open(game, root, job, _bond(bid, job.items), _traceClock(bid, held, ran));
        emit Challenged(game, leaseId, msg.sender, item, itemRoot, seal);
    }

    function _open(bytes32 game, bytes32 root, Job calldata job, uint256 bond, uint256 traceClock) private {
        uint256 inner = job.program.nodes - job.program.outputs;
        // Known already, or there is nothing to know: the challenger moves, from the root.
        bool known = root != 0 || inner == 0;
        // Also where the trace is known the provider may have to compute it again, long after the other game.
        GameWord g = GameLib.opened(
            _now(), known ? Phase.Pick : Phase.Trace, TreeLib.depth(inner), bond, _moveClock, traceClock
        );
        if (known) {
            // Nobody is bound to answer yet: the operator adopts the game with its first answer's key.
            bytes32 position = _positionHash(root, 0, 0, address(0));
            _games[game].position = position;
            g = g.withTag(position);
        }
        _games[game].state = g;
    }

    function _bond(bytes32[6] calldata bid, uint256 items) private view returns (uint256 gwei_) {
        uint256 needed = _bondOf(bid, items);
        if (msg.value < needed) revert Disputes_BondTooLow(JudgeLib.wholeUp(needed), msg.value);
        // A rest would be nobody's: a game keeps gwei.
        if (msg.value % 1 gwei != 0) revert Disputes_BondNotWhole(msg.value);
        if (msg.value > MOST_BOND) revert Disputes_BondTooHigh(MOST_BOND, msg.value);
        gwei_ = msg.value / 1 gwei;
    }

    /// @dev Sham games must not delay an honest one without bound (rule 13): what the provider needs for all traces
    /// that it may owe, but no more than six times what the whole job took it.
    function _traceClock(bytes32[6] calldata bid, uint256 held, uint256 ran) private view returns (uint256) {
        uint256 wanted = bid.traceAllowance() * held;
        return _moveClock + (wanted < 6 * ran ? wanted : 6 * ran);
    }

    /// @inheritdoc IDisputeMoves
    function trace(
        address owner,
        bytes32 bidHash,
        Case calldata case_,
        address challenger,
        bytes32 seal,
        bytes32[] calldata children
    ) external {
        bytes32 caseId = _caseId(case_);
        bytes32 game = _gameId(caseId, challenger, seal);
        _requireProvider(owner, bidHash, case_);
        GameWord g = _owed(game, Phase.Trace).withProviderLeft(_moveClock);
        uint256 shown = GameLib.step(false, g.levels());
        if (children.length != 1 << shown) revert Disputes_Count(1 << shown, children.length);
        bytes32 root = TreeLib.rootOf(children);
        // INVARIANT: no trace looks like a sentence. The root of a single node is not hashed here, so it could.
        if (root == 0 || root != TreeLib.cut(root)) revert Disputes_BadProof();
        // INVARIANT: a trace is written once (rule 8): all games of a case are about one and the same.
        LeaseWord w = _leases[case_.leaseId];
        if (w.isSentence()) revert Disputes_Convicted(case_.leaseId);
        bytes32 known = _traceOf(w, caseId, case_.item);
        if (known == 0) {
            if (LeaseWord.unwrap(w) == 0) _leases[case_.leaseId] = SentenceLib.traced(root, case_.item);
            else _traces[caseId] = root;
        } else if (known != root) {
            revert Disputes_BadProof();
        }
        uint256 gas_ = ANSWER_GAS + (known == 0 ? 2 : 1) * SLOT_GAS;
        uint256 sum;
        (g, sum) = _repay(g.standing(0, g.levels(), shown, Phase.Pick), gas_, children.length, 0);
        _store(game, g, _positionHash(root, 0, 0, msg.sender));
        _send(msg.sender, sum);
    }

    /// @inheritdoc IDisputeMoves
    function adopt(
        address owner,
        bytes32 bidHash,
        Case calldata case_,
        address challenger,
        bytes32 seal,
        Position calldata position
    ) external {
        bytes32 game = _gameId(_caseId(case_), challenger, seal);
        _requireProvider(owner, bidHash, case_);
        // Only when the provider is to move: else it could change the tag under each pick on its way (rule 8).
        Phase phase = _games[game].state.phase();
        (bool provider,) = GameLib.mover(phase);
        if (!provider) revert Disputes_WrongPhase(game, phase);
        _requirePosition(game, position);
        bytes32 next = _positionHash(position.anchor, position.site, position.left, msg.sender);
        _games[game] = Stored(_games[game].state.withTag(next), next);
        emit Adopted(game, msg.sender);
    }

    function _requireProvider(address owner, bytes32 bidHash, Case calldata case_) private view {
        LeaseId leaseId = BidLib.idOf(owner, bidHash);
        if (LeaseId.unwrap(leaseId) != LeaseId.unwrap(case_.leaseId)) revert Disputes_WrongLease(leaseId);
        if (_escrow.operatorOf(owner) != msg.sender) revert Disputes_NotProvider(msg.sender);
    }

    // ---------------------------------------------------------------------------------------------- going down

    /// @inheritdoc IDisputeMoves
    function pick(bytes32 caseId, bytes32 seal, uint48 tag, uint256 index) external {
        (bytes32 game, GameWord g) = _mine(caseId, seal, Phase.Pick, Phase.Pick);
        _requireTag(g, tag);
        // Not below the last level: there is nothing to show, `land`, `element` and `prove` go on from there.
        uint256 shown = g.shown();
        if (index >> shown != 0 || shown == 0 || shown == g.levels()) revert Disputes_NoChild(index);
        _store(game, g.withChosen(index).withPhase(Phase.Reveal));
    }

    /// @inheritdoc IDisputeMoves
    function jump(
        bytes32 caseId,
        bytes32 seal,
        Position calldata position,
        bytes32 node,
        uint256 index,
        bytes32[] calldata siblings
    ) external {
        (bytes32 game, GameWord g) = _mine(caseId, seal, Phase.Pick, Phase.Pick);
        _requirePosition(game, position);
        uint256 down = siblings.length;
        uint256 levels = g.levels();
        // At the last level of the trace `land` goes on; leaves of a tensor are shown when asked for.
        if (down == 0 || down > levels || (position.site == 0 && down == levels) || index >> down != 0) {
            revert Disputes_NoChild(index);
        }
        if (TreeLib.climb(node, index, siblings) != position.anchor) revert Disputes_BadProof();
        bytes32 left = TreeLib.leftOf(position.left, index, siblings);
        g = g.standing(g.path() << down | index, levels - down, 0, Phase.Reveal);
        _store(game, g, _positionHash(node, position.site, left, position.operator));
    }

    /// @inheritdoc IDisputeMoves
    function land(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        Job calldata job,
        uint256 node,
        bytes calldata header,
        bytes32[] calldata headerProof,
        bytes32 tensorRoot,
        bytes32[] calldata siblings
    ) external {
        (bytes32 game, GameWord g) = _landing(case_, seal, position, job);
        uint256 levels = g.levels();
        // A node that does not exist, or not here, must not leave an honest provider without an answer (rule 18).
        if (node >= job.program.nodes - job.program.outputs || node >> levels != g.path()) {
            revert Disputes_NoNode(node);
        }
        if (siblings.length != levels) revert Disputes_Count(levels, siblings.length);
        if (TreeLib.climb(tensorRoot, node, siblings) != position.anchor) revert Disputes_BadProof();
        bytes32 left = TreeLib.leftOf(position.left, node, siblings);
        _landed(game, g, job, node, header, headerProof, tensorRoot, left, position.operator);
    }

    /// @inheritdoc IDisputeMoves
    function landOnOutput(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        Job calldata job,
        uint256 node,
        bytes calldata header,
        bytes32[] calldata headerProof,
        bytes32[] calldata roots
    ) external {
        (bytes32 game, GameWord g) = _landing(case_, seal, position, job);
        uint256 inner = job.program.nodes - job.program.outputs;
        if (node < inner || node >= job.program.nodes) revert Disputes_NoNode(node);
        if (roots.length != job.program.outputs) revert Disputes_Count(job.program.outputs, roots.length);
        if (JobLib.itemRoot(roots) != case_.itemRoot) revert Disputes_BadProof();
        bytes32 left;
        for (uint256 i; i < node - inner; ++i) {
            left = TreeLib.hash2(left, roots[i]);
        }
        _landed(game, g, job, node, header, headerProof, roots[node - inner], left, position.operator);
    }

    function _landing(Case calldata case_, bytes32 seal, Position calldata position, Job calldata job)
        private
        view
        returns (bytes32 game, GameWord g)
    {
        (game, g) = _mine(_caseId(case_), seal, Phase.Pick, Phase.Pick);
        _requirePosition(game, position);
        if (position.site != 0) revert Disputes_OtherPosition(game);
        if (JobLib.hash(job) != case_.jobHash) revert Disputes_WrongJob(case_.jobHash);
    }

    function _landed(
        bytes32 game,
        GameWord g,
        Job calldata job,
        uint256 node,
        bytes calldata header,
        bytes32[] calldata headerProof,
        bytes32 tensorRoot,
        bytes32 left,
        address operator
    ) private {
        bytes32 hash = JobLib.headerHash(header);
        if (headerProof.length != TreeLib.depth(job.program.nodes)) {
            revert Disputes_Count(TreeLib.depth(job.program.nodes), headerProof.length);
        }
        if (TreeLib.climb(hash, node, headerProof) != job.program.nodesRoot) revert Disputes_BadProof();
        Facts facts = SiteLib.pack(
            _referee.describe(header),
            _now(),
            node,
            uint256(job.program.inputs) + job.program.constants,
            job.program.nodes - job.program.outputs
        );
        bytes32 site = TreeLib.hash2(keccak256(header), bytes32(Facts.unwrap(facts)));
        _store(
            game,
            g.standing(0, facts.depth(), 0, Phase.Reveal),
            _positionHash(tensorRoot, site, left, operator)
        );
    }

    /// @inheritdoc IDisputeMoves
    function reveal(
        bytes32 game,
        bytes32 site,
        bytes32 left,
        bytes32[] calldata children,
        bytes32[] calldata siblings
    ) external {
        GameWord g = _owed(game, Phase.Reveal);
        uint256 below = g.below();
        uint256 shown = GameLib.step(site != 0, below);
        if (children.length != 1 << shown) revert Disputes_Count(1 << shown, children.length);
        // Where so few leaves are left, they are what has to be shown.
        if (site != 0 && shown == below) revert Disputes_Count(8, 0);
        _reveal(game, g, site, left, TreeLib.rootOf(children), shown, children.length, siblings);
    }

    /// @inheritdoc IDisputeMoves
    function revealLeaves(
        bytes32 game,
        bytes32 site,
        bytes32 left,
        bytes calldata leaves,
        bytes32[] calldata siblings
    ) external {
        GameWord g = _owed(game, Phase.Reveal);
        uint256 below = g.below();
        if (site == 0 || GameLib.step(true, below) != below) revert Disputes_Count(0, leaves.length);
        if (leaves.length != LeafLib.BYTES << below) revert Disputes_Count(LeafLib.BYTES << below, leaves.length);
        _reveal(game, g, site, left, TreeLib.rootOfLeaves(leaves), below, leaves.length / 32, siblings);
    }

    function _reveal(
        bytes32 game,
        GameWord g,
        bytes32 site,
        bytes32 left,
        bytes32 node,
        uint256 shown,
        uint256 words,
        bytes32[] calldata siblings
    ) private {
        uint256 down = g.shown();
        uint256 index = g.chosen();
        if (siblings.length != down) revert Disputes_Count(down, siblings.length);
        bytes32 anchor = TreeLib.climb(node, index, siblings);
        // What does not hash to the provider's own commitment, or comes from another key, is no answer.
        if (_games[game].position != _positionHash(anchor, site, left, msg.sender)) {
            revert Disputes_OtherPosition(game);
        }
        left = TreeLib.leftOf(left, index, siblings);
        uint256 sum;
        (g, sum) = _repay(
            g.standing(g.path() << down | index, g.below(), shown, Phase.Pick),
            ANSWER_GAS,
            words,
            down
        );
        _store(game, g, _positionHash(node, site, left, msg.sender));
        _send(msg.sender, sum);
    }
}
