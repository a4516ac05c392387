// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditDraws} from "./AuditDraws.sol";
import {IAudits} from "./interfaces/IAudits.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Answer, Audit, Part, Stage, Task} from "./types/AuditTypes.sol";
import {Case} from "./types/DisputeTypes.sol";
import {LeaseId} from "./types/Types.sol";

/// @title Commitments and what opens them
abstract contract AuditAnswers is AuditDraws {
    using BidLib for bytes32[6];

    // ---------------------------------------------------------------------------------------------- auditors

    /// @inheritdoc IAudits
    function commit(
        bytes32[6] calldata bid,
        bool byClient,
        uint256 task,
        bytes32 seed,
        bytes32 commitment,
        bytes32 itemRoot
    ) external {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _load(leaseId, byClient, Stage.Drawn);
        Task storage t = _mine(id, task, Part.Assigned);
        // INVARIANT: who has committed is paid when a lease is convicted elsewhere (`finish`); so nobody commits after that.
        if (_isSentenced(leaseId)) revert Audits_Convicted(leaseId);
        _committing(a, seed, commitment);
        // INVARIANT: nobody is paid for a copy (ADR 053). Who agrees later has stated the root of the provider's item here,
        // by which its trace is found.
        (t.found, t.part) = (_found(commitment, itemRoot), Part.Committed);
        t.late = _isPublic(bid, leaseId, byClient, a.item, itemRoot);
        _audits[id] = a;
        emit Committed(leaseId, byClient, msg.sender);
    }

    /// @dev Whether what the item comes to can be copied from the chain: a game has shown its trace, or what answers the lease's
    /// other audit may show it by now.
    function _isPublic(bytes32[6] calldata bid, LeaseId leaseId, bool byClient, uint256 item, bytes32 itemRoot)
        private
        view
        returns (bool)
    {
        if (_traceIn(bid, leaseId, item, itemRoot) != 0) return true;
        Audit storage other = _audits[_idOf(leaseId, !byClient)];
        return _hasDrawn(other, item) && !_isSealed(other);
    }

    /// @dev The root of the item's trace that the provider has shown in a game; zero if in none.
    function _traceIn(bytes32[6] calldata bid, LeaseId leaseId, uint256 item, bytes32 itemRoot)
        internal
        view
        returns (bytes32)
    {
        return _disputes.traceOf(Case(leaseId, bid.jobHash(), item, itemRoot));
    }

    /// @inheritdoc IAudits
    function abstain(bytes32[6] calldata bid, bool byClient, uint256 task, bytes32 seed) external {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _load(leaseId, byClient, Stage.Drawn);
        Task storage t = _mine(id, task, Part.Assigned);
        // INVARIANT: who abstains can commit no more, so nobody waits for it, and nothing is shown too early.
        _answering(a, seed);
        ++a.opened;
        _audits[id] = a;
        _disengage(msg.sender);
        emit Abstained(leaseId, byClient, msg.sender);
        _return(t, bid, feeOf(bid, a.items));
    }

    /// @inheritdoc IAudits
    function reveal(
        LeaseId leaseId,
        bool byClient,
        uint256 task,
        bytes32 traceRoot,
        bytes32 itemRoot,
        bytes32 salt
    ) external {
        (bytes32 id, Audit memory a) = _load(leaseId, byClient, Stage.Drawn);
        Task storage t = _mine(id, task, Part.Committed);
        _revealing(a);
        bytes32 commitment = _seal(traceRoot, itemRoot, msg.sender, leaseId, a.seed, salt);
        // Without a trace the item's root is all that there is to copy: it is not stated.
        _requireSeal(t.found, _found(commitment, traceRoot == 0 ? bytes32(0) : itemRoot));
        (t.found, t.part) = (_found(traceRoot, itemRoot), Part.Revealed);
        _audits[id] = a;
        _revealed(leaseId, byClient, msg.sender, traceRoot, itemRoot);
    }

    function _mine(bytes32 id, uint256 task, Part needed) private view returns (Task storage t) {
        t = _tasks[id][task];
        if (t.auditor != msg.sender) revert Audits_NotAuditor(msg.sender);
        if (t.part != needed) revert Audits_WrongPart(t.part);
    }

    // ---------------------------------------------------------------------------------------------- provider

    /// @inheritdoc IAudits
    function commitAsProvider(bytes32[6] calldata bid, bool byClient, bytes32 seed, bytes32 commitment)
        external
    {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _asProvider(bid, leaseId, byClient, Answer.None);
        _committing(a, seed, commitment);
        (a.found, a.answer) = (commitment, Answer.Committed);
        _audits[id] = a;
        emit Committed(leaseId, byClient, bid.owner());
    }

    /// @inheritdoc IAudits
    function revealAsProvider(
        bytes32[6] calldata bid,
        bool byClient,
        bytes32 traceRoot,
        bytes32[] calldata roots,
        bytes32 salt,
        bytes32[] calldata proof,
        bytes32 last,
        bytes32[] calldata end
    ) external {
        // INVARIANT: what a game about the item takes can be read from the transaction (ADR 049).
        if (!JudgeLib.isPlain()) revert Audits_NotPlain(msg.sender);
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _asProvider(bid, leaseId, byClient, Answer.Committed);
        _revealing(a);
        bytes32 itemRoot = JobLib.itemRoot(roots);
        _requireSeal(a.found, _seal(traceRoot, itemRoot, bid.owner(), leaseId, a.seed, salt));
        // INVARIANT: what is not under the posted result, or of other outputs than the program's, is no answer: silence,
        // which convicts.
        if (proof.length != TreeLib.depth(a.items) || roots.length != a.outputs) revert Audits_BadProof();
        if (TreeLib.climb(itemRoot, a.item, proof) != _leaseOf(leaseId).outputRoot) revert Audits_BadProof();
        _requireTrace(traceRoot, a.inner, last, end);
        (a.found, a.answer) = (_found(traceRoot, itemRoot), Answer.Revealed);
        _audits[id] = a;
        _revealed(leaseId, byClient, bid.owner(), traceRoot, itemRoot);
    }

    /// @dev INVARIANT: a trace ends with its last inner node. What stood behind it would make true auditors accuse, and no
    /// game could contradict it; nor a trace of a program that has none.
    function _requireTrace(bytes32 traceRoot, uint256 inner, bytes32 last, bytes32[] calldata end) private pure {
        uint256 index;
        unchecked {
            index = inner - 1; // without inner nodes the only leaf is zero
        }
        if (inner == 0 && last != 0) revert Audits_NoTrace();
        if (end.length != TreeLib.depth(inner) || TreeLib.climb(last, index, end) != traceRoot) revert Audits_BadProof();
        bytes32 zeros;
        for (uint256 i; i < end.length; ++i) {
            if (index >> i & 1 == 0 && end[i] != zeros) revert Audits_BadProof();
            zeros = TreeLib.hash2(zeros, zeros);
        }
    }

    function _asProvider(bytes32[6] calldata bid, LeaseId leaseId, bool byClient, Answer needed)
        private
        view
        returns (bytes32 id, Audit memory a)
    {
        if (_escrow.operatorOf(bid.owner()) != msg.sender) revert Audits_NotProvider(msg.sender);
        (id, a) = _load(leaseId, byClient, Stage.Drawn);
        if (a.answer != needed) revert Audits_WrongAnswer(a.answer);
    }

    // ------------------------------------------------------------------------------------------------ shared

    function _committing(Audit memory a, bytes32 seed, bytes32 commitment) private view {
        if (commitment == 0) revert Audits_ZeroCommitment();
        _answering(a, seed);
    }

    /// @dev INVARIANT: what answers a draw that a re-org undid is no answer to the one in its place (rule 8). A reveal
    /// names its draw by the commitment that it opens.
    function _answering(Audit memory a, bytes32 seed) private view {
        if (seed != a.seed) revert Audits_OtherDraw(a.seed);
        if (clock() > a.commitUntil) revert Audits_TooLate(a.commitUntil);
        ++a.committed;
    }

    /// @dev INVARIANT: nothing is shown while somebody could still commit to a copy of it.
    function _revealing(Audit memory a) private view {
        uint256 now_ = clock();
        if (_isSealed(a)) revert Audits_Sealed(a.commitUntil);
        if (now_ > _revealUntil(a)) revert Audits_TooLate(_revealUntil(a));
        ++a.opened;
    }

    /// @dev Whether commitments of others may still come.
    function _isSealed(Audit memory a) private view returns (bool) {
        return a.committed <= a.assigned && clock() <= a.commitUntil;
    }

    function _revealed(LeaseId leaseId, bool byClient, address by, bytes32 traceRoot, bytes32 itemRoot) private {
        emit Revealed(leaseId, byClient, by, traceRoot, itemRoot);
    }

    function _revealUntil(Audit memory a) internal view returns (uint256) {
        return uint256(a.commitUntil) + _revealClock;
    }

    function _found(bytes32 traceRoot, bytes32 itemRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(traceRoot, itemRoot));
    }

    function _seal(
        bytes32 traceRoot,
        bytes32 itemRoot,
        address account,
        LeaseId leaseId,
        bytes32 seed,
        bytes32 salt
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(traceRoot, itemRoot, account, leaseId, seed, salt));
    }

    function _requireSeal(bytes32 given, bytes32 opened) private pure {
        if (given != opened) revert Audits_BadSeal();
    }
}
