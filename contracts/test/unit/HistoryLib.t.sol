// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {History, HistoryLib} from "../../src/libraries/HistoryLib.sol";

contract HistoryLibTest is Assertions {
    using HistoryLib for History;

    History private _history;

    /// @dev Held against going over all changes.
    function testFuzz_ReadsWhatWasThen(uint8[12] memory steps, uint160[12] memory values, uint16 reading)
        public
    {
        uint256 now_;
        uint256 want;
        reading %= 400;
        for (uint256 i; i < steps.length; ++i) {
            now_ += steps[i] % 40; // some at the same reading
            _history.set(now_, values[i]);
            if (now_ <= reading) want = values[i];
        }
        eq(_history.read(reading), want, "read");
        eq(_history.latest(), values[11], "latest");
    }

    function test_NothingBeforeTheFirst() public {
        eq(_history.latest(), 0, "latest");
        eq(_history.read(5), 0, "read");
        _history.set(7, 9);
        eq(_history.read(6), 0, "before");
        eq(_history.read(7), 9, "then");
    }
}
