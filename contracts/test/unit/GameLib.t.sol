// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GameLib, GameWord} from "../../src/libraries/GameLib.sol";
import {Facts, SiteLib} from "../../src/libraries/SiteLib.sol";
import {Game, Phase} from "../../src/types/DisputeTypes.sol";
import {Assertions} from "../base/Assertions.sol";

/// @notice The packed game and the packed facts against plain ones: each field on its own, each rule as IDisputes says it.
contract GameLibTest is Assertions {
    using GameLib for GameWord;
    using SiteLib for Facts;

    /// @dev Any packed game; its phase is a real one.
    function _any(uint256 word) private pure returns (GameWord) {
        return GameWord.wrap(word).withPhase(Phase(word % 11));
    }

    function _same(Game memory a, Game memory b) private pure {
        eq(keccak256(abi.encode(a)), keccak256(abi.encode(b)), "the other fields stay");
    }

    function testFuzz_Opened(uint32 now_, uint48 bond, uint24 clock, uint40 long_) public pure {
        uint256 held = bond & GameLib.MOST_BOND;
        GameWord w = GameLib.opened(now_, Phase.Trace, 20, held, clock, long_);
        Game memory g = w.read(0);
        eq(g.openedAt, now_, "openedAt");
        eq(g.movedAt, now_, "movedAt");
        eq(g.bond, held, "bond");
        eq(g.challengerLeft, clock, "challenger");
        eq(g.providerLeft, long_ < type(uint24).max ? long_ : type(uint24).max, "provider, as much as fits");
        eq(g.levels, 20, "levels");
        eq(uint8(g.phase), uint8(Phase.Trace), "phase");
        eq(uint256(g.path) + g.shown + g.chosen + g.tag, 0, "nothing else");
    }

    function testFuzz_Phase(uint256 word, uint8 phase) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        want.phase = Phase(phase % 11);
        _same(w.withPhase(want.phase).read(0), want);
    }

    function testFuzz_Bond(uint256 word, uint256 bond) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        want.bond = uint48(bound(bond, 0, GameLib.MOST_BOND));
        _same(w.withBond(want.bond).read(0), want);
    }

    function testFuzz_Tag(uint256 word, bytes32 position) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(position);
        want.tag = uint48(uint256(position));
        _same(w.withTag(position).read(position), want);
    }

    function testFuzz_Chosen(uint256 word, uint8 chosen) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        want.chosen = chosen;
        _same(w.withChosen(chosen).read(0), want);
    }

    function testFuzz_Path(uint256 word, uint32 path) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        want.path = path;
        _same(w.withPath(path).read(0), want);
    }

    function testFuzz_ProviderLeft(uint256 word, uint24 left) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        want.providerLeft = left;
        _same(w.withProviderLeft(left).read(0), want);
    }

    function testFuzz_Standing(uint256 word, uint32 path, uint8 levels, uint8 shown, uint8 phase) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        (want.path, want.levels, want.shown, want.chosen) = (path, levels & 63, shown & 15, 0);
        want.phase = Phase(phase % 11);
        _same(w.standing(path, levels & 63, shown & 15, want.phase).read(0), want);
    }

    function _isProviders(Phase p) private pure returns (bool) {
        return p == Phase.Trace || p == Phase.Reveal || p == Phase.Chain || p == Phase.Running;
    }

    function test_Mover() public pure {
        for (uint8 i; i < 11; ++i) {
            (bool provider, bool live) = GameLib.mover(Phase(i));
            yes(provider == _isProviders(Phase(i)), "provider");
            yes(live == (i >= uint8(Phase.Trace) && i <= uint8(Phase.Prove)), "live");
        }
    }

    /// A chess clock: what the mover used is gone, what is left is written down, the other's stands.
    function testFuzz_Clock(uint256 word, uint32 elapsed, uint32 gained) public pure {
        GameWord w = _any(word);
        Game memory want = w.read(0);
        uint256 has = _isProviders(want.phase) ? want.providerLeft : want.challengerLeft;
        uint256 used = bound(elapsed, 0, 2 * has + 1);
        if (want.movedAt + used > type(uint32).max) return;
        (uint256 rest, bool inTime) = w.left(want.movedAt + used);
        yes(inTime == (used <= has), "in time up to the last unit");
        eq(rest, inTime ? has - used : 0, "rest");
        uint256 left = rest + gained;
        if (left > type(uint24).max) left = type(uint24).max;
        want.movedAt += uint32(used);
        if (_isProviders(want.phase)) want.providerLeft = uint24(left);
        else want.challengerLeft = uint24(left);
        _same(w.moved(want.movedAt, rest + gained).read(0), want);
    }

    /// A trace is shown five levels at a time; a tensor up to five, in the fewest answers, as evenly as can be, and so
    /// that the last shows four leaves or fewer where that takes no answer more.
    function test_Step() public pure {
        for (uint256 below; below < 40; ++below) {
            eq(GameLib.step(false, below), below < 5 ? below : 5, "trace");
            uint256 fewest = below <= 3 ? 0 : (below - 3 + 4) / 5;
            uint256 left = below;
            uint256 answers;
            uint256 least = 5;
            uint256 most;
            for (; left > 3; ++answers) {
                uint256 step = GameLib.step(true, left);
                yes(step > 0 && step <= 5, "some levels, and no more than five");
                (least, most) = (step < least ? step : least, step > most ? step : most);
                left -= step;
            }
            eq(GameLib.step(true, left), left, "then leaves");
            eq(answers, fewest, "in the fewest answers");
            if (answers == 0) continue;
            yes(most - least <= 1, "evenly");
            eq(left, below - 2 <= 5 * fewest ? 2 : 3, "four leaves if that can be");
        }
    }

    // ------------------------------------------------------------------------------------------------- facts

    /// @dev Fields and their widths, from the lowest bit, as the type's comment lists them.
    function testFuzz_Facts(uint256 word) public pure {
        Facts f = Facts.wrap(word);
        uint256[13] memory got = [
            uint256(f.landedAt()),
            f.start(),
            f.columns(),
            f.rows(),
            f.chain(),
            f.terms(),
            f.depth(),
            f.dtype(),
            word >> 168 & 15, // the kind, which no rule reads
            f.output(),
            f.node(),
            f.first(),
            f.inner()
        ];
        uint8[13] memory widths = [32, 32, 32, 32, 20, 8, 8, 4, 4, 8, 20, 20, 20];
        for (uint256 i; i < 13; ++i) {
            eq(got[i], word & (uint256(1) << widths[i]) - 1, "field");
            word >>= widths[i];
        }
    }

    function _facts(uint256 dtype, uint256 rows, uint256 columns, uint256 chain, uint256 terms)
        private
        pure
        returns (Facts)
    {
        return Facts.wrap(columns << 64 | rows << 96 | chain << 128 | terms << 148 | dtype << 164);
    }

    /// Every segment is in one span, and all of them together are the chain.
    function testFuzz_Segments(uint32 chain, bool int8_) public pure {
        uint256 terms = int8_ ? 128 : 32;
        uint256 k = bound(chain, 1, 1 << 19);
        Facts f = _facts(int8_ ? 3 : 1, 1, 1, k, terms);
        uint256 sum;
        for (uint256 i; i < f.spans(); ++i) {
            uint256 count = f.segmentsOf(i);
            yes(count != 0 && count * terms <= 4096, "a span holds at most 4096 terms");
            sum += count;
        }
        eq(sum, f.segments(), "all segments");
        yes(sum * terms >= k && (sum - 1) * terms < k, "all terms");
        eq(_facts(1, 1, 1, 0, 0).segments(), 1, "one step");
    }

    /// Every byte of every leaf is inside exactly if some element lies on it.
    function testFuzz_Inside(uint8 rows, uint8 columns, bool int8_, uint16 leaf, uint8 offset) public pure {
        (uint256 r, uint256 c) = (bound(rows, 1, 8), bound(columns, 1, 200));
        uint256 width = int8_ ? 1 : 4;
        Facts f = _facts(int8_ ? 3 : 2, r, c, 0, 0);
        uint256 perRow = (c * width + 127) / 128;
        uint256 place = bound(leaf, 0, r * perRow + 2);
        uint256 at_ = bound(offset, 0, 127);
        bool inside;
        for (uint256 i; i < r * c; ++i) {
            (uint256 index, uint256 start) = f.find(i);
            eq(index, i / c * perRow + i % c * width / 128, "leaf");
            eq(start, i % c * width % 128, "byte");
            inside = inside || (index == place && at_ >= start && at_ < start + width);
        }
        yes(f.isInside(place, at_) == inside, "inside");
    }
}
