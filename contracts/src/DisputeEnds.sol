// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeState} from "./DisputeState.sol";
import {IDisputeEnds} from "./interfaces/IDisputeEnds.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {GameLib, GameWord} from "./libraries/GameLib.sol";
import {JobLib} from "./libraries/JobLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {LeafLib} from "./libraries/LeafLib.sol";
import {PlaceLib} from "./libraries/PlaceLib.sol";
import {LeaseWord, Sentence, SentenceLib} from "./libraries/SentenceLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Case, Conviction, DisputeTerms, Game, PackedPlace, Phase, Place, Verdict} from "./types/DisputeTypes.sol";
import {LeaseId, LeaseState, Listing} from "./types/Types.sol";

/// @title How games end, who is paid, and what can be read
/// @notice Called through `Disputes` by delegatecall: its storage is the one that counts.
contract DisputeEnds is DisputeState, IDisputeEnds {
    using BidLib for bytes32[6];
    using GameLib for GameWord;
    using SentenceLib for LeaseWord;
    using SentenceLib for Sentence;

    /// @dev A reserve is worth four disputes' gas at the reference price of its token's listing (rule 4).
    uint256 private constant RESERVE_PARTS = 4;

    constructor(IEscrow escrow_, IReferee referee_, DisputeTerms memory t) DisputeState(escrow_, referee_, t) {}

    // ------------------------------------------------------------------------------------------------ clocks

    /// @inheritdoc IDisputeEnds
    function timeout(bytes32[6] calldata bid, Case calldata case_, address challenger, bytes32 seal) external {
        (bytes32 game, GameWord g) = _live(bid, case_, challenger, seal);
        (uint256 rest, bool inTime) = g.left(_now());
        if (inTime) revert Disputes_InTime(game, rest);
        (bool provider,) = GameLib.mover(g.phase());
        if (!provider) return _lose(game, g, bid, case_.leaseId);
        // INVARIANT: silence is no cheaper than being wrong (rule 6).
        _leases[case_.leaseId] = Sentence(Conviction.Silent, false, false, uint32(_now()), 0, 0).pack();
        _store(game, g.withPhase(Phase.Won));
        emit Judged(game, case_.leaseId, PackedPlace(0, 0, 0));
    }

    /// @inheritdoc IDisputeEnds
    function resign(bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external {
        (bytes32 game, GameWord g) = _live(bid, case_, msg.sender, seal);
        (bool provider,) = GameLib.mover(g.phase());
        // Not while the provider may be about to answer: its gas for that could not be repaid any more.
        if (provider) revert Disputes_WrongPhase(game, g.phase());
        _lose(game, g, bid, case_.leaseId);
    }

    function _live(bytes32[6] calldata bid, Case calldata case_, address challenger, bytes32 seal)
        private
        view
        returns (bytes32 game, GameWord g)
    {
        _requireLease(bid, case_.leaseId);
        game = _gameId(_caseId(case_), challenger, seal);
        g = _games[game].state;
        (, bool live) = GameLib.mover(g.phase());
        if (!live) revert Disputes_WrongPhase(game, g.phase());
        if (_leases[case_.leaseId].isSentence()) revert Disputes_Convicted(case_.leaseId);
    }

    /// @dev INVARIANT: a lost game finalises nothing: it lets go of its own hold, and of no other.
    function _lose(bytes32 game, GameWord g, bytes32[6] calldata bid, LeaseId leaseId) private {
        uint256 forfeit = g.bond() * 1 gwei;
        _coins[bid.owner()] += forfeit;
        _store(game, g.withBond(0).withPhase(Phase.Lost));
        emit GameLost(game, leaseId, forfeit);
        _escrow.release(bid);
    }

    // ------------------------------------------------------------------------------------------------ reward

    /// @inheritdoc IDisputeEnds
    function claim(
        Case calldata case_,
        Place calldata place,
        bytes32 salt,
        bytes32 other,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes32[] calldata above
    ) external {
        Sentence memory s = _claimable(case_.leaseId, Conviction.Proven);
        bytes32 caseId = _caseId(case_);
        if (place.caseId != caseId || PlaceLib.hash(PlaceLib.pack(place)) != s.fixed_) revert Disputes_WrongPlace(caseId);
        bytes32 seal;
        {
            (bytes32 traceRoot, bytes32 itemRoot) = _opened(place, other, leaf, siblings, above);
            seal = TreeLib.cut(
                keccak256(abi.encode(traceRoot, itemRoot, msg.sender, case_.leaseId, case_.item, salt))
            );
        }
        bytes32 game = _gameId(caseId, msg.sender, seal);
        GameWord g = _games[game].state;
        // Not one that lost; nor one that never moved, which costs its owner nothing (rule 22).
        if (!_counts(g) || g.movedAt() == g.openedAt()) revert Disputes_WrongPhase(game, g.phase());
        uint256 limit = place.exact ? s.since : place.landedAt;
        if (g.openedAt() >= limit) revert Disputes_NotOpenedInTime(g.openedAt(), uint32(limit));
        _claim(game, g, case_.leaseId, s);
    }

    /// @dev The roots of the caller's own run, from its leaf at the place. `Disputes_BadSeal` unless it agrees with the provider's
    /// on all that is left of the place, and not there.
    function _opened(
        Place calldata place,
        bytes32 other,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes32[] calldata above
    ) private pure returns (bytes32 traceRoot, bytes32 itemRoot) {
        if (leaf.length != LeafLib.BYTES) revert Disputes_Count(LeafLib.BYTES, leaf.length);
        bytes32 root = TreeLib.climb(TreeLib.leafHash(leaf, 0), place.leaf, siblings);
        bytes32 left;
        if (place.output == 0) {
            (traceRoot, itemRoot) = (TreeLib.climb(root, place.node, above), other);
            left = TreeLib.leftOf(0, place.node, above);
        } else {
            uint256 number = place.output - 1;
            if (number >= above.length || above[number] != root) revert Disputes_BadSeal();
            (traceRoot, itemRoot) = (other, JobLib.itemRoot(above));
            for (uint256 i; i < number; ++i) {
                left = TreeLib.hash2(left, above[i]);
            }
        }
        left = TreeLib.leftOf(left, place.leaf, siblings);
        left = TreeLib.cut(keccak256(abi.encodePacked(left, leaf[:place.offset])));
        if (left != place.left) revert Disputes_BadSeal();
        uint256 start;
        assembly ("memory-safe") {
            start := leaf.offset
        }
        uint256 word = LeafLib.read(start, place.offset, place.width == 1 ? LeafLib.I8 : LeafLib.I32);
        if (place.exact ? word != place.right : word == place.claimed) revert Disputes_BadSeal();
    }

    /// @inheritdoc IDisputeEnds
    function claimSilence(Case calldata case_, bytes32 seal) external {
        Sentence memory s = _claimable(case_.leaseId, Conviction.Silent);
        bytes32 game = _gameId(_caseId(case_), msg.sender, seal);
        GameWord g = _games[game].state;
        if (!_counts(g)) revert Disputes_WrongPhase(game, g.phase());
        if (g.openedAt() >= s.since) revert Disputes_NotOpenedInTime(g.openedAt(), s.since);
        _claim(game, g, case_.leaseId, s);
    }

    function _claimable(LeaseId leaseId, Conviction how) private view returns (Sentence memory s) {
        s = _leases[leaseId].read();
        if (s.how != how || s.settled) revert Disputes_NotConvicted(leaseId);
        uint256 until = uint256(s.since) + _claimPeriod;
        if (_now() > until) revert Disputes_TooLate(until);
    }

    function _counts(GameWord g) private pure returns (bool) {
        (, bool live) = GameLib.mover(g.phase());
        return live || g.phase() == Phase.Won;
    }

    /// @dev `chosen` of a claimed game says whether it is the one that convicted.
    function _claim(bytes32 game, GameWord g, LeaseId leaseId, Sentence memory s) private {
        bool won = g.phase() == Phase.Won;
        s.won = s.won || won;
        s.claims += 1;
        _leases[leaseId] = s.pack();
        _store(game, g.withChosen(won ? 1 : 0).withPhase(Phase.Claimed));
        emit SealOpened(game, leaseId);
    }

    /// @inheritdoc IDisputeEnds
    function silence(bytes32[6] calldata bid, uint32 shares, uint32 parts) external {
        uint8 kind = bid.verification();
        // Who has no seat is of kind 0, whose leases have no judge: both must fail here.
        if (kind == 0 || _escrow.kindOf(msg.sender) != kind) revert Disputes_NotJudge(msg.sender);
        // Neither shares that nobody takes, which would be credited to this contract for ever, nor parts of nothing.
        if ((shares == 0) != (parts == 0)) revert Disputes_Count(1, 0);
        LeaseId leaseId = bid.leaseId();
        if (_leases[leaseId].isSentence()) revert Disputes_Convicted(leaseId);
        LeaseState state = _escrow.leaseOf(leaseId).state;
        if (state != LeaseState.Posted) revert Disputes_NotPosted(leaseId, state);
        _leases[leaseId] = Sentence(Conviction.Silent, false, false, uint32(_now()), shares, 0).pack();
        _guests[leaseId] = Guest(msg.sender, shares, parts, 0);
        emit Silenced(leaseId, msg.sender, shares, parts);
    }

    /// @inheritdoc IDisputeEnds
    function takePart(bytes32[6] calldata bid, address to) external returns (uint256 amount) {
        LeaseId leaseId = bid.leaseId();
        Guest memory guest = _guests[leaseId];
        if (msg.sender != guest.judge) revert Disputes_NotJudge(msg.sender);
        Sentence memory s = _leases[leaseId].read();
        if (!s.settled || guest.taken == guest.parts) revert Disputes_NotConvicted(leaseId);
        _guests[leaseId].taken = guest.taken + 1;
        amount = uint256(s.fixed_) * guest.shares / (uint256(s.claims) * guest.parts);
        if (amount != 0) _escrow.withdrawCredits(bid.token(), to, amount);
    }

    /// @inheritdoc IDisputeEnds
    function settle(bytes32[6] calldata bid) external {
        LeaseId leaseId = bid.leaseId();
        Sentence memory s = _leases[leaseId].read();
        if (s.how == Conviction.None || s.settled) revert Disputes_NotConvicted(leaseId);
        uint256 until = uint256(s.since) + _claimPeriod;
        if (_now() <= until) revert Disputes_TooEarly(until);
        // Silence shows nothing but that the provider is gone: gas back, and the rest burns.
        uint256 asked = s.claims == 0
            ? 0
            : s.how == Conviction.Silent ? _gasWorth(bid.token()) * s.claims : type(uint256).max;
        (s.settled, s.fixed_) = (true, 0);
        _leases[leaseId] = s.pack(); // before the call: nobody settles twice
        uint256 reward = _escrow.convict(bid, asked);
        s.fixed_ = uint168(reward);
        _leases[leaseId] = s.pack();
        emit Settled(leaseId, reward, s.claims);
    }

    /// @inheritdoc IDisputeEnds
    function collect(bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external {
        _requireLease(bid, case_.leaseId);
        bytes32 game = _gameId(_caseId(case_), msg.sender, seal);
        Sentence memory s = _leases[case_.leaseId].read();
        // A lease that another judge convicted ends games as well: their bonds must not stay for ever.
        if (s.how == Conviction.None && _escrow.leaseOf(case_.leaseId).state != LeaseState.Convicted) {
            revert Disputes_NotConvicted(case_.leaseId);
        }
        GameWord g = _games[game].state;
        Phase phase = g.phase();
        if (phase == Phase.None || phase == Phase.Lost) revert Disputes_NothingToCollect(game);
        uint256 coin = g.bond() * 1 gwei;
        g = g.withBond(0);
        uint256 reward;
        if (phase == Phase.Claimed && s.settled) {
            reward = _shareOf(s, g.chosen() == 1, _gasWorth(bid.token()));
            g = g.withPhase(Phase.Lost); // paid out: nothing is left in it
        }
        if (coin == 0 && reward == 0) revert Disputes_NothingToCollect(game);
        _games[game].state = g;
        emit Collected(game, msg.sender, coin, reward);
        if (reward != 0) _escrow.withdrawCredits(bid.token(), msg.sender, reward);
        _send(msg.sender, coin);
    }

    /// @dev The convicting game's gas comes first. What is left is split evenly: among all claims, or, after silence,
    /// among the others. All round down.
    function _shareOf(Sentence memory s, bool convicted, uint256 gasWorth) private pure returns (uint256) {
        uint256 reward = s.fixed_;
        uint256 first = !s.won ? 0 : reward < gasWorth ? reward : gasWorth;
        if (s.how == Conviction.Proven) return (convicted ? first : 0) + (reward - first) / s.claims;
        return convicted ? first : (reward - first) / (s.claims - (s.won ? 1 : 0));
    }

    /// @dev What a dispute's gas is worth in a token, at the reference price of its listing: a reserve is four times that
    /// (rule 4).
    function _gasWorth(uint8 token) private view returns (uint256) {
        Listing[] memory listed = _escrow.tokens();
        return listed[token].reserve / RESERVE_PARTS;
    }

    /// @inheritdoc IDisputeEnds
    function withdrawCoin(address to) external {
        uint256 amount = _coins[msg.sender];
        _coins[msg.sender] = 0;
        _send(to, amount);
    }

    function _requireLease(bytes32[6] calldata bid, LeaseId leaseId) private pure {
        LeaseId found = bid.leaseId();
        if (LeaseId.unwrap(found) != LeaseId.unwrap(leaseId)) revert Disputes_WrongLease(found);
    }

    // ------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IDisputeEnds
    function gameOf(bytes32 game) external view returns (Game memory) {
        Stored storage stored = _games[game];
        return stored.state.read(stored.position);
    }

    /// @inheritdoc IDisputeEnds
    function verdictOf(LeaseId leaseId) external view returns (Verdict memory v) {
        Sentence memory s = _leases[leaseId].read();
        (v.how, v.settled, v.since, v.claims, v.won) = (s.how, s.settled, s.since, s.claims, s.won);
        if (s.settled) v.reward = uint96(s.fixed_);
    }

    /// @inheritdoc IDisputeEnds
    function traceOf(Case calldata case_) external view returns (bytes32) {
        return _traceOf(_leases[case_.leaseId], _caseId(case_), case_.item);
    }

    /// @inheritdoc IDisputeEnds
    function coinOf(address account) external view returns (uint256) {
        return _coins[account];
    }

    /// @inheritdoc IDisputeEnds
    function bondOf(bytes32[6] calldata bid, uint256 items) external view returns (uint256) {
        return JudgeLib.wholeUp(_bondOf(bid, items));
    }

    /// @inheritdoc IDisputeEnds
    function terms() external view returns (DisputeTerms memory) {
        return _terms();
    }
}
