// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryState} from "./DeliveryState.sol";
import {IDelivery} from "./interfaces/IDelivery.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {DemandLib, DemandWord} from "./libraries/DemandLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {LeafLib} from "./libraries/LeafLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Kind, OutputProof, Queue, Spot, Status, Wanted} from "./types/DeliveryTypes.sol";
import {Job} from "./types/DisputeTypes.sol";
import {LeaseId} from "./types/Types.sol";

/// @title Demanding: what is asked for is proven to be part of the posted result
abstract contract DeliveryAsks is DeliveryState {
    using BidLib for bytes32[6];
    using DemandLib for DemandWord;

    /// @dev Levels that one answer spans: 32 hashes, or 32 leaves.
    uint256 private constant STEP = 5;

    /// @inheritdoc IDelivery
    function demandItems(
        bytes32[6] calldata bid,
        Job calldata job,
        address[] calldata delegates,
        bytes32 node,
        uint256 index,
        bytes32[] calldata siblings
    ) external payable returns (bytes32) {
        bytes32 root = _hold(bid, job, delegates);
        uint256 depth = TreeLib.depth(job.items);
        if (siblings.length > depth) revert Delivery_Count(depth, siblings.length);
        uint256 levels = depth - siblings.length;
        _requirePlace(index, siblings.length);
        if (TreeLib.climb(node, index, siblings) != root) revert Delivery_BadProof();
        Spot memory spot = Spot(0, 0, uint32(index), uint8(levels));
        if (index << levels >= job.items) {
            // INVARIANT: beyond the items the tree is zero by definition, and every honest one is.
            bool isZero = siblings.length == 0 || node == TreeLib.rootOfZeros(levels);
            if (isZero) revert Delivery_NoItem(index << levels, job.items);
            return _expose(bid, node, spot);
        }
        // An item's root has no descendants in this tree.
        if (levels == 0) revert Delivery_Count(depth, siblings.length);
        uint256 size = 32 << (levels < STEP ? levels : STEP);
        return _open(bid, delegates, Wanted(Kind.Items, node, uint32(size)), spot);
    }

    /// @dev No bytes show that such a node is right, so it is unanswered at once. It waits in no queue: whoever fills the
    /// strangers' places keeps nobody out. Its size is no answer's: the same node may stand among the items too.
    function _expose(bytes32[6] calldata bid, bytes32 node, Spot memory spot) private returns (bytes32 demand) {
        LeaseId leaseId = bid.leaseId();
        demand = _idOf(leaseId, Kind.Items, node, 0);
        _demands[demand] = DemandLib.opened(Status.Unanswered, clock(), _bond(0), msg.sender);
        emit Demanded(demand, leaseId, msg.sender, Wanted(Kind.Items, node, 0), spot, clock());
        Queue memory queue = _queues[leaseId];
        _fallSilent(bid, demand, queue.asked + queue.requested + 1);
    }

    /// @inheritdoc IDelivery
    function demandRoots(
        bytes32[6] calldata bid,
        Job calldata job,
        address[] calldata delegates,
        uint256 item,
        bytes32 itemRoot,
        bytes32[] calldata siblings
    ) external payable returns (bytes32) {
        _requireItem(_hold(bid, job, delegates), job, item, itemRoot, siblings);
        uint256 size = 32 * uint256(job.program.outputs);
        return _open(bid, delegates, Wanted(Kind.Roots, itemRoot, uint32(size)), Spot(uint32(item), 0, 0, 0));
    }

    /// @inheritdoc IDelivery
    function demandOutput(
        bytes32[6] calldata bid,
        Job calldata job,
        address[] calldata delegates,
        OutputProof calldata proof,
        bytes32 node,
        uint256 index,
        bytes32[] calldata siblings
    ) external payable returns (bytes32) {
        _requireItem(_hold(bid, job, delegates), job, proof.item, JobLib.itemRoot(proof.roots), proof.itemProof);
        if (proof.roots.length != job.program.outputs) {
            revert Delivery_Count(job.program.outputs, proof.roots.length);
        }
        uint256 levels = _below(job, proof, index, siblings.length);
        if (TreeLib.climb(node, index, siblings) != proof.roots[proof.output]) revert Delivery_BadProof();
        Spot memory spot = Spot(uint32(proof.item), uint8(proof.output), uint32(index), uint8(levels));
        return _open(bid, delegates, _wantedBelow(node, levels), spot);
    }

    /// @dev So divided that what comes last is a full answer of leaves, and the answers before it are short.
    function _wantedBelow(bytes32 node, uint256 levels) private pure returns (Wanted memory) {
        if (levels <= STEP) return Wanted(Kind.Leaves, node, uint32(LeafLib.BYTES << levels));
        levels -= STEP;
        return Wanted(Kind.Nodes, node, uint32(32 << (levels < STEP ? levels : STEP)));
    }

    /// @dev Levels below the node, and the node covers something of the shape.
    function _below(Job calldata job, OutputProof calldata proof, uint256 index, uint256 above)
        private
        view
        returns (uint256 levels)
    {
        uint256 leaves = _leavesOf(job, proof.output, proof.header, proof.headerProof);
        uint256 depth = TreeLib.depth(leaves);
        if (above > depth) revert Delivery_Count(depth, above);
        levels = depth - above;
        _requirePlace(index, above);
        if (index << levels >= leaves) revert Delivery_NoLeaf(index << levels, leaves);
    }

    /// @dev Leaves of an output, from its header under the program's root.
    function _leavesOf(Job calldata job, uint256 output, bytes calldata header, bytes32[] calldata headerProof)
        internal
        view
        returns (uint256)
    {
        if (output >= job.program.outputs) revert Delivery_NoOutput(output, job.program.outputs);
        uint256 depth = TreeLib.depth(job.program.nodes);
        if (headerProof.length != depth) revert Delivery_Count(depth, headerProof.length);
        // The last nodes are the outputs.
        uint256 node = uint256(job.program.nodes) - job.program.outputs + output;
        if (TreeLib.climb(JobLib.headerHash(header), node, headerProof) != job.program.nodesRoot) {
            revert Delivery_BadProof();
        }
        IReferee.Node memory facts = _referee.describe(header);
        return facts.rows * LeafLib.perRow(facts.dtype, facts.columns);
    }

    function _requireItem(
        bytes32 root,
        Job calldata job,
        uint256 item,
        bytes32 itemRoot,
        bytes32[] calldata siblings
    ) private pure {
        if (item >= job.items) revert Delivery_NoItem(item, job.items);
        uint256 depth = TreeLib.depth(job.items);
        if (siblings.length != depth) revert Delivery_Count(depth, siblings.length);
        if (TreeLib.climb(itemRoot, item, siblings) != root) revert Delivery_BadProof();
    }

    /// @dev `climb` reads no bits of an index above the siblings: one place must have one name.
    function _requirePlace(uint256 index, uint256 siblings) private pure {
        if (index >> siblings != 0) revert Delivery_BadProof();
    }

    function _requireJob(bytes32[6] calldata bid, Job calldata job) internal pure {
        bytes32 jobHash = JobLib.hash(job);
        if (jobHash != bid.jobHash()) revert Delivery_WrongJob(jobHash);
    }

    /// @dev Holds the lease, within its window, and tells what was posted. Refused by the Escrow: a lease that is not
    /// posted, or is of a kind that is not judged here.
    function _hold(bytes32[6] calldata bid, Job calldata job, address[] calldata delegates)
        private
        returns (bytes32 outputRoot)
    {
        // Answers publish plaintext: only those who know it may have them made (rule 23).
        if (bid.isPrivate() && !bid.isParty(msg.sender, delegates)) revert Delivery_Private(msg.sender);
        _requireJob(bid, job);
        (outputRoot,,) = _escrow.freeze(bid);
    }

    function _open(bytes32[6] calldata bid, address[] calldata delegates, Wanted memory wanted, Spot memory spot)
        private
        returns (bytes32 demand)
    {
        LeaseId leaseId = bid.leaseId();
        demand = _idOf(leaseId, wanted.kind, wanted.node, wanted.size);
        bool isParty = bid.isParty(msg.sender, delegates);
        DemandWord known = _demands[demand];
        if (isParty && known.status() == Status.Requested) {
            _hasten(bid, demand, known);
            return demand;
        }
        if (known.status() != Status.None) revert Delivery_Known(demand, known.status());
        uint256 bond = _bond(wanted.size);
        (Status status, uint256 place) = _enqueue(leaseId, isParty);
        uint256 until = clock() + place * _demandClock;
        _demands[demand] = DemandLib.opened(status, until, bond, msg.sender);
        emit Demanded(demand, leaseId, msg.sender, wanted, spot, until);
    }

    /// @dev INVARIANT: what a stranger demanded first comes to a party no later than if it alone had demanded it
    /// (rule 16). It moves to the party's queue, and stays the stranger's in everything else.
    function _hasten(bytes32[6] calldata bid, bytes32 demand, DemandWord d) private {
        LeaseId leaseId = bid.leaseId();
        (Status status, uint256 place) = _enqueue(leaseId, true);
        uint256 until = clock() + place * _demandClock;
        if (until >= d.until()) revert Delivery_Known(demand, d.status());
        --_queues[leaseId].requested;
        _demands[demand] = DemandLib.opened(status, until, d.bond(), d.demander());
        emit Hastened(demand, leaseId, msg.sender, until);
        _escrow.release(bid); // the demand holds the lease already
        _send(msg.sender, msg.value);
    }

    function _bond(uint256 size) private view returns (uint256 gwei_) {
        uint256 needed = _bondOf(size);
        if (msg.value < needed) revert Delivery_BondTooLow(JudgeLib.wholeUp(needed), msg.value);
        // A rest would be nobody's: a demand keeps gwei.
        if (msg.value % 1 gwei != 0) revert Delivery_BondNotWhole(msg.value);
        gwei_ = msg.value / 1 gwei;
        if (gwei_ > DemandLib.MOST_BOND) revert Delivery_BondTooHigh(DemandLib.MOST_BOND * 1 gwei, msg.value);
    }

    /// @dev INVARIANT: strangers hold at most 8 places, and neither delay the client nor keep it out (rule 16).
    function _enqueue(LeaseId leaseId, bool isParty) private returns (Status, uint256 place) {
        Queue storage queue = _queues[leaseId];
        if (queue.silent != 0) revert Delivery_Silent(leaseId);
        if (isParty) {
            place = ++queue.asked;
            return (Status.Asked, place);
        }
        place = queue.requested + 1;
        if (place > MOST_REQUESTED) revert Delivery_Full(MOST_REQUESTED);
        queue.requested = uint32(place);
        return (Status.Requested, place);
    }
}
