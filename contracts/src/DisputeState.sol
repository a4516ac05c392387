// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clock} from "./Clock.sol";
import {IDisputeEvents} from "./interfaces/IDisputeEvents.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {GameLib, GameWord} from "./libraries/GameLib.sol";
import {JudgeLib} from "./libraries/JudgeLib.sol";
import {LeaseWord, SentenceLib} from "./libraries/SentenceLib.sol";
import {TreeLib} from "./libraries/TreeLib.sol";
import {Case, DisputeTerms, Phase, Position} from "./types/DisputeTypes.sol";
import {LeaseId} from "./types/Types.sol";

/// @title What all moves of a game share: storage, fixed values, loading and storing
/// @dev A game is two words: `state`, and the hash of its position. Whatever else it is about is bound by its id, which
/// is keccak256(caseId, challenger, seal), or by the position's hash, and handed in by the move that needs it.
abstract contract DisputeState is Clock, IDisputeEvents {
    using BidLib for bytes32[6];
    using GameLib for GameWord;
    using SentenceLib for LeaseWord;

    struct Stored {
        GameWord state;
        bytes32 position;
    }

    /// @dev What another judge of the kind, which found the provider silent, has to share out among its own.
    /// `shares` of them are as claims of games are, `parts` is how many divide them, `taken` how many are paid.
    struct Guest {
        address judge;
        uint32 shares;
        uint32 parts;
        uint32 taken;
    }

    bytes32 internal constant TAG_CONSTANT = keccak256("gavel.tape.constant.v1");

    /// @dev Gas of all answers of a long game; a bond holds four times as much.
    uint256 internal constant BOND_GAS = 700_000;
    /// @dev Calldata of the same answers.
    uint256 internal constant BOND_BYTES = 12_000;
    /// @dev What a game can keep, in wei.
    uint256 internal constant MOST_BOND = GameLib.MOST_BOND * 1 gwei;
    /// @dev An answer is repaid for `ANSWER_GAS`, and `WORD_GAS` for each word that it has to show: no less than it costs a key
    /// that is repaid (`test/gas/LowPurse.t.sol`).
    uint256 internal constant ANSWER_GAS = 41_000;
    uint256 internal constant WORD_GAS = 1_100;
    /// @dev The Referee folds running values.
    uint256 internal constant FOLD_GAS = 7_000;
    /// @dev A trace is stored, for its case and its game: words that were zero.
    uint256 internal constant SLOT_GAS = 20_000;

    IEscrow internal immutable _escrow;
    IReferee internal immutable _referee;
    uint32 internal immutable _moveClock;
    uint32 internal immutable _increment;
    uint32 internal immutable _claimPeriod;
    uint64 internal immutable _tip;
    uint64 internal immutable _dataFee;
    uint128 private immutable _price0;
    uint128 private immutable _price1;
    uint128 private immutable _price2;
    uint128 private immutable _price3;

    mapping(bytes32 game => Stored) internal _games;
    mapping(LeaseId => LeaseWord) internal _leases;
    /// @dev Of cases whose lease's word was taken by another item's trace.
    mapping(bytes32 caseId => bytes32) internal _traces;
    mapping(address => uint256) internal _coins;
    mapping(LeaseId => Guest) internal _guests;

    constructor(IEscrow escrow_, IReferee referee_, DisputeTerms memory t) Clock(t.clockKind, t.clockSource) {
        if (address(escrow_) == address(0)) revert Disputes_BadTerms("escrow");
        if (address(referee_).code.length == 0) revert Disputes_BadTerms("referee");
        if (t.moveClock == 0 || t.moveClock > type(uint24).max) revert Disputes_BadTerms("moveClock");
        if (t.increment == 0 || t.increment > t.moveClock) revert Disputes_BadTerms("increment");
        if (t.claimPeriod == 0) revert Disputes_BadTerms("claimPeriod");
        (_escrow, _referee) = (escrow_, referee_);
        (_moveClock, _increment, _claimPeriod) = (t.moveClock, t.increment, t.claimPeriod);
        (_tip, _dataFee) = (t.tip, t.dataFee);
        (_price0, _price1, _price2, _price3) = (t.coinPrices[0], t.coinPrices[1], t.coinPrices[2], t.coinPrices[3]);
    }

    // ------------------------------------------------------------------------------------------------- names

    // Names are cut as hashes in a tree are: they stand in calldata.

    function _caseId(Case calldata c) internal pure returns (bytes32 id) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, c, 0x80)
            id := and(keccak256(m, 0x80), not(0xFFFFFFFFFFFFFFFF))
        }
    }

    function _gameId(bytes32 caseId, address challenger, bytes32 seal) internal pure returns (bytes32 id) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, caseId)
            mstore(add(m, 0x20), challenger)
            mstore(add(m, 0x40), seal)
            id := and(keccak256(m, 0x60), not(0xFFFFFFFFFFFFFFFF))
        }
    }

    function _positionHash(bytes32 anchor, bytes32 site, bytes32 left, address operator)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, anchor)
            mstore(add(m, 0x20), site)
            mstore(add(m, 0x40), left)
            mstore(add(m, 0x60), operator)
            hash := keccak256(m, 0x80)
        }
    }

    function _now() internal view returns (uint256) {
        return clock();
    }

    // ----------------------------------------------------------------------------------------------- loading

    /// @dev The challenger's own game, in one of two phases that are its move; in time, and the move is timed.
    function _mine(bytes32 caseId, bytes32 seal, Phase one, Phase other)
        internal
        view
        returns (bytes32 game, GameWord g)
    {
        game = _gameId(caseId, msg.sender, seal);
        g = _games[game].state;
        if (!g.isIn(one, other)) revert Disputes_WrongPhase(game, g.phase());
        g = _timed(game, g);
    }

    /// @dev The provider's turn in this phase; in time, and the move is timed.
    function _owed(bytes32 game, Phase phase) internal view returns (GameWord g) {
        _requirePlain();
        g = _games[game].state;
        if (!g.isIn(phase, phase)) revert Disputes_WrongPhase(game, g.phase());
        g = _timed(game, g);
    }

    function _timed(bytes32 game, GameWord g) private view returns (GameWord) {
        uint256 now_ = _now();
        (uint256 rest, bool inTime) = g.left(now_);
        if (!inTime) revert Disputes_OutOfTime(game);
        unchecked {
            return g.moved(now_, rest + _increment); // 24 and 32 bits
        }
    }

    /// @dev A pick that was signed for another state of the game must not act on this one (rule 8).
    function _requireTag(GameWord g, uint48 tag) internal pure {
        if (g.tag() != tag) revert Disputes_OtherState(g.tag(), tag);
    }

    function _requirePosition(bytes32 game, Position calldata p) internal view {
        if (_games[game].position != _positionHash(p.anchor, p.site, p.left, p.operator)) {
            revert Disputes_OtherPosition(game);
        }
    }

    /// @dev The root of a case's trace; zero until it is posted, and once the lease is convicted.
    function _traceOf(LeaseWord w, bytes32 caseId, uint256 item) internal view returns (bytes32 root) {
        root = w.rootOf(item);
        if (root == 0 && LeaseWord.unwrap(w) != 0) root = _traces[caseId];
    }

    function _requireSite(bytes32 site, bytes32 headerHash, uint256 facts) internal pure {
        if (site != TreeLib.hash2(headerHash, bytes32(facts))) revert Disputes_WrongPlace(site);
    }

    /// @dev What an answer shows stands in its transaction: so it has to be one of a plain key, whose calldata is this
    /// call's.
    function _requirePlain() internal view {
        if (!JudgeLib.isPlain()) revert Disputes_NotPlain(msg.sender);
    }

    // ----------------------------------------------------------------------------------------------- storing

    /// @dev The challenger has moved.
    function _store(bytes32 game, GameWord g) internal {
        _games[game].state = g;
        emit Moved(game, GameWord.unwrap(g));
    }

    /// @dev The game stands at a new position.
    function _store(bytes32 game, GameWord g, bytes32 position) internal {
        _games[game].position = position;
        _store(game, g.withTag(position));
    }

    /// @dev The provider has answered with so many words, and others beside. A key that holds less than the game's bond is repaid at
    /// once, out of the bond: it never runs dry (rule 12). From another the bond keeps it, for the owner or for who convicts.
    function _repay(GameWord g, uint256 gasUnits, uint256 words, uint256 others)
        internal
        view
        returns (GameWord, uint256 sum)
    {
        uint256 bond = g.bond();
        if (msg.sender.balance >= bond * 1 gwei) return (g, 0);
        words += others;
        sum = JudgeLib.repayment(gasUnits + words * WORD_GAS, words * 32, _tip, _dataFee, bond);
        unchecked {
            return (g.withBond(bond - sum), sum * 1 gwei); // sum is at most the bond
        }
    }

    function _send(address to, uint256 amount) internal {
        if (amount != 0 && !JudgeLib.trySend(to, amount)) revert Disputes_NotSent(to, amount);
    }

    /// @dev See `bondOf`, but exact to the wei. INVARIANT: no more is asked than a game can keep: a challenge is always possible.
    function _bondOf(bytes32[6] calldata bid, uint256 items) internal view returns (uint256) {
        uint256 price = _price0;
        uint8 token = bid.token();
        if (token == 1) price = _price1;
        else if (token == 2) price = _price2;
        else if (token == 3) price = _price3;
        uint256 item = (uint256(bid.ratePerBlock()) * bid.maxBlocks() + bid.completionFee()) / items;
        uint256 sum = 4 * BOND_GAS * block.basefee + BOND_BYTES * _dataFee + item * price / 1 ether;
        return sum < MOST_BOND ? sum : MOST_BOND;
    }

    function _terms() internal view returns (DisputeTerms memory t) {
        (t.moveClock, t.increment, t.claimPeriod) = (_moveClock, _increment, _claimPeriod);
        (t.tip, t.dataFee) = (_tip, _dataFee);
        t.coinPrices = [_price0, _price1, _price2, _price3];
        (t.clockKind, t.clockSource) = _clockTerms();
    }
}
