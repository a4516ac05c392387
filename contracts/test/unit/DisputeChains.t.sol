// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {Conviction, Phase} from "../../src/types/DisputeTypes.sol";
import {GameCalls, Naming, ProvingSegment, Running, RunningOfSpan} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";

/// @notice disputeChains.tree: running values, spans, and false segments.
contract DisputeChainsTest is GamePlay {
    using GameCalls for *;

    bytes4 private constant COUNT = IDisputeEvents.Disputes_Count.selector;
    bytes4 private constant NO_ELEMENT = IDisputeEvents.Disputes_NoElement.selector;
    bytes4 private constant OTHER_POSITION = IDisputeEvents.Disputes_OtherPosition.selector;
    bytes4 private constant WRONG_PLACE = IDisputeEvents.Disputes_WrongPlace.selector;
    bytes4 private constant NOT_PROVIDER = IDisputeEvents.Disputes_NotProvider.selector;

    bytes private badProof = abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector);

    function _where() private view returns (bytes32) {
        return keccak256(abi.encode(here.anchor, here.site, here.left, here.operator));
    }

    // ----------------------------------------------------------------------------------------------- element

    function test_Element() public {
        toChain(PRODUCT);
        inPhase(Phase.Chain);
        eq(now_().path, ELEMENT, "the element");
        eq(now_().position, _where(), "where it was");
    }

    function test_ElementAmiss() public {
        toLeaves(PRODUCT);
        Naming memory a = naming();
        a.number = 512;
        no(me, a.data(), with(NO_ELEMENT, 512));
        a.number = 4 * 32; // in the next quarter
        no(me, a.data(), with(NO_ELEMENT, 128));
        a.number = type(uint256).max;
        no(me, a.data(), with(NO_ELEMENT, type(uint256).max));
        a = naming();
        a.tag ^= 1;
        no(
            me,
            a.data(),
            abi.encodeWithSelector(IDisputeEvents.Disputes_OtherState.selector, a.tag ^ 1, a.tag)
        );
        a = naming();
        a.position.left = any(0);
        no(me, a.data(), with(OTHER_POSITION, game));
        a = naming();
        a.facts ^= 1 << 96;
        no(me, a.data(), with(WRONG_PLACE, here.site));
        a = naming();
        a.headerHash = any(0);
        no(me, a.data(), with(WRONG_PLACE, here.site));
    }

    /// In the padding there is no element: an honest provider would have no running values for it.
    function test_ElementBeyondTheShape() public {
        toLanded(RAGGED_PRODUCT);
        reveal();
        pick(2);
        revealLeaves(2);
        Naming memory a = naming();
        a.number = 9 * 32;
        no(me, a.data(), with(NO_ELEMENT, 9 * 32));
        a.number = 8 * 32;
        does(me, a.data());
        inPhase(Phase.Chain);
    }

    function test_ElementOfNoChain() public {
        toLeaves(COPY);
        no(me, naming().data(), with(NO_ELEMENT, ELEMENT));
    }

    // ----------------------------------------------------------------------------------------------- running

    function test_Running() public {
        toChain(PRODUCT);
        running();
        inPhase(Phase.Prove);
        eq(now_().position, _where(), "over the values");
    }

    function test_RunningOfALongChain() public {
        toChain(LONG);
        running();
        inPhase(Phase.Span);
        eq(now_().position, _where(), "over the totals");
        eq(now_().chosen, 2, "the last span");
    }

    function test_RunningAmiss() public {
        toChain(PRODUCT);
        Running memory a = runningArgs();
        a.values = spanValues[0];
        no(operator, a.data(), with(COUNT, 64, 512));
        a.values = new bytes(60);
        no(operator, a.data(), with(COUNT, 64, 60));
        a = runningArgs();
        a.leaf[0] ^= 0x01;
        no(operator, a.data(), badProof);
        a = runningArgs();
        a.leaf = new bytes(127);
        no(operator, a.data(), with(COUNT, 128, 127));
        a = runningArgs();
        a.siblings = new bytes32[](1);
        no(operator, a.data(), with(COUNT, 2, 1));
        a = runningArgs();
        a.header = headerOf(LONG);
        no(operator, a.data(), with(WRONG_PLACE, here.site));
        a = runningArgs();
        a.position.left = any(0);
        no(operator, a.data(), with(OTHER_POSITION, game));
        no(STRANGER, runningArgs().data(), with(NOT_PROVIDER, STRANGER));
    }

    /// Values that do not fold to the element contradict it: no honest provider has such.
    function test_RunningThatDoesNotFold() public {
        toChain(PRODUCT);
        Running memory a = runningArgs();
        a.values[29] ^= 0x40; // behind the first block
        bytes memory ends = abi.encodePacked(uint32(word(a.values, 7)), uint32(word(a.values, 15)));
        uint256 found = referee.fold(headerOf(PRODUCT), ends);
        no(operator, a.data(), with(IDisputeEvents.Disputes_BadFold.selector, found, claimedOf(PRODUCT)));
    }

    function test_TotalsThatDoNotEndAtTheElement() public {
        toChain(LONG);
        Running memory a = runningArgs();
        a.values[11] ^= 0x01;
        uint256 found = word(a.values, 2);
        no(operator, a.data(), with(IDisputeEvents.Disputes_BadFold.selector, found, claimedOf(LONG)));
    }

    // -------------------------------------------------------------------------------------------------- span

    function test_SpanAmiss() public {
        toChain(LONG);
        running();
        bytes memory data = abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, 3));
        no(me, data, with(IDisputeEvents.Disputes_NoChild.selector, 3));
        uint48 tag = now_().tag;
        data = abi.encodeCall(disputes.span, (caseId(), seal, tag ^ 1, 2));
        no(me, data, abi.encodeWithSelector(IDisputeEvents.Disputes_OtherState.selector, tag, tag ^ 1));
    }

    function test_EachSpan() public {
        for (uint256 i; i < 3; ++i) {
            // The game of another challenger, so that none exists already.
            openAs(LONG, address(uint160(0xC000 + i)), SALT);
            if (i == 0) trace();
            else here.operator = address(0);
            if (i == 0) pick(LONG >> 1);
            else _jump();
            if (i == 0) reveal();
            land();
            downToLeaves();
            does(me, naming().data());
            running();
            does(me, abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, i)));
            runningOfSpan();
            inPhase(Phase.Prove);
            eq(now_().position, _where(), "over the span's values");
            eq(now_().chosen, i, "the span");
        }
    }

    /// Known already: by proof, and the operator adopts the game with its next answer's key.
    function _jump() private {
        does(me, jumping().data());
        (bytes32[] memory up,) = upFrom(level5(), LONG >> 1);
        here.left = leftOf(0, LONG >> 1, up);
        here.anchor = level5()[LONG >> 1];
        does(operator, abi.encodeCall(disputes.adopt, (OWNER, escrow.bidHash(bid), case_, me, seal, here)));
        here.operator = operator;
        bytes32[] memory two = part(roots, LONG & ~uint256(1), 2);
        does(operator, abi.encodeCall(disputes.reveal, (game, 0, here.left, two, new bytes32[](0))));
        skip(1);
    }

    function test_RunningOfSpanAmiss() public {
        toRunning(1);
        RunningOfSpan memory a = spanArgs();
        a.values = spanValues[2];
        no(operator, a.data(), with(COUNT, 512, 8));
        a = spanArgs();
        a.totals[0] ^= 0x01;
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = spanArgs();
        a.totals = bytes.concat(a.totals, bytes20(0)); // hashes to the same
        a.claimed ^= 1;
        no(operator, a.data(), with(OTHER_POSITION, game));
        a = spanArgs();
        a.header = headerOf(PRODUCT);
        no(operator, a.data(), with(WRONG_PLACE, here.site));
        a = spanArgs();
        a.position.left = any(0);
        no(operator, a.data(), with(OTHER_POSITION, game));
        no(STRANGER, spanArgs().data(), with(NOT_PROVIDER, STRANGER));
        a = spanArgs();
        a.values = spanValues[0]; // of another span: they do not lead from total to total
        as_(operator);
        (bool ok, bytes memory why) = address(disputes).call(a.data());
        yes(!ok && bytes4(why) == IDisputeEvents.Disputes_BadFold.selector, "they do not fold");
    }

    // ------------------------------------------------------------------------------------------ proveSegment

    function _toValues() private {
        toChain(PRODUCT);
        running();
    }

    function test_AFalseSegment() public {
        _toValues();
        does(me, segmentArgs(FALSE_SEGMENT).data());
        inPhase(Phase.Won);
        yes(disputes.verdictOf(case_.leaseId).how == Conviction.Proven, "convicted");
    }

    /// The last segment of the last, short span.
    function test_AFalseSegmentOfASpan() public {
        toRunning(2);
        runningOfSpan();
        does(me, segmentArgs(1).data());
        inPhase(Phase.Won);
    }

    /// Within a block the value before counts; at a block's beginning, the chain starts anew.
    function test_TrueSegments() public {
        _toValues();
        for (uint256 segment = 8; segment <= TRUE_SEGMENT; ++segment) {
            ProvingSegment memory a = segmentArgs(segment);
            _at(a, segment);
            no(me, a.data(), with(IDisputeEvents.Disputes_StepIsTrue.selector, word(values, segment)));
        }
    }

    /// The operands' proofs for another segment of the same rows, whose leaves are all the same.
    function _at(ProvingSegment memory a, uint256 segment) private pure {
        for (uint256 side; side < 2; ++side) {
            a.operands[side].tensor = operandSiblings(PRODUCT, side);
        }
        a.segment = segment;
    }

    function test_SegmentAmiss() public {
        _toValues();
        ProvingSegment memory a = segmentArgs(FALSE_SEGMENT);
        a.segment = 16;
        no(me, a.data(), with(NO_ELEMENT, 16));
        a.segment = type(uint256).max;
        no(me, a.data(), with(NO_ELEMENT, type(uint256).max));
        a = segmentArgs(FALSE_SEGMENT);
        a.segment = 2; // the word of another eight
        no(me, a.data(), badProof);
        a = segmentArgs(FALSE_SEGMENT);
        a.word = any(0);
        no(me, a.data(), badProof);
        a = segmentArgs(FALSE_SEGMENT);
        a.claimed ^= 1;
        no(me, a.data(), badProof);
        a = segmentArgs(FALSE_SEGMENT);
        a.siblings = new bytes32[](0);
        no(me, a.data(), with(COUNT, 1, 0));
        a = segmentArgs(FALSE_SEGMENT);
        a.operands[1].tree[0] = any(0);
        no(me, a.data(), badProof);
        a = segmentArgs(FALSE_SEGMENT);
        a.operands[1].tensor[8] = any(0);
        no(me, a.data(), badProof);
        a = segmentArgs(FALSE_SEGMENT);
        a.leaves[200] ^= 0x01;
        no(me, a.data(), badProof);
        a = segmentArgs(FALSE_SEGMENT);
        a.facts ^= 1 << 32; // another start
        no(me, a.data(), with(WRONG_PLACE, here.site));
        a = segmentArgs(FALSE_SEGMENT);
        a.position.left = any(0);
        no(me, a.data(), with(OTHER_POSITION, game));
    }
}
