// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clock} from "./Clock.sol";
import {Domain} from "./Domain.sol";
import {Tokens} from "./Tokens.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {Lease} from "./libraries/LeaseLib.sol";
import {Deployment, LeaseId, LeaseState, Seat} from "./types/Types.sol";

/// @title What Escrow and EscrowViews share: every storage slot, every fixed value, and the sums of a lease
/// @dev All storage is declared here and nowhere else, so that both have the same layout.
abstract contract EscrowState is Clock, Tokens, Domain {
    using BidLib for bytes32[6];

    /// @dev A provider that ends a job without a result loses this part of its bond. It is burnt, not given to the
    /// client: a client must not gain from jobs that nobody can finish.
    uint256 internal constant PENALTY_PARTS = 8;
    /// @dev Each silence beyond grace costs a service 1 / GAP_PARTS of its bond.
    uint256 internal constant GAP_PARTS = 64;

    struct Slot {
        Lease lease;
    }

    mapping(LeaseId => Slot) internal _leases;
    mapping(LeaseId => bytes32) internal _results;
    mapping(uint8 token => mapping(address account => uint256)) internal _credits;
    mapping(address owner => address) internal _operators;
    mapping(address owner => mapping(uint64 word => uint256 bits)) internal _nonces;
    mapping(address judge => uint8 verification) internal _kindOf;
    mapping(uint8 token => uint256) internal _burnt;

    IStaking internal immutable _staking;
    /// @dev Bit k: a judge of kind k has a seat. Saves `openLease` a storage slot per kind.
    uint256 internal immutable _kinds;
    uint16 internal immutable _minGrace;
    uint32 internal immutable _maxChallengeWindow;

    constructor(Deployment memory d, IStaking staking_) Clock(d.clockKind, d.clockSource) Tokens(d.tokens) {
        _staking = staking_;
        _kinds = _kindsOf(d.seats);
        _minGrace = d.minGrace;
        _maxChallengeWindow = d.maxChallengeWindow;
    }

    /// @dev Kind 0 never counts: it is the kind without a judge.
    function _isJudged(uint8 kind) internal view returns (bool) {
        return _kinds >> kind & 1 != 0;
    }

    function _kindsOf(Seat[] memory seats) private pure returns (uint256 kinds) {
        for (uint256 i; i < seats.length; ++i) {
            kinds |= 1 << seats[i].kind;
        }
    }

    function _isLive(LeaseState state) internal pure returns (bool) {
        return state != LeaseState.None && state <= LeaseState.Serving;
    }

    function _held(bytes32[6] calldata bid, Lease l) internal pure returns (uint256) {
        return uint256(bid.ratePerBlock()) * (l.funded() - l.withdrawn()) + bid.completionFee();
    }

    function _withdrawable(bytes32[6] calldata bid, Lease l, uint96 reserve)
        internal
        pure
        returns (uint32 blocks)
    {
        if (l.state() < LeaseState.Running || l.state() > LeaseState.Serving) return 0;
        blocks = l.paid() - l.withdrawn();
        uint256 rate = bid.ratePerBlock();
        if (l.state() == LeaseState.Serving || rate == 0) return blocks;
        // INVARIANT: before a result is final, withdrawn <= bond - reserve.
        uint256 covered = (bid.bond() - reserve) / rate;
        uint256 room = covered > l.withdrawn() ? covered - l.withdrawn() : 0;
        if (blocks > room) blocks = uint32(room);
    }

    /// @dev A flat sum plus a part of what the provider could have earned while it waited; but no more than the side
    /// that pays it has in the lease, so that it can always be paid.
    function _showUp(bytes32[6] calldata bid, Lease l)
        internal
        view
        returns (uint256 client, uint256 provider)
    {
        (uint96 sum, uint16 bps) = _showUpTerms(bid.token());
        uint256 full = sum + uint256(bid.ratePerBlock()) * bid.startDeadline() * bps / 10_000;
        uint256 held = _held(bid, l);
        client = full < held ? full : held;
        provider = full < bid.bond() ? full : bid.bond();
    }
}
