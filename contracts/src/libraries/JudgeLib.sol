// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What judges that keep bonds of coin share: whose answer counts, what it is repaid, and how coin leaves
/// @dev Each judge reverts with an error of its own.
library JudgeLib {
    /// @notice Whether the call is a plain transaction of a plain key: then its calldata is the transaction's, where all can
    /// read what it shows.
    /// @dev Without a branch: it stands in every answer.
    function isPlain() internal view returns (bool plain) {
        assembly ("memory-safe") {
            plain := and(eq(caller(), origin()), iszero(extcodesize(caller())))
        }
    }

    /// @notice What an answer is repaid, in gwei and no more than `most`: a fixed amount of gas at no more than the base fee and
    /// `tip`, so that a provider that tips its own block builder gains nothing (rule 12); and the chain's charge for
    /// its bytes.
    function repayment(uint256 gasUnits, uint256 size, uint256 tip, uint256 dataFee, uint256 most)
        internal
        view
        returns (uint256 sum)
    {
        uint256 price = block.basefee + tip;
        if (tx.gasprice < price) price = tx.gasprice;
        sum = (gasUnits * price + size * dataFee) / 1 gwei;
        if (sum > most) sum = most;
    }

    /// @notice Rounded up to whole gwei, which is what bonds are kept in.
    function wholeUp(uint256 sum) internal pure returns (uint256) {
        return (sum + 1 gwei - 1) / 1 gwei * 1 gwei;
    }

    /// @notice Sends coin; false if the receiver refuses it. The only way coin leaves: callers have done all their effects.
    function trySend(address to, uint256 amount) internal returns (bool sent) {
        (sent,) = to.call{value: amount}("");
    }
}
