// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {WholeDispute} from "../base/WholeDispute.sol";
import {vm} from "../base/Vm.sol";

/// @notice Gas of one whole dispute, each move a transaction (run with --isolate), into snapshots/dispute.json.
contract DisputeGasTest is WholeDispute {
    uint256 private total;
    uint256 private rounds;

    function test_WholeDispute() public {
        play();
        vm.snapshotValue("dispute", "dispute_gas", total);
        vm.snapshotValue("dispute", "dispute_rounds", rounds);
        claim();
    }

    function moved(string memory name) internal override {
        total += vm.snapshotGasLastCall("dispute", name);
    }

    function answered(string memory name) internal override {
        moved(name);
        ++rounds;
    }
}
