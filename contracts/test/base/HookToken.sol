// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that calls its sender before, and its receiver after, each transfer.
contract HookToken is ERC20("Hook", "HOOK") {
    mapping(address => bool) public hooked;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function hook() external {
        hooked[msg.sender] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (hooked[from]) IHooked(from).called();
        super._update(from, to, amount);
        if (hooked[to]) IHooked(to).called();
    }
}

interface IHooked {
    function called() external;
}
