// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a test says when it fails.
abstract contract Assertions {
    error Differ(string what, uint256 got, uint256 want);
    error DifferWord(string what, bytes32 got, bytes32 want);
    error Untrue(string what);

    bool public constant IS_TEST = true;

    function eq(uint256 got, uint256 want, string memory what) internal pure {
        if (got != want) revert Differ(what, got, want);
    }

    function eq(bytes32 got, bytes32 want, string memory what) internal pure {
        if (got != want) revert DifferWord(what, got, want);
    }

    function eq(address got, address want, string memory what) internal pure {
        if (got != want) {
            revert DifferWord(what, bytes32(uint256(uint160(got))), bytes32(uint256(uint160(want))));
        }
    }

    function le(uint256 got, uint256 most, string memory what) internal pure {
        if (got > most) revert Differ(what, got, most);
    }

    function yes(bool holds, string memory what) internal pure {
        if (!holds) revert Untrue(what);
    }

    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + x % (high - low + 1);
    }
}
