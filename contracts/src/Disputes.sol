// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeEnds} from "./DisputeEnds.sol";
import {DisputeProofs} from "./DisputeProofs.sol";
import {DisputeState} from "./DisputeState.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {DisputeTerms} from "./types/DisputeTypes.sol";

/// @title Disputes
/// @notice See IDisputes. The moves stand in `DisputeMoves`, `DisputeChains` and `DisputeProofs`; everything else in `DisputeEnds`, which
/// this contract makes, and to which it hands unknown calls: one contract has not the room for all (ADR 020).
/// @dev Both inherit `DisputeState`, which declares all storage, so their layouts are one.
contract Disputes is DisputeProofs {
    DisputeEnds private immutable _ends;

    constructor(IEscrow escrow_, IReferee referee_, DisputeTerms memory t) DisputeState(escrow_, referee_, t) {
        _ends = new DisputeEnds(escrow_, referee_, t);
    }

    fallback() external {
        address target = address(_ends);
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, 0, calldatasize())
            let ok := delegatecall(gas(), target, m, calldatasize(), 0, 0)
            returndatacopy(m, 0, returndatasize())
            if iszero(ok) { revert(m, returndatasize()) }
            return(m, returndatasize())
        }
    }
}
