// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GameCalls} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice Malformed calldata at every entry point: cut at every word, and every word turned into a huge offset or
/// length. Each such call either reverts and changes nothing, or does exactly what the well-formed one does.
contract DisputeCalldataTest is GamePlay {
    using GameCalls for *;

    error ActsDifferently(uint256 word, uint256 variant);

    function _malformed(address who, bytes memory data) private {
        _malformed(who, 0, data, 0, 0);
    }

    /// @dev Words from `free` to before `end` are the caller's choice: other ones mean another call, that may be taken.
    function _malformed(address who, uint256 value, bytes memory data, uint256 free, uint256 end) private {
        uint256 saved = vm.snapshotState();
        bytes32 before = snapshot();
        if (!_try(who, value, data)) revert Untrue("the well-formed call ought to be taken");
        bytes32 done = snapshot();
        yes(done != before, "it acts");
        vm.revertToState(saved);
        for (uint256 length = 4; length < data.length; length += 32) {
            _same(who, value, _cut(data, length), before, done, length, 9);
            _same(who, value, _cut(data, length + 31), before, done, length, 8);
        }
        for (uint256 word_; 32 * word_ + 4 < data.length; ++word_) {
            if (word_ >= free && word_ < end) continue;
            for (uint256 variant; variant < 4; ++variant) {
                _same(who, value, _changed(data, word_, variant), before, done, word_, variant);
            }
        }
    }

    function _try(address who, uint256 value, bytes memory data) private returns (bool ok) {
        as_(who);
        (ok,) = address(disputes).call{value: value}(data);
    }

    function _same(
        address who,
        uint256 value,
        bytes memory data,
        bytes32 before,
        bytes32 done,
        uint256 word_,
        uint256 variant
    ) private {
        uint256 saved = vm.snapshotState();
        bool ok = _try(who, value, data);
        if (snapshot() != (ok ? done : before)) revert ActsDifferently(word_, variant);
        if (ok) vm.revertToState(saved);
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory less) {
        less = new bytes(length);
        for (uint256 i; i < length && i < data.length; ++i) {
            less[i] = data[i];
        }
    }

    function _changed(bytes memory data, uint256 word_, uint256 variant)
        private
        pure
        returns (bytes memory other)
    {
        other = bytes.concat(data);
        assembly ("memory-safe") {
            let position := add(add(other, 36), mul(32, word_))
            let old := mload(position)
            switch variant
            case 0 { old := not(0) }
            case 1 { old := or(old, shl(255, 1)) }
            case 2 { old := 0xffffffffffffffff }
            default { old := add(old, shl(40, 1)) }
            mstore(position, old)
        }
    }

    function test_Challenge() public {
        (me, seal) = (CHALLENGER, any(1));
        game = gameId(case_, me, seal);
        _malformed(me, bond(), opening().data(), 18, 19); // the seal
    }

    function test_Trace() public {
        open(COPY);
        bytes32 first = seal;
        openAs(PRODUCT, STRANGER, SALT);
        trace(); // once it is known, there is one trace that can be posted
        (me, seal, game) = (CHALLENGER, first, gameId(case_, CHALLENGER, first));
        _malformed(operator, tracing().data());
    }

    function test_PickJumpLand() public {
        node = COPY;
        toPick();
        _malformed(me, picking(COPY >> 1));
        _malformed(me, jumping().data());
        pick(COPY >> 1);
        _malformed(operator, revealing().data());
        reveal();
        _malformed(me, landing().data());
    }

    function test_LandOnOutput() public {
        node = OUTPUT;
        toPick();
        _malformed(me, landingOnOutput().data());
    }

    function test_RevealLeavesElementRunning() public {
        toLanded(PRODUCT);
        reveal();
        pick(0);
        _malformed(operator, revealingLeaves(0).data());
        revealLeaves(0);
        _malformed(me, naming().data());
        does(me, naming().data());
        _malformed(operator, 0, runningArgs().data(), 22, 24); // running values inside a block
        running();
        _malformed(me, segmentArgs(FALSE_SEGMENT).data());
    }

    function test_Spans() public {
        toChain(LONG);
        running();
        _malformed(me, abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, 1)));
        does(me, abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, 2)));
        _malformed(operator, 0, spanArgs().data(), 16, 17);
    }

    function test_ProveAndClaim() public {
        toLanded(COPY_INPUT);
        uint256 landedAt = block.number - 1;
        _malformed(me, proving().data());
        does(me, proving().data());
        skip(1);
        _malformed(me, claiming(COPY_INPUT, landedAt).data());
    }

    function test_ProveOutside() public {
        toLanded(RAGGED);
        _malformed(me, provingOutside(4, 121).data());
    }

    function test_Ends() public {
        node = COPY;
        toPick();
        _malformed(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        pick(COPY >> 1);
        bytes memory adopting =
            abi.encodeCall(disputes.adopt, (OWNER, escrow.bidHash(bid), case_, me, seal, here));
        does(operator, adopting); // by the same key: nothing changes
        skip(100);
        _malformed(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, me, seal)));
        does(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, me, seal)));
        skip(1);
        // It was open before the block of its own conviction.
        _malformed(me, abi.encodeCall(disputes.claimSilence, (case_, seal)));
        skip(CLAIM_PERIOD + 1);
        _malformed(STRANGER, abi.encodeCall(disputes.settle, (bid)));
        disputes.settle(bid);
        _malformed(me, abi.encodeCall(disputes.collect, (bid, case_, seal)));
    }

    /// Calls that do not exist, and coin that nobody asked for.
    function test_NoSuchCall() public {
        node = COPY;
        toPick();
        no(me, "", "");
        no(me, hex"12345678", "");
        no(me, 1 gwei, "", "");
        no(me, 1 gwei, picking(1), "");
        bytes memory data = abi.encodeCall(disputes.resign, (bid, case_, seal));
        no(me, 1 gwei, data, "");
    }
}
