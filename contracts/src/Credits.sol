// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowState} from "./EscrowState.sol";
import {IEscrowCore} from "./interfaces/IEscrowCore.sol";
import {Permit} from "./types/Types.sol";

/// @title Credits: internal balances per listed token
abstract contract Credits is EscrowState, IEscrowCore {
    /// @inheritdoc IEscrowCore
    function deposit(uint8 token, address account, uint256 amount) public {
        if (account == address(0)) revert Escrow_ZeroAddress();
        _credits[token][account] += amount;
        emit Deposited(token, account, msg.sender, amount);
        _pull(token, amount);
    }

    /// @inheritdoc IEscrowCore
    function depositWithPermit(uint8 token, address account, uint256 amount, Permit calldata permit)
        external
    {
        _permit(token, permit);
        deposit(token, account, amount);
    }

    /// @inheritdoc IEscrowCore
    function withdrawCredits(uint8 token, address to, uint256 amount) external {
        _charge(token, msg.sender, amount);
        emit CreditsWithdrawn(token, msg.sender, to, amount);
        _pay(token, to, amount);
    }

    function _charge(uint8 token, address account, uint256 amount) internal {
        uint256 available = _credits[token][account];
        if (available < amount) revert Escrow_TooFewCredits(account, amount, available);
        unchecked {
            _credits[token][account] = available - amount;
        }
    }
}
