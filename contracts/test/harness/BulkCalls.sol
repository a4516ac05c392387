// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title BulkCalls
/// @notice Many calls to shipped bytecode in one `eth_call`.
contract BulkCalls {
    /// @notice Whether each call succeeded, and what it answered or reverted with.
    function bulk(address target, bytes[] calldata calls)
        external
        view
        returns (bool[] memory ok, bytes[] memory answers)
    {
        ok = new bool[](calls.length);
        answers = new bytes[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            (ok[i], answers[i]) = target.staticcall(calls[i]);
        }
    }
}
