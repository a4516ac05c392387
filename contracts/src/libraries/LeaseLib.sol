// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseState} from "../types/Types.sol";

/// @notice A lease as it is stored: one word. From the top:
///   uint8  state
///   uint16 grace      once the completion fee of a posted job burns: zero, which no bid can ask for
///   uint40 mark       clock at opening; from `start` on, at start; zero once it ended unstarted. All other readings
///                     are offsets from it
///   uint32 lastBeat   last heartbeat that counted; from `postResult` on, the posting
///   uint32 paid       blocks earned
///   uint32 funded     blocks that the deposit covers, paid ones included
///   uint32 withdrawn  blocks paid out; withdrawn <= paid <= funded
///   uint32 deadline   last reading for `start`, then for `postResult`; 0 for a service that runs, and
///                     once a lease ended unstarted
///   uint32 tally      service: silences beyond grace; posted job: open games and demands
type Lease is uint256;

using LeaseLib for Lease global;

/// @title The stream: how time becomes paid blocks
/// @notice Pure rules over one `Lease`; nothing here moves money. Values are typed to their width, so that
/// packing can cut nothing off.
library LeaseLib {
    uint256 private constant STATE = 248;
    uint256 private constant GRACE = 232;
    uint256 private constant MARK = 192;
    uint256 private constant LAST_BEAT = 160;
    uint256 private constant PAID = 128;
    uint256 private constant FUNDED = 96;
    uint256 private constant WITHDRAWN = 64;
    uint256 private constant DEADLINE = 32;
    uint256 private constant TALLY = 0;

    function opened(uint16 grace_, uint40 mark_, uint32 funded_, uint32 startDeadline)
        internal
        pure
        returns (Lease)
    {
        return Lease.wrap(
            uint256(LeaseState.Opened) << STATE | uint256(grace_) << GRACE | uint256(mark_) << MARK
                | uint256(funded_) << FUNDED | uint256(startDeadline) << DEADLINE
        );
    }

    function state(Lease l) internal pure returns (LeaseState) {
        return LeaseState(Lease.unwrap(l) >> STATE);
    }

    function grace(Lease l) internal pure returns (uint16) {
        return uint16(Lease.unwrap(l) >> GRACE);
    }

    function mark(Lease l) internal pure returns (uint40) {
        return uint40(Lease.unwrap(l) >> MARK);
    }

    /// @notice A posted lease needs no grace any more; zero, which no bid can ask for, says that its fee burns.
    function isFeeBurnt(Lease l) internal pure returns (bool) {
        return l.grace() == 0;
    }

    function withFeeBurnt(Lease l) internal pure returns (Lease) {
        return _put(l, GRACE, type(uint16).max, 0);
    }

    function lastBeat(Lease l) internal pure returns (uint32) {
        return uint32(Lease.unwrap(l) >> LAST_BEAT);
    }

    function paid(Lease l) internal pure returns (uint32) {
        return uint32(Lease.unwrap(l) >> PAID);
    }

    function funded(Lease l) internal pure returns (uint32) {
        return uint32(Lease.unwrap(l) >> FUNDED);
    }

    function withdrawn(Lease l) internal pure returns (uint32) {
        return uint32(Lease.unwrap(l) >> WITHDRAWN);
    }

    function deadline(Lease l) internal pure returns (uint32) {
        return uint32(Lease.unwrap(l) >> DEADLINE);
    }

    function tally(Lease l) internal pure returns (uint32) {
        return uint32(Lease.unwrap(l) >> TALLY);
    }

    function withState(Lease l, LeaseState value) internal pure returns (Lease) {
        return _put(l, STATE, type(uint8).max, uint8(value));
    }

    function withMark(Lease l, uint40 value) internal pure returns (Lease) {
        return _put(l, MARK, type(uint40).max, value);
    }

    /// @notice The lease as it ends unstarted: no reading of the clock is left, so nobody can take the opening for one.
    function neverStarted(Lease l) internal pure returns (Lease) {
        return l.withMark(0).withDeadline(0);
    }

    function withLastBeat(Lease l, uint32 value) internal pure returns (Lease) {
        return _put(l, LAST_BEAT, type(uint32).max, value);
    }

    /// @dev The caller has checked that the sum stays within a bid's 32-bit cap.
    function withMoreFunded(Lease l, uint32 blocks) internal pure returns (Lease) {
        unchecked {
            return Lease.wrap(Lease.unwrap(l) + (uint256(blocks) << FUNDED));
        }
    }

    /// @dev The caller has checked that withdrawn + blocks <= paid.
    function withMoreWithdrawn(Lease l, uint32 blocks) internal pure returns (Lease) {
        unchecked {
            return Lease.wrap(Lease.unwrap(l) + (uint256(blocks) << WITHDRAWN));
        }
    }

    function withDeadline(Lease l, uint32 value) internal pure returns (Lease) {
        return _put(l, DEADLINE, type(uint32).max, value);
    }

    function withTally(Lease l, uint32 value) internal pure returns (Lease) {
        return _put(l, TALLY, type(uint32).max, value);
    }

    function _put(Lease l, uint256 shift, uint256 mask, uint256 value) private pure returns (Lease) {
        return Lease.wrap(Lease.unwrap(l) & ~(mask << shift) | value << shift);
    }

    /// @notice Clock units since `mark`.
    function span(Lease l, uint48 now_) internal pure returns (uint256) {
        return now_ - l.mark();
    }

    /// @notice The same as a heartbeat's offset: it stands still at 2^32 - 1, where no deadline is left to come.
    function elapsed(Lease l, uint48 now_) internal pure returns (uint32) {
        uint256 units = l.span(now_);
        return units > type(uint32).max ? type(uint32).max : uint32(units);
    }

    /// @notice The lease after a heartbeat at clock reading `now_`; unchanged if that cannot count.
    /// It adds min(now, lastBeat + grace, end) - lastBeat to the paid blocks; a gap is never paid (rule 3).
    /// @dev Works on the word itself, for this is what providers call most. Unchecked: paid <= funded, and what is
    /// added to `paid` is at most funded - paid, so no field can run over into its neighbour.
    function beaten(Lease l, uint48 now_) internal pure returns (Lease) {
        unchecked {
            uint256 word = Lease.unwrap(l);
            uint256 last = l.lastBeat();
            uint256 start = l.mark();
            // The second cannot be in a stream's life: no deadline lies so far.
            if (now_ <= start + last || now_ > start + type(uint32).max) return l;
            uint256 left = uint256(l.funded()) - l.paid();
            uint256 blocks = now_ - start - last;
            uint256 silence = blocks;
            uint256 state_ = word >> STATE;
            if (state_ == uint256(LeaseState.Serving)) {
                if (left == 0) return l; // its funds are over: it owes no more signs of life
                // Silent beyond grace, with funds left beyond grace: counted once per gap, up to all that counts.
                if (silence > l.grace() && left > l.grace() && l.tally() != type(uint32).max) {
                    word += 1 << TALLY;
                }
            } else if (state_ == uint256(LeaseState.Running) || state_ == uint256(LeaseState.Closing)) {
                // Nothing is earned after the deadline: the job is late then, or its client's close took effect.
                uint256 end = l.deadline();
                if (last >= end) return l;
                if (blocks > end - last) blocks = end - last;
            } else {
                return l;
            }
            if (blocks > l.grace()) blocks = l.grace();
            if (blocks > left) blocks = left;
            return Lease.wrap(word + (blocks << PAID) + (silence << LAST_BEAT));
        }
    }

    /// @notice Last clock reading for `start`, then for `postResult`.
    function until(Lease l) internal pure returns (uint48) {
        unchecked {
            return uint48(l.mark()) + l.deadline(); // 40 and 32 bits
        }
    }

    /// @notice Clock reading at which a service that goes on beating has earned all its funds.
    function lastEarning(Lease l) internal pure returns (uint256) {
        unchecked {
            return uint256(l.mark()) + l.lastBeat() + l.funded() - l.paid(); // paid <= funded
        }
    }

    /// @notice Whether a service owed a heartbeat before `at_` and gave none: beyond grace, with funds left beyond
    /// grace. (With fewer left, its last heartbeat may come at leisure.)
    function isSilent(Lease l, uint32 at_) internal pure returns (bool) {
        return at_ > uint256(l.lastBeat()) + l.grace() && l.funded() - l.paid() > l.grace();
    }

    /// @notice Last offset at which a service that beats is not late: it has earned all, or is silent.
    function fundsEnd(Lease l) internal pure returns (uint256) {
        uint32 left = l.funded() - l.paid();
        return uint256(l.lastBeat()) + (left > l.grace() ? left : l.grace());
    }
}
