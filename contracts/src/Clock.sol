// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IEscrowCore} from "./interfaces/IEscrowCore.sol";
import {ClockKind} from "./types/Types.sol";

/// @title The clock that a deployment chose
abstract contract Clock is IERC6372 {
    ClockKind private immutable _kind;
    IERC6372 private immutable _source;

    constructor(ClockKind kind, address source) {
        if (kind == ClockKind.None) revert IEscrowCore.Escrow_BadDeployment("clockKind");
        if ((kind == ClockKind.Custom) != (source.code.length != 0)) {
            revert IEscrowCore.Escrow_BadDeployment("clockSource");
        }
        _kind = kind;
        _source = IERC6372(source);
    }

    /// @inheritdoc IERC6372
    function clock() public view returns (uint48) {
        if (_kind == ClockKind.BlockNumber) return uint48(block.number);
        if (_kind == ClockKind.Timestamp) return uint48(block.timestamp);
        return _source.clock();
    }

    function _clockTerms() internal view returns (ClockKind, address) {
        return (_kind, address(_source));
    }

    /// @inheritdoc IERC6372
    function CLOCK_MODE() external view returns (string memory) {
        if (_kind == ClockKind.BlockNumber) return "mode=blocknumber&from=default";
        if (_kind == ClockKind.Timestamp) return "mode=timestamp";
        return _source.CLOCK_MODE();
    }
}
