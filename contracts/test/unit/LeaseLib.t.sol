// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {Lease, LeaseLib} from "../../src/libraries/LeaseLib.sol";
import {LeaseState} from "../../src/types/Types.sol";

/// @notice The packed lease against a plain one: each field in a variable of its own, each rule as DESIGN says it.
contract LeaseLibTest is Assertions {
    struct Plain {
        uint8 state;
        uint16 grace;
        uint40 mark;
        uint32 lastBeat;
        uint32 paid;
        uint32 funded;
        uint32 withdrawn;
        uint32 deadline;
        uint32 tally;
    }

    function _pack(Plain memory p) private pure returns (Lease) {
        return Lease.wrap(
            uint256(
                bytes32(
                    abi.encodePacked(
                        p.state,
                        p.grace,
                        p.mark,
                        p.lastBeat,
                        p.paid,
                        p.funded,
                        p.withdrawn,
                        p.deadline,
                        p.tally
                    )
                )
            )
        );
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    /// A heartbeat adds min(b, lastBeat + grace, end) - lastBeat, sets lastBeat, and counts a service's silence.
    function _beaten(Plain memory p, uint256 b) private pure returns (Plain memory) {
        bool isJob = p.state == uint8(LeaseState.Running) || p.state == uint8(LeaseState.Closing);
        bool isService = p.state == uint8(LeaseState.Serving);
        uint256 left = p.funded - p.paid;
        uint256 fundsEnd = p.lastBeat + left;
        uint256 end = isJob ? _min(p.deadline, fundsEnd) : fundsEnd;
        bool over = isJob ? p.lastBeat >= p.deadline : left == 0;
        if ((!isJob && !isService) || b <= p.lastBeat || over) return p;
        uint256 silentFrom = uint256(p.lastBeat) + p.grace;
        if (isService && b > silentFrom && fundsEnd > silentFrom && p.tally < type(uint32).max) ++p.tally;
        p.paid += uint32(_min(_min(b, silentFrom), end) - p.lastBeat);
        p.lastBeat = uint32(b);
        return p;
    }

    function _some(Plain memory p) private pure returns (Plain memory) {
        p.state %= 6;
        if (p.lastBeat > type(uint32).max / 4) p.lastBeat /= 4;
        if (p.paid > p.funded) (p.paid, p.funded) = (p.funded, p.paid);
        if (p.withdrawn > p.paid) p.withdrawn = p.paid;
        return p;
    }

    function testFuzz_FieldsStayApart(Plain memory p, uint8 s, uint40 mark, uint32 v) public pure {
        p.state %= 13;
        Lease l = _pack(p);
        eq(uint8(l.state()), p.state, "state");
        eq(l.grace(), p.grace, "grace");
        eq(l.mark(), p.mark, "mark");
        eq(l.lastBeat(), p.lastBeat, "lastBeat");
        eq(l.paid(), p.paid, "paid");
        eq(l.funded(), p.funded, "funded");
        eq(l.withdrawn(), p.withdrawn, "withdrawn");
        eq(l.deadline(), p.deadline, "deadline");
        eq(l.tally(), p.tally, "tally");
        p.state = s % 13;
        l = l.withState(LeaseState(p.state));
        _same(l, p, "withState");
        p.mark = mark;
        l = l.withMark(mark);
        _same(l, p, "withMark");
        p.lastBeat = v;
        l = l.withLastBeat(v);
        _same(l, p, "withLastBeat");
        p.deadline = v;
        l = l.withDeadline(v);
        _same(l, p, "withDeadline");
        p.tally = v;
        l = l.withTally(v);
        _same(l, p, "withTally");
        uint32 more = type(uint32).max - p.funded;
        p.funded += more;
        _same(l.withMoreFunded(more), p, "withMoreFunded");
    }

    function testFuzz_BeatAgainstThePlainRule(Plain memory p, uint32 ahead) public pure {
        p = _some(p);
        uint256 b = uint256(p.lastBeat) + ahead % (4 * uint256(p.grace) + 4);
        Lease next = _pack(p).beaten(uint48(p.mark + b));
        _same(next, _beaten(p, b), "beaten");
    }

    /// Near the ends, where fields are full and funds, grace and deadline fall together.
    function testFuzz_BeatAtTheEdges(Plain memory p, uint8 left, uint8 toDeadline, uint8 ahead) public pure {
        p = _some(p);
        p.grace = uint16(p.grace % 8);
        p.funded = p.paid > type(uint32).max - (left % 8) ? type(uint32).max : p.paid + (left % 8);
        p.deadline = p.lastBeat + (toDeadline % 8);
        uint256 b = uint256(p.lastBeat) + ahead % 16;
        _same(_pack(p).beaten(uint48(p.mark + b)), _beaten(p, b), "beaten");
    }

    function test_BeyondTheLastOffsetNothingCounts() public pure {
        Plain memory p;
        (p.state, p.grace, p.mark, p.lastBeat, p.funded) =
        (uint8(LeaseState.Serving), 9, 100, type(uint32).max - 3, type(uint32).max);
        Lease l = _pack(p);
        eq(l.beaten(uint48(100 + uint256(type(uint32).max))).paid(), 3, "the last offset counts");
        eq(Lease.unwrap(l.beaten(uint48(101 + uint256(type(uint32).max)))), Lease.unwrap(l), "no further");
    }

    function test_AFullTallyStandsStill() public pure {
        Plain memory p;
        (p.state, p.grace, p.mark, p.funded) = (uint8(LeaseState.Serving), 9, 100, 1000);
        p.tally = type(uint32).max;
        Lease next = _pack(p).beaten(150);
        (p.lastBeat, p.paid) = (50, 9);
        _same(next, p, "grace is paid, and the gap runs into no other field");
    }

    function _same(Lease l, Plain memory p, string memory what) private pure {
        eq(bytes32(Lease.unwrap(l)), bytes32(Lease.unwrap(_pack(p))), what);
    }
}
