// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {vm} from "../base/Vm.sol";

interface IGasHarness {
    function add(uint32 a, uint32 b) external view returns (uint256 used, uint256 result);
    function fma(uint32 a, uint32 b, uint32 c) external view returns (uint256 used, uint256 result);
    function chain(bytes calldata left, bytes calldata right) external view returns (uint256 used, uint256 result);
}

/// @notice Gas of arithmetic without calls, into snapshots/dispute.json: means over 256 ordinary operands of both
/// signs, magnitudes 2^-4 to 2^4, as they stand in a model's tensors.
contract ArithmeticGasTest is Assertions {
    uint256 private constant COUNT = 256;
    IGasHarness private harness;

    function setUp() public {
        harness = IGasHarness(vm.deployCode("GasHarness.sol:GasHarness", ""));
    }

    /// @dev Number i of a fixed sequence: any mantissa and sign, exponent field 123 to 130.
    function _number(uint256 i) private pure returns (uint32) {
        uint256 random = uint256(keccak256(abi.encode(i)));
        return uint32((random & 0x807FFFFF) | ((123 + ((random >> 40) & 7)) << 23));
    }

    function _swapped(uint32 x) private pure returns (uint32) {
        return (x << 24) | ((x & 0xFF00) << 8) | ((x >> 8) & 0xFF00) | (x >> 24);
    }

    function test_Add() public {
        uint256 total;
        for (uint256 i; i < COUNT; ++i) {
            (uint256 used,) = harness.add(_number(2 * i), _number(2 * i + 1));
            total += used;
        }
        vm.snapshotValue("dispute", "add", total / COUNT);
    }

    function test_Fma() public {
        uint256 total;
        for (uint256 i; i < COUNT; ++i) {
            (uint256 used,) = harness.fma(_number(3 * i), _number(3 * i + 1), _number(3 * i + 2));
            total += used;
        }
        vm.snapshotValue("dispute", "fma", total / COUNT);
    }

    function test_Chain() public {
        bytes memory left;
        bytes memory right;
        for (uint256 i; i < COUNT; ++i) {
            left = bytes.concat(left, bytes4(_swapped(_number(2 * i))));
            right = bytes.concat(right, bytes4(_swapped(_number(2 * i + 1))));
        }
        (uint256 used,) = harness.chain(left, right);
        vm.snapshotValue("dispute", "chain_per_element", used / COUNT);
    }

    function test_Size() public {
        vm.snapshotValue("dispute", "referee_bytes", vm.getDeployedCode("Referee.sol:Referee").length);
    }
}
