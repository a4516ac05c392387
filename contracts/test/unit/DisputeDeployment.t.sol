// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {DisputeTerms} from "../../src/types/DisputeTypes.sol";
import {ClockKind} from "../../src/types/Types.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice What a deployment fixes: terms under which no game could be played are refused.
contract DisputeDeploymentTest is GamePlay {
    function _refused(address escrow_, address referee_, DisputeTerms memory t, bytes32 reason) private {
        bytes memory arguments = abi.encode(escrow_, referee_, t);
        bytes memory code = bytes.concat(vm.getCode("Disputes.sol:Disputes"), arguments);
        vm.expectRevert(abi.encodeWithSelector(IDisputeEvents.Disputes_BadTerms.selector, reason));
        deployer().create(code);
    }

    function _with(DisputeTerms memory t, bytes32 reason) private {
        _refused(address(escrow), address(referee), t, reason);
    }

    function test_BadTerms() public {
        DisputeTerms memory t = disputeTerms();
        _refused(address(0), address(referee), t, "escrow");
        _refused(address(escrow), address(0xE0A), t, "referee"); // no code
        t.moveClock = 0;
        _with(t, "moveClock");
        t.moveClock = 1 << 24;
        _with(t, "moveClock");
        t = disputeTerms();
        t.increment = 0;
        _with(t, "increment");
        t.increment = t.moveClock + 1;
        _with(t, "increment");
        t = disputeTerms();
        t.claimPeriod = 0;
        _with(t, "claimPeriod");
    }

    function test_Terms() public view {
        DisputeTerms memory t = disputes.terms();
        DisputeTerms memory want = disputeTerms();
        eq(keccak256(abi.encode(t)), keccak256(abi.encode(want)), "as they were given");
        yes(t.clockKind == ClockKind.BlockNumber, "clock");
    }
}
