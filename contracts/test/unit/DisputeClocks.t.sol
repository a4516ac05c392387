// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {Conviction, Game, Phase} from "../../src/types/DisputeTypes.sol";
import {GameCalls} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";

/// @notice disputeClocks.tree: every phase ends by its mover's clock, to the block; and giving up.
contract DisputeClocksTest is GamePlay {
    using GameCalls for *;

    function _timeout() private view returns (bytes memory) {
        return abi.encodeCall(disputes.timeout, (bid, case_, me, seal));
    }

    function _resign() private view returns (bytes memory) {
        return abi.encodeCall(disputes.resign, (bid, case_, seal));
    }

    function _wrongPhase(Phase phase) private view returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, game, phase);
    }

    /// @dev Brings a game to each live phase.
    function _to(Phase phase) private {
        if (phase == Phase.Trace) open(COPY);
        if (phase == Phase.Pick) toLeaves(COPY);
        if (phase == Phase.Reveal) toLanded(COPY);
        if (phase == Phase.Chain) toChain(PRODUCT);
        if (phase == Phase.Span) {
            toChain(LONG);
            running();
        }
        if (phase == Phase.Running) toRunning(1);
        if (phase == Phase.Prove) {
            toChain(PRODUCT);
            running();
        }
        inPhase(phase);
    }

    function _isProviders(Phase phase) private pure returns (bool) {
        return phase == Phase.Trace || phase == Phase.Reveal || phase == Phase.Chain || phase == Phase.Running;
    }

    /// @dev At the last block of the mover's clock nothing ends; one block later it does, and no move is taken.
    function _ends(Phase phase) private {
        _to(phase);
        Game memory g = now_();
        uint256 last = uint256(g.movedAt) + (_isProviders(phase) ? g.providerLeft : g.challengerLeft);
        uint256 held = uint256(g.bond) * 1 gwei;
        skip(last - block.number);
        eq(block.number, last, "at the end");
        no(STRANGER, _timeout(), abi.encodeWithSelector(IDisputeEvents.Disputes_InTime.selector, game, 0));
        skip(1);
        does(STRANGER, _timeout());
        if (_isProviders(phase)) {
            inPhase(Phase.Won);
            yes(disputes.verdictOf(case_.leaseId).how == Conviction.Silent, "silence convicts");
            eq(disputes.coinOf(OWNER), 0, "the owner gets nothing");
            eq(view_(bid).freezes, 1, "the result is held");
        } else {
            inPhase(Phase.Lost);
            yes(disputes.verdictOf(case_.leaseId).how == Conviction.None, "nobody is convicted");
            eq(disputes.coinOf(OWNER), held, "the rest of the bond is the owner's");
            eq(view_(bid).freezes, 0, "the result is free");
            no(STRANGER, _timeout(), _wrongPhase(Phase.Lost));
        }
    }

    function test_Trace() public {
        _ends(Phase.Trace);
    }

    function test_Pick() public {
        _ends(Phase.Pick);
    }

    function test_Reveal() public {
        _ends(Phase.Reveal);
    }

    function test_Chain() public {
        _ends(Phase.Chain);
    }

    function test_Span() public {
        _ends(Phase.Span);
    }

    function test_Running() public {
        _ends(Phase.Running);
    }

    function test_Prove() public {
        _ends(Phase.Prove);
    }

    function _outOfTime() private view returns (bytes memory) {
        return abi.encodeWithSelector(IDisputeEvents.Disputes_OutOfTime.selector, game);
    }

    /// A move in the last block counts; one block later none does, though nobody has called `timeout` yet.
    function test_ProviderTooLate() public {
        toLanded(COPY);
        skip(uint256(now_().movedAt) + now_().providerLeft - block.number + 1);
        no(operator, revealing().data(), _outOfTime());
        no(me, proving().data(), _outOfTime());
    }

    function test_ProviderAtTheEnd() public {
        toLanded(COPY);
        skip(uint256(now_().movedAt) + now_().providerLeft - block.number);
        reveal();
        inPhase(Phase.Pick);
        eq(now_().providerLeft, INCREMENT, "all used but the increment");
    }

    function test_ChallengerAtTheEnd() public {
        node = COPY;
        toPick();
        skip(uint256(now_().movedAt) + now_().challengerLeft - block.number);
        pick(COPY >> 1);
        eq(now_().challengerLeft, INCREMENT, "all used but the increment");
        reveal();
        skip(uint256(now_().movedAt) + now_().challengerLeft - block.number + 1);
        no(me, landing().data(), _outOfTime());
    }

    /// The increment of each move cannot starve the other side: its own clock stands still meanwhile.
    function test_TheOthersClockStands() public {
        node = COPY;
        toPick();
        uint256 left = now_().providerLeft;
        skip(20);
        pick(COPY >> 1);
        eq(now_().providerLeft, left, "not the provider's time");
    }

    // ------------------------------------------------------------------------------------------------ giving up

    function test_Resign() public {
        node = COPY;
        toPick();
        uint256 held = uint256(now_().bond) * 1 gwei;
        does(me, _resign());
        inPhase(Phase.Lost);
        eq(disputes.coinOf(OWNER), held, "the owner's");
        eq(view_(bid).freezes, 0, "free");
        no(me, _resign(), _wrongPhase(Phase.Lost));
    }

    function test_ResignWhileTheProviderMoves() public {
        toLanded(COPY);
        no(me, _resign(), _wrongPhase(Phase.Reveal));
    }

    function test_ResignAfterTheClock() public {
        node = COPY;
        toPick();
        skip(100);
        does(me, _resign());
        inPhase(Phase.Lost);
    }

    function test_ResignByAnother() public {
        node = COPY;
        toPick();
        bytes32 his = gameId(case_, STRANGER, seal);
        bytes memory none =
            abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, his, Phase.None);
        no(STRANGER, _resign(), none);
    }

    function test_OfAnotherLease() public {
        open(COPY);
        skip(100);
        bytes32[6] memory another = bid;
        another[2] = any(0);
        bytes memory why = abi.encodeWithSelector(IDisputeEvents.Disputes_WrongLease.selector, idOf(another));
        no(STRANGER, abi.encodeCall(disputes.timeout, (another, case_, me, seal)), why);
        no(me, abi.encodeCall(disputes.resign, (another, case_, seal)), why);
        no(me, abi.encodeCall(disputes.collect, (another, case_, seal)), why);
    }

    /// Once a lease is convicted no other game of it is lost or won any more: its bond comes back.
    function test_AfterAConviction() public {
        open(PRODUCT);
        bytes32 first = seal;
        openAs(COPY, STRANGER, SALT);
        trace();
        pick(COPY >> 1);
        reveal();
        land();
        does(me, proving().data());
        (me, seal, game) = (CHALLENGER, first, gameId(case_, CHALLENGER, first));
        bytes memory why = abi.encodeWithSelector(IDisputeEvents.Disputes_Convicted.selector, case_.leaseId);
        skip(200);
        no(STRANGER, _timeout(), why);
        no(me, _resign(), why);
    }
}
