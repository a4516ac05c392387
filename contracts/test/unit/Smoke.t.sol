// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {LeaseState} from "../../src/types/Types.sol";

contract SmokeTest is Base {
    function test_AJobFromBidToPayment() public {
        bytes32[6] memory bid = openAndStart(jobBid());
        run(bid, 100);
        eq(withdraw(bid), 60 ether, "advance");
        post(bid, keccak256("root"));
        skip(51);
        escrow.finalize(bid);
        inState(bid, LeaseState.Finalized);
        eq(credits(OWNER), 47 ether, "rest");
        eq(credits(CLIENT), 5000 ether - 107 ether, "refund");
        eq(stakeOf(OWNER).locked, 0, "bond");
    }
}
