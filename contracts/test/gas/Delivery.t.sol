// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DeliveryBase} from "../base/DeliveryBase.sol";
import {TestTree} from "../base/TestTree.sol";
import {vm} from "../base/Vm.sol";
import {Kind} from "../../src/types/DeliveryTypes.sol";

/// @notice Gas of answers and demands as whole transactions (run with --isolate), into snapshots/dispute.json. Leaves have no
/// zero byte to speak of; another demand is open, so that no counter becomes zero.
contract DeliveryGasTest is DeliveryBase {
    using TestTree for bytes32[][];

    /// @dev Here no gas has a price, so nothing is sent: this is what sending takes. An answer that is bound by its calldata
    /// hides it.
    uint256 private constant PAYMENT = 6_800;

    function setUp() public override {
        super.setUp();
        vm.deal(operator, 1 ether);
        demandRoots(CLIENT, 2);
    }

    /// @dev The answer alone; and it is repaid in full, but hardly more.
    function test_Delivery4kB() public {
        demandBelow(CLIENT, 0, 5, 1);
        _within(_answer(Kind.Leaves, leavesBelow(0, 5, 1), "delivery_4kb"), 4096);
    }

    function test_DeliveryOfRoots() public {
        demandRoots(CLIENT, 0);
        _within(_answer(Kind.Roots, abi.encodePacked(rootsOf(0)), "delivery_roots") + PAYMENT, 64);
    }

    function test_DeliveryOfHashes() public {
        demandBelow(CLIENT, 0, 7, 0);
        _within(_answer(Kind.Nodes, tensor(0, 0).below(7, 0, 2), "delivery_hashes") + PAYMENT, 128);
    }

    function test_Demand() public {
        demandBelow(CLIENT, 0, 5, 1);
        vm.snapshotGasLastCall("dispute", "demand_output");
    }

    function _answer(Kind kind, bytes memory data, string memory name) private returns (uint256 used) {
        deliver(kind, data);
        used = vm.snapshotGasLastCall("dispute", name);
    }

    function _within(uint256 used, uint256 size) private view {
        le(used, delivery.answerGas(size), "an honest provider is repaid in full");
        le(delivery.answerGas(size), used + used / 20, "and cannot live on it");
    }
}
