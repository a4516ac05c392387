// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IEscrowCore} from "./interfaces/IEscrowCore.sol";
import {Listing, Permit} from "./types/Types.sol";

/// @title The tokens that a deployment listed, and the only ways in and out
/// @dev The list stands in the code (immutables), which saves a cold read of 2,100 gas in most calls; hence at most
/// four. `_listed` is token << 96 | reserve, `_showUp` is showUpSum << 16 | showUpBps.
abstract contract Tokens {
    uint256 internal constant MAX_TOKENS = 4;
    uint256 private immutable _listed0;
    uint256 private immutable _listed1;
    uint256 private immutable _listed2;
    uint256 private immutable _listed3;
    uint256 private immutable _showUp0;
    uint256 private immutable _showUp1;
    uint256 private immutable _showUp2;
    uint256 private immutable _showUp3;

    constructor(Listing[] memory list) {
        if (list.length == 0 || list.length > MAX_TOKENS) revert IEscrowCore.Escrow_BadDeployment("tokens");
        uint256[MAX_TOKENS] memory listed;
        uint256[MAX_TOKENS] memory showUp;
        for (uint256 i; i < list.length; ++i) {
            if (list[i].token.code.length == 0) revert IEscrowCore.Escrow_BadDeployment("token");
            for (uint256 j; j < i; ++j) {
                if (list[j].token == list[i].token) revert IEscrowCore.Escrow_BadDeployment("token");
            }
            listed[i] = uint256(uint160(list[i].token)) << 96 | list[i].reserve;
            showUp[i] = uint256(list[i].showUpSum) << 16 | list[i].showUpBps;
        }
        (_listed0, _listed1, _listed2, _listed3) = (listed[0], listed[1], listed[2], listed[3]);
        (_showUp0, _showUp1, _showUp2, _showUp3) = (showUp[0], showUp[1], showUp[2], showUp[3]);
    }

    function _tokenAndReserve(uint8 index) internal view returns (address token, uint96 reserve) {
        uint256 word =
            index == 0 ? _listed0 : index == 1 ? _listed1 : index == 2 ? _listed2 : index == 3 ? _listed3 : 0;
        if (word == 0) revert IEscrowCore.Escrow_UnlistedToken(index);
        return (address(uint160(word >> 96)), uint96(word));
    }

    function _showUpTerms(uint8 index) internal view returns (uint96 sum, uint16 bps) {
        uint256 word = index == 0 ? _showUp0 : index == 1 ? _showUp1 : index == 2 ? _showUp2 : _showUp3;
        return (uint96(word >> 16), uint16(word));
    }

    function _listings() internal view returns (Listing[] memory list) {
        uint256 count = 1 + (_listed1 == 0 ? 0 : 1) + (_listed2 == 0 ? 0 : 1) + (_listed3 == 0 ? 0 : 1);
        list = new Listing[](count);
        for (uint8 i; i < count; ++i) {
            (list[i].token, list[i].reserve) = _tokenAndReserve(i);
            (list[i].showUpSum, list[i].showUpBps) = _showUpTerms(i);
        }
    }

    /// @dev The only way money leaves. Callers have done all their effects.
    function _pay(uint8 index, address to, uint256 amount) internal {
        if (to == address(0)) revert IEscrowCore.Escrow_ZeroAddress();
        (address token,) = _tokenAndReserve(index);
        SafeTransferLib.safeTransfer(token, to, amount);
    }

    /// @dev How money comes in: from the caller, measured, so that a token which takes a fee is refused.
    function _pull(uint8 index, uint256 amount) internal {
        (address token,) = _tokenAndReserve(index);
        uint256 before = IERC20(token).balanceOf(address(this));
        SafeTransferLib.safeTransferFrom(token, msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert IEscrowCore.Escrow_ShortTransfer(amount, received);
    }

    /// @dev The same without the two looks at the balance (1,900 gas), for top-ups. It rests on the assumption that no
    /// listed token takes a fee; a token that began to would be refused by `_pull` wherever a lease is opened.
    function _pullUnmeasured(uint8 index, uint256 amount) internal {
        (address token,) = _tokenAndReserve(index);
        SafeTransferLib.safeTransferFrom(token, msg.sender, address(this), amount);
    }

    /// @dev A permit that was used already (anybody may submit it first) is no error: the allowance decides.
    function _permit(uint8 index, Permit calldata p) internal {
        (address token,) = _tokenAndReserve(index);
        try IERC20Permit(token).permit(msg.sender, address(this), p.value, p.deadline, p.v, p.r, p.s) {}
            catch {}
    }
}
