// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {Clock} from "./Clock.sol";
import {IAudits} from "./interfaces/IAudits.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {Audit, AuditTerms, Stage, Task} from "./types/AuditTypes.sol";
import {Conviction} from "./types/DisputeTypes.sol";
import {LeaseId, LeaseState, LeaseView, Listing} from "./types/Types.sol";

/// @title What all parts of Audits share: storage, fixed values, names, prices and the ways of money
/// @dev Token balance >= stakes + fees of open tasks + owed + burnt.
abstract contract AuditState is Clock, IAudits {
    using BidLib for bytes32[6];

    struct Price {
        address token;
        uint96 fixedFee;
    }

    IEscrow internal immutable _escrow;
    IDisputes internal immutable _disputes;
    uint8 internal immutable _stakeToken;
    uint96 internal immutable _stake;
    uint32 internal immutable _drawClock;
    uint32 internal immutable _commitClock;
    uint32 internal immutable _revealClock;
    uint32 internal immutable _contestClock;
    uint32 internal immutable _gameSpan;
    uint32 internal immutable _leaveDelay;
    uint16 internal immutable _percent;

    Price[] private _prices;
    mapping(bytes32 audit => Audit) internal _audits;
    mapping(bytes32 audit => mapping(uint256 task => Task)) internal _tasks;
    mapping(uint8 token => mapping(address account => uint256)) internal _owed;
    /// @inheritdoc IAudits
    uint256 public burntStake;

    /// @dev The Escrow exists already: it is asked for its list.
    constructor(IEscrow escrow_, IDisputes disputes_, AuditTerms memory t) Clock(t.clockKind, t.clockSource) {
        if (address(escrow_).code.length == 0) revert Audits_BadTerms("escrow");
        if (address(disputes_).code.length == 0) revert Audits_BadTerms("disputes");
        if (t.stake == 0) revert Audits_BadTerms("stake");
        if (t.commitClock == 0) revert Audits_BadTerms("commitClock");
        if (t.revealClock == 0) revert Audits_BadTerms("revealClock");
        if (t.contestClock == 0) revert Audits_BadTerms("contestClock");
        // INVARIANT: who is drawn has a stake, also if it left right after the call.
        if (t.leaveDelay <= t.drawClock) revert Audits_BadTerms("leaveDelay");
        (_escrow, _disputes) = (escrow_, disputes_);
        (_stakeToken, _stake, _percent) = (t.stakeToken, t.stake, t.percent);
        (_drawClock, _commitClock, _revealClock) = (t.drawClock, t.commitClock, t.revealClock);
        (_contestClock, _gameSpan, _leaveDelay) = (t.contestClock, t.gameSpan, t.leaveDelay);
        Listing[] memory listed = escrow_.tokens();
        if (t.stakeToken >= listed.length) revert Audits_BadTerms("stakeToken");
        for (uint256 i; i < listed.length; ++i) {
            _prices.push(Price(listed[i].token, t.fixedFees[i]));
        }
    }

    /// @inheritdoc IAudits
    function terms() external view returns (AuditTerms memory t) {
        (t.clockKind, t.clockSource) = _clockTerms();
        (t.stakeToken, t.stake, t.percent) = (_stakeToken, _stake, _percent);
        (t.drawClock, t.commitClock, t.revealClock) = (_drawClock, _commitClock, _revealClock);
        (t.contestClock, t.gameSpan, t.leaveDelay) = (_contestClock, _gameSpan, _leaveDelay);
        for (uint256 i; i < _prices.length; ++i) {
            t.fixedFees[i] = _prices[i].fixedFee;
        }
    }

    // ------------------------------------------------------------------------------------------------- names

    function _idOf(LeaseId leaseId, bool byClient) internal pure returns (bytes32) {
        return keccak256(abi.encode(leaseId, byClient));
    }

    function _load(LeaseId leaseId, bool byClient, Stage needed)
        internal
        view
        returns (bytes32 id, Audit memory a)
    {
        id = _idOf(leaseId, byClient);
        a = _audits[id];
        if (a.stage != needed) revert Audits_WrongStage(a.stage);
    }

    /// @dev Whether somebody else convicted the lease, or has and it is only not settled yet. No hold is left then.
    function _isConvicted(LeaseId leaseId) internal view returns (bool) {
        return _isSentenced(leaseId) || _leaseOf(leaseId).state == LeaseState.Convicted;
    }

    /// @dev The same, as far as Disputes knows: where every judge of this project has its sentences.
    function _isSentenced(LeaseId leaseId) internal view returns (bool) {
        return _disputes.verdictOf(leaseId).how != Conviction.None;
    }

    function _leaseOf(LeaseId leaseId) internal view returns (LeaseView memory) {
        return _escrow.leaseOf(leaseId);
    }

    // -------------------------------------------------------------------------------------------------- ends

    function _reach(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient, Stage stage) internal {
        a.stage = stage;
        _audits[id] = a;
        emit Reached(bid.leaseId(), byClient, stage);
    }

    /// @dev The audit is over, and lets the lease go.
    function _letGo(bytes32 id, Audit memory a, bytes32[6] calldata bid, bool byClient) internal {
        _reach(id, a, bid, byClient, Stage.Over);
        _escrow.release(bid);
    }

    // ------------------------------------------------------------------------------------------------- money

    /// @inheritdoc IAudits
    function feeOf(bytes32[6] calldata bid, uint256 items) public view returns (uint256) {
        uint8 token = bid.token();
        if (token >= _prices.length) revert Audits_UnlistedToken(token);
        uint256 parts = 100 * items;
        return (bid.depositOf() * _percent + parts - 1) / parts + _prices[token].fixedFee;
    }

    /// @inheritdoc IAudits
    function owedOf(uint8 token, address account) external view returns (uint256) {
        return _owed[token][account];
    }

    /// @inheritdoc IAudits
    function withdraw(uint8 token, address to) external {
        if (to == address(0)) revert Audits_ZeroAddress();
        uint256 amount = _owed[token][msg.sender];
        _owed[token][msg.sender] = 0;
        emit Withdrawn(msg.sender, token, to, amount);
        _pay(token, to, amount);
    }

    /// @dev The only way tokens leave. Callers have done all their effects.
    function _pay(uint8 token, address to, uint256 amount) internal {
        if (token >= _prices.length) revert Audits_UnlistedToken(token);
        if (amount != 0) SafeTransferLib.safeTransfer(_prices[token].token, to, amount);
    }

    function _pull(uint8 token, uint256 amount) internal {
        address token_ = _prices[token].token;
        uint256 before = IERC20(token_).balanceOf(address(this));
        SafeTransferLib.safeTransferFrom(token_, msg.sender, address(this), amount);
        uint256 received = IERC20(token_).balanceOf(address(this)) - before;
        if (received != amount) revert Audits_ShortTransfer(amount, received);
    }
}
