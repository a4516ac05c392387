// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Auditors} from "./Auditors.sol";
import {IAudits} from "./interfaces/IAudits.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {Audit, Part, Stage, Task} from "./types/AuditTypes.sol";
import {Job} from "./types/DisputeTypes.sol";
import {LeaseId, LeaseView} from "./types/Types.sol";

/// @title Ordering audits, and the draw of item and auditors
abstract contract AuditDraws is Auditors {
    using BidLib for bytes32[6];

    uint256 internal constant MOST_TASKS = 8;
    /// @dev Draws for a task before it is given up: those who left, or are drawn already, are drawn past.
    uint256 private constant TRIES = 8;
    /// @dev Blocks from the call to the one that draws.
    uint256 private constant BLOCKS_AHEAD = 4;

    /// @inheritdoc IAudits
    function spanOf(bytes32[6] calldata bid, bool byClient) public view returns (uint256) {
        return _drawClock + _commitSpan(bid, byClient) + _revealClock + _contestClock;
    }

    /// @dev The provider may owe two audits at a time, the client's first (rule 13).
    function _commitSpan(bytes32[6] calldata bid, bool byClient) private view returns (uint256) {
        return _commitClock + uint256(bid.traceAllowance()) * (byClient ? 1 : 2);
    }

    /// @dev What is left of the lease's window, and whether it is enough.
    function _leftOf(bytes32[6] calldata bid, LeaseId leaseId, uint256 needed)
        private
        view
        returns (uint256 left, bool enough)
    {
        uint256 end = _windowEnd(bid, _leaseOf(leaseId));
        uint256 now_ = clock();
        left = end > now_ ? end - now_ : 0;
        enough = left >= needed;
    }

    function _windowEnd(bytes32[6] calldata bid, LeaseView memory lease) internal pure returns (uint256) {
        return uint256(lease.lastBeat) + bid.challengeWindow();
    }

    // ------------------------------------------------------------------------------------------------- orders

    /// @inheritdoc IAudits
    function order(bytes32[6] calldata bid, Job calldata job, uint256 tasks) external {
        LeaseId leaseId = bid.leaseId();
        if (bid.isPrivate()) revert Audits_Private(leaseId);
        bytes32 jobHash = JobLib.hash(job);
        if (jobHash != bid.jobHash()) revert Audits_WrongJob(jobHash);
        bool byClient = msg.sender == bid.client();
        bytes32 id = _idOf(leaseId, byClient);
        Audit memory a = _audits[id];
        // The client's audit is its own: no stranger's order can stand in its way.
        if (a.stage == Stage.None) {
            _escrow.freeze(bid); // refused: a lease that is not posted, whose window is over, or that is no tape's
            a.items = job.items;
            a.inner = uint16(job.program.nodes - job.program.outputs);
            a.outputs = uint8(job.program.outputs);
            _call(a, bid, byClient);
        } else if (a.stage != Stage.Called) {
            revert Audits_WrongStage(a.stage);
        } else if (block.number > a.drawBlock) {
            revert Audits_TooLate(a.drawBlock); // the draw can be known already
        }
        uint256 most = MOST_TASKS - a.tasks;
        if (tasks == 0 || tasks > most) revert Audits_Count(most, tasks);
        for (uint256 i; i < tasks; ++i) {
            Task storage task = _tasks[id][a.tasks + i];
            (task.payer, task.part) = (msg.sender, Part.Ordered);
        }
        a.tasks += uint8(tasks);
        _audits[id] = a;
        uint256 fee = feeOf(bid, job.items);
        emit Ordered(leaseId, byClient, msg.sender, tasks, fee);
        _pull(bid.token(), fee * tasks);
    }

    /// @dev INVARIANT: whatever an audit finds, there is time left to open a game about it.
    function _call(Audit memory a, bytes32[6] calldata bid, bool byClient) private {
        LeaseId leaseId = bid.leaseId();
        uint256 needed = spanOf(bid, byClient);
        (uint256 left, bool enough) = _leftOf(bid, leaseId, needed);
        if (!enough) revert Audits_NoTime(needed, left);
        a.stage = Stage.Called;
        a.calledAt = uint40(clock());
        a.drawBlock = uint40(block.number + BLOCKS_AHEAD);
        emit Called(leaseId, byClient, a.drawBlock, uint256(a.calledAt) + _drawClock);
    }

    /// @inheritdoc IAudits
    function redraw(bytes32[6] calldata bid, bool byClient) external {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _load(leaseId, byClient, Stage.Called);
        // INVARIANT: a draw that is there cannot be replaced by another.
        if (!_isExpired(a)) revert Audits_HashIsThere(a.drawBlock);
        (, bool enough) = _leftOf(bid, leaseId, spanOf(bid, byClient));
        if (!enough) return _callOff(id, a, bid, byClient);
        _call(a, bid, byClient);
        _audits[id] = a;
    }

    function _isExpired(Audit memory a) private view returns (bool) {
        if (block.number <= a.drawBlock) return false;
        return blockhash(a.drawBlock) == 0 || clock() > uint256(a.calledAt) + _drawClock;
    }

    // -------------------------------------------------------------------------------------------------- draw

    /// @inheritdoc IAudits
    function height() external view returns (uint256) {
        return block.number;
    }

    /// @inheritdoc IAudits
    function draw(bytes32[6] calldata bid, bool byClient) external {
        LeaseId leaseId = bid.leaseId();
        (bytes32 id, Audit memory a) = _load(leaseId, byClient, Stage.Called);
        if (block.number <= a.drawBlock) revert Audits_NoHash(a.drawBlock);
        if (_isExpired(a)) revert Audits_TooLate(uint256(a.calledAt) + _drawClock);
        // In time, so what is left of the window holds the rest: `order` and `redraw` have seen to it.
        a.seed = keccak256(abi.encode(blockhash(a.drawBlock), id));
        a.assigned = uint8(_assign(id, a, bid, byClient));
        if (a.assigned == 0) return _callOff(id, a, bid, byClient);
        a.stage = Stage.Drawn;
        a.item = uint32(_number(a.seed, 0) % a.items);
        // INVARIANT: the seed names the item. What the other audit shows of one could be copied here, so this one takes the
        // next; which of two draws is the first, a re-org may change (rule 8). Auditors are the same either way.
        if (a.items != 1 && _hasDrawn(_audits[_idOf(leaseId, !byClient)], a.item)) {
            a.seed = keccak256(abi.encode(a.seed));
            a.item = (a.item + 1) % a.items;
        }
        a.commitUntil = uint40(clock() + _commitSpan(bid, byClient));
        _audits[id] = a;
        emit Drawn(leaseId, byClient, a.item, a.commitUntil);
        _giveBack(id, a.assigned, a.tasks, bid, feeOf(bid, a.items));
    }

    /// @dev Whether the audit has drawn this item.
    function _hasDrawn(Audit storage a, uint256 item) internal view returns (bool) {
        return a.commitUntil != 0 && a.item == item;
    }

    function _number(bytes32 seed, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i)));
    }

    /// @dev From the list as it was before the lease can have been opened: what is enrolled for this lease alone comes
    /// too late (rule 25).
    function _assign(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient)
        private
        returns (uint256 assigned)
    {
        LeaseId leaseId = bid.leaseId();
        uint256 startedAt = _leaseOf(leaseId).startedAt;
        uint256 before = uint256(bid.startDeadline()) + 1;
        if (startedAt <= before) return 0;
        uint256 reading = startedAt - before;
        uint256 count = countAt(reading);
        if (count == 0) return 0;
        for (uint256 i = 1; i <= TRIES * a.tasks && assigned < a.tasks; ++i) {
            address auditor = _drawn(_number(a.seed, i), count, reading, a.calledAt);
            if (auditor == address(0) || _isAmong(id, assigned, auditor)) continue;
            Task storage task = _tasks[id][assigned];
            (task.auditor, task.part) = (auditor, Part.Assigned);
            _engage(auditor);
            emit Assigned(leaseId, byClient, auditor, assigned++);
        }
    }

    function _isAmong(bytes32 id, uint256 assigned, address auditor) private view returns (bool) {
        for (uint256 i; i < assigned; ++i) {
            if (_tasks[id][i].auditor == auditor) return true;
        }
        return false;
    }

    /// @dev Without an audit: all fees back, and the lease is let go.
    function _callOff(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient) private {
        _giveBack(id, 0, a.tasks, bid, feeOf(bid, a.items));
        if (_isConvicted(bid.leaseId())) _reach(id, a, bid, byClient, Stage.Over);
        else _letGo(id, a, bid, byClient);
    }

    function _giveBack(bytes32 id, uint256 from, uint256 to, bytes32[6] calldata bid, uint256 fee) private {
        for (uint256 i = from; i < to; ++i) {
            _return(_tasks[id][i], bid, fee);
        }
    }

    function _return(Task storage task, bytes32[6] calldata bid, uint256 fee) internal {
        task.part = Part.Done;
        _owed[bid.token()][task.payer] += fee;
        emit Returned(bid.leaseId(), task.payer, fee);
    }
}
