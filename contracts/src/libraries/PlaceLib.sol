// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PackedPlace, Place} from "../types/DisputeTypes.sol";

/// @title Places of convictions, packed
/// @notice All but case and left in one word; from the lowest bit: landedAt 32, exact 8, right 32, claimed 32, width 8,
/// offset 8, leaf 32, output 8, node 32.
library PlaceLib {
    function pack(Place memory p) internal pure returns (PackedPlace memory) {
        return PackedPlace(p.caseId, p.left, _rest(p));
    }

    function _rest(Place memory p) private pure returns (uint256) {
        return uint256(p.landedAt) | (p.exact ? 1 << 32 : 0) | uint256(p.right) << 40 | uint256(p.claimed) << 72
            | uint256(p.width) << 104 | uint256(p.offset) << 112 | uint256(p.leaf) << 120 | uint256(p.output) << 152
            | uint256(p.node) << 160;
    }

    /// @notice Cut to what fits beside the rest of a sentence: a place is found by its game, never searched for.
    function hash(PackedPlace memory p) internal pure returns (uint168) {
        return uint168(uint256(keccak256(abi.encode(p))));
    }
}
