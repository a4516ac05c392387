// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryAsks} from "./DeliveryAsks.sol";
import {DeliveryState} from "./DeliveryState.sol";
import {IDelivery} from "./interfaces/IDelivery.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {DemandLib, DemandWord} from "./libraries/DemandLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Demand, DeliveryTerms, Kind, Queue, SizeProof, Status, Wanted} from "./types/DeliveryTypes.sol";
import {Conviction, Job, Verdict} from "./types/DisputeTypes.sol";
import {LeaseId, LeaseState} from "./types/Types.sol";

/// @title Delivery
/// @notice See IDelivery.
contract Delivery is DeliveryAsks {
    using BidLib for bytes32[6];
    using DemandLib for DemandWord;

    constructor(IEscrow escrow_, IDisputes disputes_, IReferee referee_, DeliveryTerms memory t)
        DeliveryState(escrow_, disputes_, referee_, t)
    {}

    // ------------------------------------------------------------------------------------------------ answer

    /// @inheritdoc IDelivery
    function deliver(bytes32[6] calldata bid, Kind kind, bytes calldata data) external {
        if (!JudgeLib.isPlain()) revert Delivery_NotPlain(msg.sender);
        if (_escrow.operatorOf(bid.owner()) != msg.sender) revert Delivery_NotProvider(msg.sender);
        LeaseId leaseId = bid.leaseId();
        // INVARIANT: what does not hash to the demanded node, or is of another size, has no open demand.
        bytes32 demand = _idOf(leaseId, kind, _nodeOf(kind, data), data.length);
        DemandWord d = _demands[demand];
        if (!d.isOpen()) revert Delivery_NotOpen(demand, d.status());
        if (clock() > d.until()) revert Delivery_OutOfTime(demand);
        _dequeue(leaseId, d.status());
        uint256 bond = d.bond();
        uint256 sum = _repayment(data.length, bond);
        _demands[demand] = d.withStatus(Status.Answered).withBond(bond - sum);
        emit Delivered(demand, leaseId);
        _escrow.release(bid);
        _send(msg.sender, sum * 1 gwei);
    }

    function _nodeOf(Kind kind, bytes calldata data) private pure returns (bytes32) {
        if (kind == Kind.Leaves) return TreeLib.rootOfLeaves(data);
        bytes32[] calldata words = _words(data);
        return kind == Kind.Roots ? JobLib.itemRoot(words) : TreeLib.rootOf(words);
    }

    /// @dev A rest of less than a word is not hashed; but its size is part of the demand's id.
    function _words(bytes calldata data) private pure returns (bytes32[] calldata words) {
        assembly ("memory-safe") {
            words.offset := data.offset
            words.length := shr(5, data.length)
        }
    }

    function _dequeue(LeaseId leaseId, Status status) private {
        Queue storage queue = _queues[leaseId];
        if (queue.silent != 0) revert Delivery_Silent(leaseId);
        if (status == Status.Asked) --queue.asked;
        else --queue.requested;
    }

    // -------------------------------------------------------------------------------------------------- ends

    /// @inheritdoc IDelivery
    function timeout(bytes32[6] calldata bid, Wanted calldata wanted) external {
        LeaseId leaseId = bid.leaseId();
        bytes32 demand = _idOf(leaseId, wanted);
        DemandWord d = _demands[demand];
        if (!d.isOpen()) revert Delivery_NotOpen(demand, d.status());
        if (clock() <= d.until()) revert Delivery_InTime(demand, d.until());
        _demands[demand] = d.withStatus(Status.Unanswered);
        Queue memory queue = _queues[leaseId];
        _fallSilent(bid, demand, queue.asked + queue.requested);
    }

    /// @inheritdoc IDelivery
    function collect(bytes32[6] calldata bid, Wanted calldata wanted) external {
        LeaseId leaseId = bid.leaseId();
        bytes32 demand = _idOf(leaseId, wanted);
        DemandWord d = _demands[demand];
        if (msg.sender != d.demander()) revert Delivery_NotDemander(msg.sender);
        if (d.status() == Status.Closed) revert Delivery_NothingToCollect(demand);
        bool isPaid = false;
        if (d.status() == Status.Answered) {
            _demands[demand] = d.withStatus(Status.Closed).withBond(0);
        } else {
            Verdict memory v = _disputes.verdictOf(leaseId);
            if (v.how == Conviction.None && _escrow.leaseOf(leaseId).state != LeaseState.Convicted) {
                revert Delivery_InTime(demand, d.until());
            }
            // Only what was open when silence was found has a part in the reward, and only of that silence.
            bool earns = _queues[leaseId].silent != 0;
            isPaid = earns && v.settled;
            if (!earns || v.settled) d = d.withStatus(Status.Closed);
            else if (d.bond() == 0) revert Delivery_NothingToCollect(demand);
            _demands[demand] = d.withBond(0);
        }
        _pay(bid, demand, d.bond() * 1 gwei, isPaid);
    }

    function _pay(bytes32[6] calldata bid, bytes32 demand, uint256 coin, bool isPaid) private {
        uint256 reward = isPaid ? _disputes.takePart(bid, msg.sender) : 0;
        emit Collected(demand, msg.sender, coin, reward);
        _send(msg.sender, coin);
    }

    /// @inheritdoc IDelivery
    function burnFee(bytes32[6] calldata bid, Job calldata job, SizeProof[] calldata sizes) external {
        if (msg.sender != bid.client()) revert Delivery_NotClient(msg.sender);
        _requireJob(bid, job);
        uint256 leaves;
        uint256 next;
        for (uint256 i; i < sizes.length; ++i) {
            SizeProof calldata size = sizes[i];
            // Ascending, so that none counts twice.
            if (size.output < next) revert Delivery_NoOutput(size.output, job.program.outputs);
            next = size.output + 1;
            leaves += _leavesOf(job, size.output, size.header, size.headerProof);
        }
        leaves *= job.items;
        if (leaves <= BIG_OUTPUT) revert Delivery_NotBig(leaves, BIG_OUTPUT);
        _escrow.burnFeeInProtest(bid);
    }

    // ------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IDelivery
    function demandId(LeaseId leaseId, Wanted calldata wanted) external pure returns (bytes32) {
        return _idOf(leaseId, wanted);
    }

    /// @inheritdoc IDelivery
    function demandOf(bytes32 demand) external view returns (Demand memory) {
        return _demands[demand].read();
    }

    /// @inheritdoc IDelivery
    function queueOf(LeaseId leaseId) external view returns (Queue memory) {
        return _queues[leaseId];
    }
}
