// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHooked} from "./HookToken.sol";

/// @notice A contract that makes the calls it is told to, and calls again whenever coin or tokens reach it.
abstract contract Caller is IHooked {
    uint256 public reached;

    function exec(address to, bytes calldata data) public virtual {
        (bool ok, bytes memory reason) = to.call(data);
        if (!ok) {
            assembly {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }

    function called() external {
        _again();
    }

    receive() external payable {
        _again();
    }

    function _again() internal virtual;
}
