// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {Phase} from "../../src/types/DisputeTypes.sol";
import {
    GameCalls,
    Jumping,
    Landing,
    LandingOnOutput,
    Naming,
    Proving,
    ProvingOutside,
    ProvingSegment,
    Revealing,
    RevealingLeaves,
    Running,
    RunningOfSpan
} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";

/// @notice The table in IDisputes, from the other side: every call, in every phase that it does not stand in, is refused.
contract DisputePhasesTest is GamePlay {
    using GameCalls for *;

    uint256 private constant CALLS = 17;

    /// @dev Which calls the table knows in a phase.
    function _legal(uint256 call, Phase phase) private pure returns (bool) {
        bool providers =
            phase == Phase.Trace || phase == Phase.Reveal || phase == Phase.Chain || phase == Phase.Running;
        bool live = phase != Phase.None && phase < Phase.Won;
        if (call == 0) return phase == Phase.Trace;
        if (call <= 5) return phase == Phase.Pick;
        if (call <= 7) return phase == Phase.Reveal;
        if (call == 8) return phase == Phase.Chain;
        if (call == 9) return phase == Phase.Span;
        if (call == 10) return phase == Phase.Running;
        if (call <= 12) return phase == Phase.Pick || phase == Phase.Reveal;
        if (call == 13) return phase == Phase.Prove;
        if (call == 14) return live;
        if (call == 15) return live && !providers;
        return providers;
    }

    function _byProvider(uint256 call) private pure returns (bool) {
        return call == 0 || (call >= 6 && call <= 8) || call == 10 || call == 16;
    }

    /// @dev The phase is looked at before all that these leave empty.
    function _data(uint256 call) private view returns (bytes memory) {
        if (call == 0) return tracing().data();
        if (call == 1) return abi.encodeCall(disputes.pick, (caseId(), seal, 0, 0));
        if (call == 2) {
            Jumping memory a;
            (a.caseId, a.seal) = (caseId(), seal);
            return a.data();
        }
        if (call == 3) {
            Landing memory a;
            (a.case_, a.seal) = (case_, seal);
            return a.data();
        }
        if (call == 4) {
            LandingOnOutput memory a;
            (a.case_, a.seal) = (case_, seal);
            return a.data();
        }
        if (call == 5) {
            Naming memory a;
            (a.caseId, a.seal) = (caseId(), seal);
            return a.data();
        }
        return call < 11 ? _answer(call) : _last(call);
    }

    function _answer(uint256 call) private view returns (bytes memory) {
        if (call == 6) {
            Revealing memory a;
            a.game = game;
            return a.data();
        }
        if (call == 7) {
            RevealingLeaves memory a;
            a.game = game;
            return a.data();
        }
        if (call == 8) {
            Running memory a;
            a.game = game;
            return a.data();
        }
        if (call == 9) return abi.encodeCall(disputes.span, (caseId(), seal, 0, 0));
        RunningOfSpan memory b;
        b.game = game;
        return b.data();
    }

    function _last(uint256 call) private view returns (bytes memory) {
        if (call == 11) {
            Proving memory a;
            (a.case_, a.seal) = (case_, seal);
            return a.data();
        }
        if (call == 12) {
            ProvingOutside memory a;
            (a.case_, a.seal) = (case_, seal);
            return a.data();
        }
        if (call == 13) {
            ProvingSegment memory a;
            (a.case_, a.seal) = (case_, seal);
            return a.data();
        }
        if (call == 14) return abi.encodeCall(disputes.timeout, (bid, case_, me, seal));
        if (call == 15) return abi.encodeCall(disputes.resign, (bid, case_, seal));
        return abi.encodeCall(disputes.adopt, (OWNER, escrow.bidHash(bid), case_, me, seal, here));
    }

    function _all(Phase phase) private {
        inPhase(phase);
        bytes memory why = abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, game, phase);
        // A game without a position has none that could be adopted.
        uint256 calls = phase == Phase.None || phase == Phase.Trace ? CALLS - 1 : CALLS;
        for (uint256 call; call < calls; ++call) {
            if (_legal(call, phase)) continue;
            no(_byProvider(call) ? operator : me, _data(call), why);
        }
    }

    function test_None() public {
        (me, seal) = (CHALLENGER, any(1));
        game = gameId(case_, me, seal);
        _all(Phase.None);
    }

    function test_Trace() public {
        open(COPY);
        _all(Phase.Trace);
    }

    function test_Pick() public {
        toLeaves(PRODUCT);
        _all(Phase.Pick);
    }

    function test_Reveal() public {
        toLanded(COPY);
        _all(Phase.Reveal);
    }

    function test_Chain() public {
        toChain(PRODUCT);
        _all(Phase.Chain);
    }

    function test_Span() public {
        toChain(LONG);
        running();
        _all(Phase.Span);
    }

    function test_Running() public {
        toRunning(1);
        _all(Phase.Running);
    }

    function test_Prove() public {
        toChain(PRODUCT);
        running();
        _all(Phase.Prove);
    }

    function test_Won() public {
        toLanded(COPY);
        uint256 landedAt = block.number - 1;
        does(me, proving().data());
        _all(Phase.Won);
        skip(1);
        does(me, claiming(COPY, landedAt).data());
        _all(Phase.Claimed);
    }

    function test_Lost() public {
        node = COPY;
        toPick();
        does(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        _all(Phase.Lost);
    }
}
