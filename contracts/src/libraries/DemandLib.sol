// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Demand, Status} from "../types/DeliveryTypes.sol";

/// @notice A demand as it is stored: one word. From the lowest bit: demander 160, bond 48, until 40, status 8.
type DemandWord is uint256;

/// @title A demand, packed
library DemandLib {
    uint256 private constant BOND = 160;
    uint256 private constant UNTIL = 208;
    uint256 private constant STATUS = 248;
    uint256 internal constant MOST_BOND = type(uint48).max;

    /// @dev Callers have checked that the bond has 48 bits; a clock of 40 bits is the Escrow's limit too.
    function opened(Status status_, uint256 until_, uint256 bond_, address demander_)
        internal
        pure
        returns (DemandWord)
    {
        return DemandWord.wrap(
            uint256(status_) << STATUS | until_ << UNTIL | bond_ << BOND | uint160(demander_)
        );
    }

    function status(DemandWord d) internal pure returns (Status) {
        return Status(DemandWord.unwrap(d) >> STATUS);
    }

    /// @notice Whether the provider owes the answer.
    function isOpen(DemandWord d) internal pure returns (bool) {
        return status(d) == Status.Asked || status(d) == Status.Requested;
    }

    function until(DemandWord d) internal pure returns (uint256) {
        return uint40(DemandWord.unwrap(d) >> UNTIL);
    }

    function bond(DemandWord d) internal pure returns (uint256) {
        return uint48(DemandWord.unwrap(d) >> BOND);
    }

    function demander(DemandWord d) internal pure returns (address) {
        return address(uint160(DemandWord.unwrap(d)));
    }

    function withStatus(DemandWord d, Status value) internal pure returns (DemandWord) {
        return opened(value, until(d), bond(d), demander(d));
    }

    function withBond(DemandWord d, uint256 value) internal pure returns (DemandWord) {
        return opened(status(d), until(d), value, demander(d));
    }

    function read(DemandWord d) internal pure returns (Demand memory) {
        return Demand(status(d), uint40(until(d)), uint48(bond(d)), demander(d));
    }
}
