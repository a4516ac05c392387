// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @notice The token that tests use, by its interface.
interface ILocalToken is IERC20, IERC20Permit {
    function mint(address to, uint256 amount) external;
    function minter() external view returns (address);
}
