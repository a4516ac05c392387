// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseState} from "../types/Types.sol";

/// @notice A lease as it is stored: 256 bits, one slot. Readings are offsets from `mark`.
struct Lease {
    LeaseState state; //  8
    uint16 grace;
    uint40 mark; //       clock at opening; from `start` on, at start
    uint32 lastBeat; //   last heartbeat that counted; from `postResult` on, the posting
    uint32 paid; //       blocks earned
    uint32 funded; //     blocks that the held money covers, paid ones included
    uint32 withdrawn; //  blocks paid out; withdrawn <= paid <= funded
    uint32 deadline; //   last reading for `start`, then for `postResult`; 0 for a service that runs
    uint32 tally; //      service: silences beyond grace; posted job: open games and demands
}

/// @title The stream: how time becomes paid blocks
/// @notice Pure rules over one `Lease` in memory; nothing here moves money.
library LeaseLib {
    /// @dev Each field is typed to its width, so packing can cut nothing off.
    function pack(Lease memory l) internal pure returns (uint256 word) {
        word = uint256(uint8(l.state));
        word = (word << 16) | l.grace;
        word = (word << 40) | l.mark;
        word = (word << 32) | l.lastBeat;
        word = (word << 32) | l.paid;
        word = (word << 32) | l.funded;
        word = (word << 32) | l.withdrawn;
        word = (word << 32) | l.deadline;
        word = (word << 32) | l.tally;
    }

    function unpack(uint256 word) internal pure returns (Lease memory l) {
        l.state = LeaseState(uint8(word >> 248));
        l.grace = uint16(word >> 232);
        l.mark = uint40(word >> 192);
        l.lastBeat = uint32(word >> 160);
        l.paid = uint32(word >> 128);
        l.funded = uint32(word >> 96);
        l.withdrawn = uint32(word >> 64);
        l.deadline = uint32(word >> 32);
        l.tally = uint32(word);
    }

    /// @notice Clock units since `mark`. Saturates at 2^32 - 1, far beyond every deadline a bid can name.
    function elapsed(Lease memory l, uint48 now_) internal pure returns (uint32) {
        uint256 span = now_ - l.mark;
        return span > type(uint32).max ? type(uint32).max : uint32(span);
    }

    /// @notice Let a heartbeat `at_` units after the mark count; false, and nothing changes, if it cannot.
    function beat(Lease memory l, uint32 at_) internal pure returns (bool) {
        if (at_ <= l.lastBeat) return false;
        if (l.state == LeaseState.Serving) {
            if (l.paid == l.funded) return false; // its funds are over: it owes no more signs of life
            if (isSilent(l, at_)) ++l.tally;
        } else if (l.state == LeaseState.Running || l.state == LeaseState.Closing) {
            // Nothing is earned after the deadline: the job is late then, or its client's close took effect.
            if (l.lastBeat >= l.deadline) return false;
        } else {
            return false;
        }
        l.paid += earnedDown(l, at_);
        l.lastBeat = at_;
        return true;
    }

    /// @notice min(at, lastBeat + grace, end) - lastBeat, where end is the deadline or where the funds are over.
    function earnedDown(Lease memory l, uint32 at_) internal pure returns (uint32 blocks) {
        blocks = at_ - l.lastBeat;
        if (blocks > l.grace) blocks = l.grace;
        if (blocks > l.funded - l.paid) blocks = l.funded - l.paid;
        if (l.state != LeaseState.Serving && blocks > l.deadline - l.lastBeat) blocks = l.deadline - l.lastBeat;
    }

    /// @notice Whether a service owed a heartbeat before `at_` and gave none: beyond grace, with funds left beyond
    /// grace. (With fewer left, its last heartbeat may come at leisure.)
    function isSilent(Lease memory l, uint32 at_) internal pure returns (bool) {
        return at_ > uint256(l.lastBeat) + l.grace && l.funded - l.paid > l.grace;
    }

    /// @notice Last offset at which a heartbeat of a service can earn something.
    function fundsEnd(Lease memory l) internal pure returns (uint256) {
        uint32 left = l.funded - l.paid;
        return uint256(l.lastBeat) + (left > l.grace ? left : l.grace);
    }
}
