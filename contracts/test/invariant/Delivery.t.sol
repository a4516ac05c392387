// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {DeliveryHandler} from "./DeliveryHandler.sol";
import {LeaseState} from "../../src/types/Types.sol";

/// @notice What holds of demands in whatever order things happen: one sentence, one function.
contract DeliveryInvariantsTest is Assertions {
    DeliveryHandler internal handler;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new DeliveryHandler();
        handler.setUp();
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        targets[0].selectors = new bytes4[](1);
        targets[0].selectors[0] = handler.act.selector;
    }

    /// @dev Who calls pays for gas out of coin that it is given: so never one of the contracts whose coin is counted.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0x5E4D);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The coin is what demands have left, and the rounding to gwei that no bond of whole gwei has.
    function invariant_CoinIsWhatIsOwed() public view {
        eq(handler.coin(), handler.owed(), "coin");
    }

    /// @dev While the lease is posted, every open demand holds it. Whoever hastens whatever, each stands in one queue.
    function invariant_OpenDemandsHoldTheLease() public view {
        yes(handler.counted(), "queues");
        if (handler.leaseState() == LeaseState.Posted) le(handler.owing(), handler.freezes(), "holds");
    }

    /// @dev A lease with an open demand never becomes final.
    function invariant_NothingOpenIsFinal() public view {
        if (handler.leaseState() == LeaseState.Finalized) eq(handler.owing(), 0, "open");
    }

    /// @dev Whatever happened, nothing is locked for ever: all coin comes back, and the lease ends.
    function afterInvariant() public {
        handler.wind();
        eq(handler.coin(), 0, "coin in the end");
        LeaseState state = handler.leaseState();
        yes(state == LeaseState.Finalized || state == LeaseState.Convicted, "the lease has ended");
        yes(handler.done() > 10, "things happened");
    }
}
