// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {EscrowState} from "./EscrowState.sol";
import {IEscrowCore} from "./interfaces/IEscrowCore.sol";
import {IEscrowViews} from "./interfaces/IEscrowViews.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {Lease} from "./libraries/LeaseLib.sol";
import {Bid, Deployment, LeaseId, LeaseMoney, LeaseState, LeaseView, Listing} from "./types/Types.sol";

/// @title The Escrow's views
/// @dev The Escrow hands every call that it does not know to this contract by delegatecall, so these read the
/// Escrow's storage at the Escrow's address. Apart from it they save the calls with effects a look through two dozen
/// selectors. Every function is view or pure: the code holds no instruction that changes state (a test looks).
contract EscrowViews is EscrowState, IEscrowViews {
    using BidLib for bytes32[6];

    constructor(Deployment memory d, IStaking staking_) EscrowState(d, staking_) {}

    /// @inheritdoc IEscrowViews
    function bidHash(bytes32[6] calldata bid) external pure returns (bytes32) {
        return bid.hash();
    }

    /// @inheritdoc IEscrowViews
    function bidDigest(bytes32[6] calldata bid) external view returns (bytes32) {
        return _digest(bid.hash());
    }

    /// @inheritdoc IEscrowViews
    function leaseIdOf(address owner, bytes32 bidHash_) external pure returns (LeaseId) {
        return BidLib.idOf(owner, bidHash_);
    }

    /// @inheritdoc IEscrowViews
    function decodeBid(bytes32[6] calldata bid) external pure returns (Bid memory) {
        if (bid.reserved() != 0) revert IEscrowCore.Escrow_BadBid("reserved");
        return bid.decode();
    }

    /// @inheritdoc IEscrowViews
    function depositOf(bytes32[6] calldata bid) external pure returns (uint256) {
        return bid.depositOf();
    }

    /// @inheritdoc IEscrowViews
    function showUpOf(bytes32[6] calldata bid) external view returns (uint256 client, uint256 provider) {
        Lease l = _leases[bid.leaseId()].lease;
        if (l.state() == LeaseState.None) l = l.withMoreFunded(bid.maxBlocks());
        return _showUp(bid, l);
    }

    /// @inheritdoc IEscrowViews
    function leaseOf(LeaseId id) public view returns (LeaseView memory v) {
        Lease l = _leases[id].lease;
        if (l.state() == LeaseState.None) return v;
        bool started = l.state() != LeaseState.Opened;
        bool isService = l.deadline() == 0;
        bool isPosted = _results[id] != 0;
        v.state = l.state();
        v.grace = l.grace();
        if (started) (v.startedAt, v.lastBeat) = (l.mark(), uint48(l.mark()) + l.lastBeat());
        else v.openedAt = l.mark();
        if (!isService && !isPosted) v.deadline = uint48(l.mark()) + l.deadline();
        v.paidBlocks = l.paid();
        v.fundedBlocks = l.funded();
        v.withdrawnBlocks = l.withdrawn();
        if (isService) v.gaps = l.tally();
        else v.freezes = l.tally();
        v.outputRoot = _results[id];
    }

    /// @inheritdoc IEscrowViews
    function leasesOf(LeaseId[] calldata ids) external view returns (LeaseView[] memory views) {
        views = new LeaseView[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            views[i] = leaseOf(ids[i]);
        }
    }

    /// @inheritdoc IEscrowViews
    function moneyOf(bytes32[6] calldata bid) external view returns (LeaseMoney memory m) {
        Lease l = _leases[bid.leaseId()].lease;
        uint256 rate = bid.ratePerBlock();
        (, uint96 reserve) = _tokenAndReserve(bid.token());
        m.accrued = rate * l.paid();
        m.withdrawn = rate * l.withdrawn();
        if (!_isLive(l.state())) return m;
        m.held = _held(bid, l);
        m.withdrawable = rate * _withdrawable(bid, l, reserve);
        m.refundable = rate * (l.funded() - l.paid());
        if (l.state() != LeaseState.Posted) m.refundable += bid.completionFee();
    }

    /// @inheritdoc IEscrowViews
    function tokens() external view returns (Listing[] memory) {
        return _listings();
    }

    /// @inheritdoc IEscrowViews
    function creditsOf(uint8 token, address account) external view returns (uint256) {
        return _credits[token][account];
    }

    /// @inheritdoc IEscrowViews
    function isNonceUsed(address owner, uint64 nonce) external view returns (bool) {
        return _nonces[owner][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    /// @inheritdoc IEscrowViews
    function nonceWord(address owner, uint64 word) external view returns (uint256) {
        return _nonces[owner][word];
    }

    /// @inheritdoc IEscrowViews
    function kindOf(address judge) external view returns (uint8) {
        return _kindOf[judge];
    }

    /// @inheritdoc IEscrowViews
    function isKindJudged(uint8 kind) external view returns (bool) {
        return _isJudged(kind);
    }

    /// @inheritdoc IEscrowViews
    function staking() external view returns (IStaking) {
        return _staking;
    }

    /// @inheritdoc IEscrowViews
    function burntOf(uint8 token) external view returns (uint256) {
        return _burnt[token];
    }

    /// @inheritdoc IEscrowViews
    function minGrace() external view returns (uint16) {
        return _minGrace;
    }

    /// @inheritdoc IEscrowViews
    function maxChallengeWindow() external view returns (uint32) {
        return _maxChallengeWindow;
    }

    /// @inheritdoc IEscrowViews
    function PENALTY_DIVISOR() external pure returns (uint256) {
        return PENALTY_PARTS;
    }

    /// @inheritdoc IEscrowViews
    function GAPS_TO_ALL() external pure returns (uint256) {
        return GAP_PARTS;
    }

    /// @inheritdoc IEscrowViews
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (0x0f, "Gavel", "1", block.chainid, address(this), 0, extensions);
    }
}
