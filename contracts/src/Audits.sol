// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditAnswers} from "./AuditAnswers.sol";
import {AuditState} from "./AuditState.sol";
import {IAudits} from "./interfaces/IAudits.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {Answer, Audit, AuditTerms, Part, Stage, Task} from "./types/AuditTypes.sol";
import {LeaseId, LeaseView} from "./types/Types.sol";

/// @title Audits
/// @notice See IAudits.
contract Audits is AuditAnswers {
    using BidLib for bytes32[6];

    /// @dev As many claims of games an audit counts as at most; four are a token's whole reserve (rule 4).
    uint256 private constant MOST_SHARES = 4;

    constructor(IEscrow escrow_, IDisputes disputes_, AuditTerms memory t)
        AuditState(escrow_, disputes_, t)
    {}

    // -------------------------------------------------------------------------------------------------- ends

    /// @inheritdoc IAudits
    function finish(bytes32[6] calldata bid, bool byClient) external {
        LeaseId leaseId = bid.leaseId();
        bytes32 id = _idOf(leaseId, byClient);
        Audit memory a = _audits[id];
        if (a.stage != Stage.Called && a.stage != Stage.Drawn) revert Audits_WrongStage(a.stage);
        if (_isConvicted(leaseId)) return _cutShort(id, a, bid, byClient);
        if (a.stage != Stage.Drawn) revert Audits_WrongStage(a.stage);
        uint256 until = a.answer == Answer.None ? a.commitUntil : _revealUntil(a);
        if (a.opened <= a.assigned && clock() <= until) revert Audits_TooEarly(until);
        if (a.answer == Answer.Revealed) _compare(id, a, bid, byClient);
        else _convict(id, a, bid, byClient);
    }

    /// @dev Another judge was quicker. Who has committed has done its work; who has not may have stopped for that.
    function _cutShort(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient) private {
        uint256 fee = feeOf(bid, a.items);
        for (uint256 i; i < a.tasks; ++i) {
            Task storage task = _tasks[id][i];
            if (task.part == Part.Done) continue;
            if (task.part > Part.Assigned && !_isCopy(task, a)) _reward(task, bid, fee, Part.Done);
            else _return(task, bid, fee);
            if (task.auditor != address(0)) _disengage(task.auditor);
        }
        _reach(id, a, bid, byClient, Stage.Over);
    }

    /// @dev INVARIANT: silence is a conviction, and nothing cheaper (rule 6). The lease stays held until it has ended.
    function _convict(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient) private {
        uint256 fee = feeOf(bid, a.items);
        // Before the reveals a commitment is all that an auditor could give.
        Part needed = a.answer == Answer.None ? Part.Committed : Part.Revealed;
        uint256 earned;
        for (uint256 i; i < a.assigned; ++i) {
            Task storage task = _tasks[id][i];
            if (task.part == Part.Done) continue; // it abstained
            if (task.part >= needed) {
                _reward(task, bid, fee, Part.Rewarded);
                ++earned;
            } else {
                _fail(task, bid, fee, SILENT_PARTS);
            }
            _disengage(task.auditor);
        }
        _sentence(id, a, bid, byClient, earned);
    }

    /// @dev Whether an auditor agrees with what was public when it committed. It may have run nothing: it is paid nothing, and
    /// loses nothing.
    /// INVARIANT: only what both have opened is compared. A provider could commit to what an auditor's sealed words are.
    function _isCopy(Task storage task, Audit memory a) private view returns (bool) {
        if (task.part != Part.Revealed || a.answer != Answer.Revealed) return false;
        return task.late && task.found == a.found;
    }

    function _compare(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient) private {
        uint256 fee = feeOf(bid, a.items);
        uint256 accusers;
        for (uint256 i; i < a.assigned; ++i) {
            Task storage task = _tasks[id][i];
            if (task.part == Part.Done) continue; // it abstained
            if (task.part != Part.Revealed) {
                _fail(task, bid, fee, SILENT_PARTS);
            } else if (_isCopy(task, a)) {
                _return(task, bid, fee);
            } else if (task.found == a.found) {
                _reward(task, bid, fee, Part.Done);
            } else {
                task.part = Part.Accusing;
                ++accusers;
                continue; // its stake stays at risk
            }
            _disengage(task.auditor);
        }
        if (accusers != 0) return _reach(id, a, bid, byClient, Stage.Contested);
        _letGo(id, a, bid, byClient);
    }

    /// @inheritdoc IAudits
    function close(bytes32[6] calldata bid, bool byClient, bytes32 traceRoot, bytes32 itemRoot) external {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _load(leaseId, byClient, Stage.Contested);
        if (_found(traceRoot, itemRoot) != a.found) revert Audits_OtherRoots();
        if (_isConvicted(leaseId)) {
            _closeAll(id, a, bid, Part.Done);
            return _reach(id, a, bid, byClient, Stage.Over);
        }
        bytes32 shown = _traceIn(bid, leaseId, a.item, itemRoot);
        // INVARIANT: a provider has one trace of an item (rule 8).
        if (shown != 0 && shown != traceRoot) {
            uint256 accusers = _closeAll(id, a, bid, Part.Rewarded);
            return _sentence(id, a, bid, byClient, accusers);
        }
        if (!_isDecided(bid, leaseId)) revert Audits_Undecided(leaseId);
        _closeAll(id, a, bid, Part.None);
        _letGo(id, a, bid, byClient);
    }

    /// @dev No game can be opened any more, and none is open: nothing but this audit holds the lease. Two contested
    /// audits would wait for each other; so no longer than a game can last.
    function _isDecided(bytes32[6] calldata bid, LeaseId leaseId) private view returns (bool) {
        LeaseView memory lease = _leaseOf(leaseId);
        uint256 end = _windowEnd(bid, lease);
        uint256 now_ = clock();
        if (now_ <= end) return false;
        // A provider's clock for its trace holds six times what the lease took (rule 13).
        return lease.freezes == 1 || now_ > end + _gameSpan + 6 * (lease.lastBeat - lease.startedAt);
    }

    /// @dev All accusers' tasks become `outcome`, with their fee; or, if it is None, are punished.
    function _closeAll(bytes32 id, Audit memory a, bytes32[6] calldata bid, Part outcome)
        private
        returns (uint256 accusers)
    {
        uint256 fee = feeOf(bid, a.items);
        for (uint256 i; i < a.assigned; ++i) {
            Task storage task = _tasks[id][i];
            if (task.part != Part.Accusing) continue;
            if (outcome == Part.None) _fail(task, bid, fee, FALSE_PARTS);
            else _reward(task, bid, fee, outcome);
            _disengage(task.auditor);
            ++accusers;
        }
    }

    function _reward(Task storage task, bytes32[6] calldata bid, uint256 fee, Part outcome) private {
        task.part = outcome;
        _owed[bid.token()][task.auditor] += fee;
        emit Earned(bid.leaseId(), task.auditor, fee);
    }

    function _fail(Task storage task, bytes32[6] calldata bid, uint256 fee, uint256 parts) private {
        _punish(task.auditor, parts);
        _return(task, bid, fee);
    }

    /// @dev `earned` parts, of which several count as one claim beyond `MOST_SHARES`. With none, all burns.
    function _sentence(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient, uint256 earned)
        private
    {
        _reach(id, a, bid, byClient, Stage.Silent);
        _disputes.silence(bid, uint32(earned < MOST_SHARES ? earned : MOST_SHARES), uint32(earned));
    }

    /// @inheritdoc IAudits
    function takeReward(bytes32[6] calldata bid, bool byClient, uint256 task) external {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id,) = _load(leaseId, byClient, Stage.Silent);
        Task storage t = _tasks[id][task];
        if (t.part != Part.Rewarded) revert Audits_WrongPart(t.part);
        t.part = Part.Done;
        uint256 amount = _disputes.takePart(bid, t.auditor);
        emit RewardTaken(leaseId, t.auditor, amount);
    }

    // ------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IAudits
    function auditOf(LeaseId leaseId, bool byClient) external view returns (Audit memory) {
        return _audits[_idOf(leaseId, byClient)];
    }

    /// @inheritdoc IAudits
    function tasksOf(LeaseId leaseId, bool byClient) external view returns (Task[] memory tasks) {
        bytes32 id = _idOf(leaseId, byClient);
        tasks = new Task[](_audits[id].tasks);
        for (uint256 i; i < tasks.length; ++i) {
            tasks[i] = _tasks[id][i];
        }
    }
}
