// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Game, Phase} from "../types/DisputeTypes.sol";

/// @notice A game, but for its position, in one word. From the lowest bit: tag 48, chosen 8, shown 4, levels 6,
/// phase 4, bond 42 (gwei), path 32, challengerLeft 24, providerLeft 24, movedAt 32, openedAt 32.
type GameWord is uint256;

/// @title The packed game
/// @notice Readers and writers of fields, and the two rules that both sides must know: whose move a phase is, and how
/// many levels an answer shows.
library GameLib {
    uint256 internal constant MOST_BOND = (1 << 42) - 1;
    uint256 private constant CHOSEN = 48;
    uint256 private constant SHOWN = 56;
    uint256 private constant LEVELS = 60;
    uint256 private constant PHASE = 66;
    uint256 private constant BOND = 70;
    uint256 private constant PATH = 112;
    uint256 private constant CHALLENGER_LEFT = 144;
    uint256 private constant PROVIDER_LEFT = 168;
    uint256 private constant MOVED_AT = 192;
    uint256 private constant OPENED_AT = 224;
    uint256 private constant MOST_LEFT = type(uint24).max;
    /// @dev The phases in which the provider is to move, a bit for each.
    uint256 private constant PROVIDERS = 1 << uint256(Phase.Trace) | 1 << uint256(Phase.Reveal)
        | 1 << uint256(Phase.Chain) | 1 << uint256(Phase.Running);

    /// @notice A new game.
    function opened(uint256 now_, Phase phase_, uint256 levels_, uint256 bond_, uint256 clock_, uint256 providerClock)
        internal
        pure
        returns (GameWord)
    {
        if (providerClock > MOST_LEFT) providerClock = MOST_LEFT;
        return GameWord.wrap(
            now_ << OPENED_AT | now_ << MOVED_AT | providerClock << PROVIDER_LEFT | clock_ << CHALLENGER_LEFT
                | bond_ << BOND | uint256(phase_) << PHASE | levels_ << LEVELS
        );
    }

    function tag(GameWord g) internal pure returns (uint48) {
        return uint48(GameWord.unwrap(g));
    }

    function chosen(GameWord g) internal pure returns (uint256) {
        return uint8(GameWord.unwrap(g) >> CHOSEN);
    }

    function shown(GameWord g) internal pure returns (uint256) {
        return GameWord.unwrap(g) >> SHOWN & 0xF;
    }

    function levels(GameWord g) internal pure returns (uint256) {
        return GameWord.unwrap(g) >> LEVELS & 0x3F;
    }

    /// @notice Levels below the descendants shown last.
    function below(GameWord g) internal pure returns (uint256) {
        unchecked {
            return levels(g) - shown(g); // never more are shown than there are
        }
    }

    function phase(GameWord g) internal pure returns (Phase) {
        return Phase(GameWord.unwrap(g) >> PHASE & 0xF);
    }

    function bond(GameWord g) internal pure returns (uint256) {
        return GameWord.unwrap(g) >> BOND & MOST_BOND;
    }

    function path(GameWord g) internal pure returns (uint256) {
        return uint32(GameWord.unwrap(g) >> PATH);
    }

    function challengerLeft(GameWord g) internal pure returns (uint256) {
        return uint24(GameWord.unwrap(g) >> CHALLENGER_LEFT);
    }

    function providerLeft(GameWord g) internal pure returns (uint256) {
        return uint24(GameWord.unwrap(g) >> PROVIDER_LEFT);
    }

    function movedAt(GameWord g) internal pure returns (uint256) {
        return uint32(GameWord.unwrap(g) >> MOVED_AT);
    }

    function openedAt(GameWord g) internal pure returns (uint32) {
        return uint32(GameWord.unwrap(g) >> OPENED_AT);
    }

    function withPhase(GameWord g, Phase value) internal pure returns (GameWord) {
        return _put(g, PHASE, 0xF, uint256(value));
    }

    function withBond(GameWord g, uint256 value) internal pure returns (GameWord) {
        return _put(g, BOND, MOST_BOND, value);
    }

    function withTag(GameWord g, bytes32 position) internal pure returns (GameWord) {
        return _put(g, 0, type(uint48).max, uint48(uint256(position)));
    }

    function withChosen(GameWord g, uint256 value) internal pure returns (GameWord) {
        return _put(g, CHOSEN, type(uint8).max, value);
    }

    function withPath(GameWord g, uint256 value) internal pure returns (GameWord) {
        return _put(g, PATH, type(uint32).max, value);
    }

    function withProviderLeft(GameWord g, uint256 value) internal pure returns (GameWord) {
        return _put(g, PROVIDER_LEFT, MOST_LEFT, value);
    }

    /// @notice The anchor moved to a node with `levels_` below it, of which an answer showed `shown_`.
    function standing(GameWord g, uint256 path_, uint256 levels_, uint256 shown_, Phase phase_)
        internal
        pure
        returns (GameWord)
    {
        uint256 cleared = GameWord.unwrap(g)
            & ~(uint256(type(uint32).max) << PATH | uint256(0xF) << PHASE | uint256(0x3F) << LEVELS
                | uint256(0xF) << SHOWN | uint256(0xFF) << CHOSEN);
        return GameWord.wrap(
            cleared | path_ << PATH | uint256(phase_) << PHASE | levels_ << LEVELS | shown_ << SHOWN
        );
    }

    /// @notice Whether it is the provider's move, and whether it is anybody's.
    function mover(Phase p) internal pure returns (bool provider, bool live) {
        provider = _isProviders(uint256(p));
        live = p != Phase.None && p < Phase.Won;
    }

    /// @notice Whether the game is in one of two phases.
    function isIn(GameWord g, Phase one, Phase other) internal pure returns (bool) {
        uint256 code = GameWord.unwrap(g) >> PHASE & 0xF;
        return code == uint256(one) || code == uint256(other);
    }

    /// @notice What is left on the mover's clock at reading `now_`, and whether it still is in time.
    function left(GameWord g, uint256 now_) internal pure returns (uint256 rest, bool inTime) {
        unchecked {
            uint256 has = GameWord.unwrap(g) >> _clock(g) & MOST_LEFT;
            uint256 elapsed = now_ - movedAt(g); // a clock that ran back gives more than any side has
            inTime = elapsed <= has;
            rest = inTime ? has - elapsed : 0;
        }
    }

    /// @notice The mover has moved: its clock stops at `left_`, and the other's starts.
    function moved(GameWord g, uint256 now_, uint256 left_) internal pure returns (GameWord) {
        if (left_ > MOST_LEFT) left_ = MOST_LEFT;
        g = _put(g, _clock(g), MOST_LEFT, left_);
        return _put(g, MOVED_AT, type(uint32).max, now_);
    }

    /// @dev Where the mover's clock stands. Who moves is one bit for each phase.
    function _clock(GameWord g) private pure returns (uint256) {
        return _isProviders(GameWord.unwrap(g) >> PHASE & 0xF) ? PROVIDER_LEFT : CHALLENGER_LEFT;
    }

    function _isProviders(uint256 code) private pure returns (bool) {
        return PROVIDERS >> code & 1 == 1;
    }

    /// @notice How many levels an answer shows of a tree with `below` levels below the picked node. In a tensor, three
    /// levels or fewer are shown as leaves. A leaf costs as much as five hashes: so of the ways with the fewest answers
    /// it is one that ends with four leaves, if there is one, and with even steps before.
    function step(bool landed, uint256 below_) internal pure returns (uint256) {
        unchecked {
            if (!landed) return below_ < 5 ? below_ : 5;
            if (below_ <= 3) return below_;
            uint256 answers = (below_ + 1) / 5; // up to five levels each, down to three
            uint256 rest = below_ - 2 > 5 * answers ? below_ - 3 : below_ - 2;
            return (rest + answers - 1) / answers;
        }
    }

    function read(GameWord g, bytes32 position) internal pure returns (Game memory) {
        return Game({
            phase: phase(g),
            openedAt: openedAt(g),
            movedAt: uint32(movedAt(g)),
            providerLeft: uint24(providerLeft(g)),
            challengerLeft: uint24(challengerLeft(g)),
            bond: uint48(bond(g)),
            path: uint32(path(g)),
            levels: uint8(levels(g)),
            shown: uint8(shown(g)),
            chosen: uint8(chosen(g)),
            tag: tag(g),
            position: position
        });
    }

    function _put(GameWord g, uint256 shift, uint256 mask, uint256 value) private pure returns (GameWord) {
        return GameWord.wrap(GameWord.unwrap(g) & ~(mask << shift) | value << shift);
    }
}
