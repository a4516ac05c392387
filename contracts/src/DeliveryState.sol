// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clock} from "./Clock.sol";
import {IDelivery} from "./interfaces/IDelivery.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {DemandWord} from "./libraries/DemandLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {DeliveryTerms, Kind, Queue, Wanted} from "./types/DeliveryTypes.sol";
import {LeaseId} from "./types/Types.sol";

/// @title What demanding and answering share: storage, fixed values, names and prices
abstract contract DeliveryState is Clock, IDelivery {
    using BidLib for bytes32[6];

    /// @inheritdoc IDelivery
    /// @dev 100 kB. A byte costs the demander some 69 gas (docs/disputes.md), so this much 7.1M.
    uint256 public constant BIG_OUTPUT = 800;

    uint256 internal constant MOST_REQUESTED = 8;
    /// @dev Demands earn a claim each, up to four: four claims of games are a token's whole reserve (rule 4), and pay
    /// the gas of an honest demand also beside eight of the provider's own.
    uint256 private constant MOST_SHARES = 4;
    /// @dev A bond holds four times the answer's gas at the base fee of its opening (rule 12).
    uint256 private constant BOND_PARTS = 4;
    /// @dev Short answers: the work of the call, with a bid of few zero bytes; then calldata and hashing per word.
    uint256 private constant WORK_GAS = 61_700;
    uint256 private constant WORD_GAS = 640;
    /// @dev Long ones: what the chain asks at least for calldata (EIP-7623), 21,000 and the bid included.
    uint256 private constant FLOOR_GAS = 31_500;
    uint256 private constant FLOOR_WORD_GAS = 1_280;

    IEscrow internal immutable _escrow;
    IDisputes internal immutable _disputes;
    IReferee internal immutable _referee;
    uint32 internal immutable _demandClock;
    uint64 private immutable _tip;
    uint64 private immutable _dataFee;

    mapping(bytes32 demand => DemandWord) internal _demands;
    mapping(LeaseId => Queue) internal _queues;

    constructor(IEscrow escrow_, IDisputes disputes_, IReferee referee_, DeliveryTerms memory t)
        Clock(t.clockKind, t.clockSource)
    {
        if (address(escrow_) == address(0)) revert Delivery_BadTerms("escrow");
        if (address(disputes_).code.length == 0) revert Delivery_BadTerms("disputes");
        if (address(referee_).code.length == 0) revert Delivery_BadTerms("referee");
        if (t.demandClock == 0) revert Delivery_BadTerms("demandClock");
        (_escrow, _disputes, _referee) = (escrow_, disputes_, referee_);
        (_demandClock, _tip, _dataFee) = (t.demandClock, t.tip, t.dataFee);
    }

    /// @inheritdoc IDelivery
    function terms() external view returns (DeliveryTerms memory t) {
        (t.demandClock, t.tip, t.dataFee) = (_demandClock, _tip, _dataFee);
        (t.clockKind, t.clockSource) = _clockTerms();
    }

    function _idOf(LeaseId leaseId, Kind kind, bytes32 node, uint256 size) internal pure returns (bytes32) {
        return keccak256(abi.encode(leaseId, kind, node, size));
    }

    function _idOf(LeaseId leaseId, Wanted calldata wanted) internal pure returns (bytes32) {
        return _idOf(leaseId, wanted.kind, wanted.node, wanted.size);
    }

    /// @inheritdoc IDelivery
    function answerGas(uint256 size) public pure returns (uint256) {
        uint256 words = size / 32;
        uint256 work = WORK_GAS + words * WORD_GAS;
        uint256 floor = FLOOR_GAS + words * FLOOR_WORD_GAS;
        return work > floor ? work : floor;
    }

    /// @inheritdoc IDelivery
    function bondOf(uint256 size) external view returns (uint256) {
        return JudgeLib.wholeUp(_bondOf(size));
    }

    /// @dev See `bondOf`, but exact to the wei.
    function _bondOf(uint256 size) internal view returns (uint256) {
        return BOND_PARTS * answerGas(size) * block.basefee + size * _dataFee;
    }

    /// @dev What an answer is repaid out of a bond, both in gwei.
    function _repayment(uint256 size, uint256 bond) internal view returns (uint256) {
        return JudgeLib.repayment(answerGas(size), size, _tip, _dataFee, bond);
    }

    /// @dev INVARIANT: silence is a conviction, and nothing cheaper (rule 6). The lease stays held until it has ended.
    /// @param open demands that have a part in the reward
    function _fallSilent(bytes32[6] calldata bid, bytes32 demand, uint32 open) internal {
        LeaseId leaseId = bid.leaseId();
        Queue storage queue = _queues[leaseId];
        if (queue.silent != 0) revert Delivery_Silent(leaseId);
        queue.silent = open;
        emit Withheld(demand, leaseId);
        _disputes.silence(bid, uint32(open < MOST_SHARES ? open : MOST_SHARES), open);
    }

    function _send(address to, uint256 amount) internal {
        if (amount != 0 && !JudgeLib.trySend(to, amount)) revert Delivery_NotSent(to, amount);
    }
}
