// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AuditBase} from "../base/AuditBase.sol";
import {vm} from "../base/Vm.sol";

/// @notice Gas of audits as whole transactions (run with --isolate), into snapshots/audit.json.
contract AuditGasTest is AuditBase {
    function _note(string memory name) private {
        vm.snapshotGasLastCall("audit", name);
    }

    function test_Enrol() public {
        address who = address(0xE4A01);
        token.mint(who, 2 * STAKE);
        vm.prank(who);
        token.approve(address(audits), 2 * STAKE);
        vm.prank(who);
        audits.enrol();
        _note("enrol");
    }

    function test_OneAuditor() public {
        order(CLIENT, 1);
        _note("order_1");
        skip(5);
        audits.draw(bid, true);
        _note("draw_1");
        commitAsProvider(TRACE, right());
        _note("commit_provider");
        commit(0, TRACE, right());
        _note("commit");
        revealAsProvider(TRACE);
        _note("reveal_provider");
        reveal(0, TRACE, right());
        _note("reveal");
        finish();
        _note("finish_1");
    }

    function test_Abstain() public {
        drawn(1);
        abstain(0);
        _note("abstain");
    }

    function test_ThreeAuditors() public {
        order(CLIENT, 3);
        _note("order_3");
        skip(5);
        audits.draw(bid, true);
        _note("draw_3");
        play(3, 3);
        finish();
        _note("finish_3");
    }
}
