// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {Bits as Shipped} from "../../src/libraries/Bits.sol";
import {Bits as Portable} from "../portable/Bits.sol";

contract BitsTest is Assertions {
    function test_PortableIsTheInstructionAtEveryLength() public pure {
        for (uint256 i; i <= 256; ++i) {
            uint256 word = i == 256 ? 0 : type(uint256).max >> i;
            require(Shipped.leadingZeros(word) == i && Portable.leadingZeros(word) == i, "lengths differ");
        }
    }

    function testFuzz_PortableIsTheInstruction(uint256 word, uint8 shift) public pure {
        word >>= shift;
        require(Shipped.leadingZeros(word) == Portable.leadingZeros(word), "zeros differ");
    }
}
