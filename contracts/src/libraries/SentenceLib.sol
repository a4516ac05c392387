// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Conviction} from "../types/DisputeTypes.sol";

/// @notice The one word that `Disputes` keeps of a lease. Until it is convicted: the trace that was posted first, as
/// root 192, item 32, and 32 zero bits. Then its sentence; from the lowest bit: how 8, settled 1, won 1, 6 zero
/// bits, since 32, claims 32, 8 zero bits, fixed 168. So the lowest byte says which of the two it is.
type LeaseWord is uint256;

/// @notice A lease's conviction. `fixed_`: of the place's hash, until it is settled; then the reward.
struct Sentence {
    Conviction how;
    bool settled;
    bool won;
    uint32 since;
    uint32 claims;
    uint168 fixed_;
}

/// @title The word of a lease
/// @notice Within a lease an item has one case: its job and its result are fixed. So the item names the trace's case.
/// Once a lease is convicted no game moves on, and nobody needs the trace: the sentence takes its place (ADR 042).
library SentenceLib {
    uint256 private constant SETTLED = 8;
    uint256 private constant WON = 9;
    uint256 private constant ITEM = 32;
    uint256 private constant SINCE = 16;
    uint256 private constant CLAIMS = 48;
    uint256 private constant FIXED = 88;

    /// @notice The first trace of a lease.
    function traced(bytes32 root, uint256 item) internal pure returns (LeaseWord) {
        return LeaseWord.wrap(uint256(root) | item << ITEM);
    }

    /// @notice The root of an item's trace, if it is the one that stands here; else zero.
    function rootOf(LeaseWord w, uint256 item) internal pure returns (bytes32) {
        uint256 low = uint64(LeaseWord.unwrap(w));
        return uint32(low) == 0 && low >> ITEM == item ? bytes32(LeaseWord.unwrap(w) ^ low) : bytes32(0);
    }

    function isSentence(LeaseWord w) internal pure returns (bool) {
        return uint8(LeaseWord.unwrap(w)) != 0;
    }

    function how(LeaseWord w) internal pure returns (Conviction) {
        return Conviction(uint8(LeaseWord.unwrap(w)));
    }

    function pack(Sentence memory s) internal pure returns (LeaseWord) {
        return LeaseWord.wrap(
            uint256(s.how) | (s.settled ? 1 << SETTLED : 0) | (s.won ? 1 << WON : 0) | uint256(s.since) << SINCE
                | uint256(s.claims) << CLAIMS | uint256(s.fixed_) << FIXED
        );
    }

    /// @notice The sentence; an empty one as long as there is none.
    function read(LeaseWord w) internal pure returns (Sentence memory s) {
        s.how = how(w);
        if (s.how == Conviction.None) return s;
        uint256 word = LeaseWord.unwrap(w);
        (s.settled, s.won) = (word >> SETTLED & 1 == 1, word >> WON & 1 == 1);
        (s.since, s.claims, s.fixed_) = (uint32(word >> SINCE), uint32(word >> CLAIMS), uint168(word >> FIXED));
    }
}
