// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A token that keeps one hundredth of each transfer, for everybody has as much as they like.
contract FeeToken {
    mapping(address => uint256) public balanceOf;

    function transferFrom(address, address to, uint256 amount) external returns (bool) {
        balanceOf[to] += amount - amount / 100;
        return true;
    }
}
