// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";

/// @notice Malformed calldata at every entry point of Audits: cut at every word, and every word turned into a huge
/// number. Each such call either reverts and changes nothing, or does exactly what the well-formed one does.
contract AuditCalldataTest is AuditBase {
    using TestTree for bytes32[][];

    error ActsDifferently(uint256 word, uint256 variant);

    uint256 private constant NONE = 99;

    function _state() private view returns (bytes32) {
        bytes32 here = keccak256(abi.encode(audit(), audits.tasksOf(idOf(bid), true), audits.burntStake()));
        uint256 held = token.balanceOf(address(audits));
        bytes32 people;
        for (uint256 i; i < AUDITORS; ++i) {
            people = keccak256(abi.encode(people, audits.auditorOf(auditor(i)), owed(auditor(i))));
        }
        return keccak256(abi.encode(here, held, people, owed(CLIENT), owed(OWNER), view_(bid)));
    }

    function _try(address who, bytes memory data) private returns (bool ok) {
        vm.prank(who, who);
        (ok,) = address(audits).call(data);
    }

    /// @dev Then it is made as it should be. The words from `free` on are the caller's choice: others are another call.
    function _malformed(address who, bytes memory data, uint256 free) private {
        uint256 saved = vm.snapshotState();
        bytes32 before = _state();
        yes(_try(who, data), "the well-formed call is taken");
        bytes32 done = _state();
        yes(done != before, "it acts");
        vm.revertToState(saved);
        for (uint256 length; length < data.length; length += 4) {
            _same(who, _cut(data, length), before, done, length, NONE);
        }
        for (uint256 word_; 32 * word_ + 4 < data.length; ++word_) {
            if (word_ >= free) continue;
            for (uint256 variant; variant < 4; ++variant) {
                _same(who, _changed(data, word_, variant), before, done, word_, variant);
            }
        }
        yes(_try(who, data), "and still is");
    }

    function _same(
        address who,
        bytes memory data,
        bytes32 before,
        bytes32 done,
        uint256 word_,
        uint256 variant
    ) private {
        uint256 saved = vm.snapshotState();
        bool ok = _try(who, data);
        if (_state() != (ok ? done : before)) revert ActsDifferently(word_, variant);
        vm.revertToState(saved);
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory less) {
        less = new bytes(length);
        for (uint256 i; i < length; ++i) {
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

    function test_FromTheOrderToTheEnd() public {
        _malformed(CLIENT, abi.encodeCall(audits.order, (bid, job(), 2)), NONE);
        skip(DRAW + 1);
        _malformed(STRANGER, abi.encodeCall(audits.redraw, (bid, true)), NONE);
        skip(5);
        _malformed(STRANGER, abi.encodeCall(audits.draw, (bid, true)), NONE);
        bytes32 item = right();
        _malformed(
            operator,
            abi.encodeCall(audits.commitAsProvider, (bid, true, drawSeed(), seal(OWNER, TRACE, item))),
            8
        );
        for (uint256 i; i < 2; ++i) {
            address who = task(i).auditor;
            bytes32 commitment = seal(who, TRACE, item);
            _malformed(who, abi.encodeCall(audits.commit, (bid, true, i, drawSeed(), commitment, item)), 9);
        }
        bytes32[] memory proof = itemsTree().proof(0, audit().item);
        bytes32[] memory roots = rootsOf(audit().item);
        _malformed(
            operator,
            abi.encodeCall(audits.revealAsProvider, (bid, true, TRACE, roots, SALT, proof, TRACE, none_)),
            NONE
        );
        for (uint256 i; i < 2; ++i) {
            bytes memory shown = abi.encodeCall(audits.reveal, (idOf(bid), true, i, TRACE, item, SALT));
            _malformed(task(i).auditor, shown, NONE);
        }
        _malformed(STRANGER, abi.encodeCall(audits.finish, (bid, true)), NONE);
        address paid = task(0).auditor;
        _malformed(paid, abi.encodeCall(audits.withdraw, (0, paid)), 1);
    }

    function test_Abstaining() public {
        drawn(2);
        _malformed(task(1).auditor, abi.encodeCall(audits.abstain, (bid, true, 1, drawSeed())), NONE);
    }

    function test_AfterAnAccusation() public {
        drawn(2);
        play(1, 2);
        finish();
        showInGame("another trace");
        _malformed(STRANGER, abi.encodeCall(audits.close, (bid, true, TRACE, right())), NONE);
        settle();
        _malformed(STRANGER, abi.encodeCall(audits.takeReward, (bid, true, 1)), NONE);
    }

    function test_TheAuditorsOwn() public {
        address who = auditor(1);
        _malformed(who, abi.encodeCall(audits.quit, ()), NONE);
        skip(LEAVE + 1);
        _malformed(who, abi.encodeCall(audits.takeStake, (who)), 0);
        token.mint(who, STAKE);
        vm.prank(who);
        token.approve(address(audits), STAKE);
        _malformed(who, abi.encodeCall(audits.enrol, ()), NONE);
    }

    /// Calls that do not exist, and coin that nobody asked for.
    function test_NoSuchCall() public {
        bytes32 before = _state();
        yes(!_try(STRANGER, ""), "nothing");
        yes(!_try(STRANGER, hex"12345678"), "unknown");
        vm.deal(STRANGER, 1 ether);
        vm.prank(STRANGER);
        (bool ok,) = address(audits).call{value: 1}("");
        yes(!ok && _state() == before, "coin");
    }
}
