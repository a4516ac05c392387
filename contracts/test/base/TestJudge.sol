// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";

/// @notice A judge that does what a test tells it. The real ones decide by games.
contract TestJudge {
    IEscrow private _host;

    function setHost(IEscrow host) external {
        _host = host;
    }

    function freeze(bytes32[6] calldata bid) external returns (bytes32, uint32, uint32) {
        return _host.freeze(bid);
    }

    function release(bytes32[6] calldata bid) external {
        _host.release(bid);
    }

    function convict(bytes32[6] calldata bid, uint256 reward) external returns (uint256) {
        return _host.convict(bid, reward);
    }

    function takeCredits(uint8 token, address to, uint256 amount) external {
        _host.withdrawCredits(token, to, amount);
    }
}
