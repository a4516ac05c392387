// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token for local chains and public test networks; worth nothing
/// @notice ERC-20 with ERC-2612 permits. Its deployer, and nobody else, can mint.
contract LocalToken is ERC20Permit {
    error LocalToken_NotMinter(address caller);

    address public immutable minter = msg.sender;
    uint8 private immutable _decimals;

    constructor(string memory name, string memory symbol, uint8 decimals_)
        ERC20(name, symbol)
        ERC20Permit(name)
    {
        _decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        if (msg.sender != minter) revert LocalToken_NotMinter(msg.sender);
        _mint(to, amount);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}
