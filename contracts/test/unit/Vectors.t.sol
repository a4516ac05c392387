// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "../base/Base.sol";
import {vm} from "../base/Vm.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {LeaseId} from "../../src/types/Types.sol";

/// @notice The vectors that tests/parity checks in Python, checked here by the Escrow itself: same file, same digests.
contract VectorsTest is Base {
    string private _json;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile("../tests/vectors/bids.json");
    }

    /// @dev The Escrow as it would be at the vectors' address on the vectors' chain.
    function _there() private returns (IEscrow) {
        vm.chainId(vm.parseJsonUint(_json, ".domain.chainId"));
        address where = vm.parseJsonAddress(_json, ".domain.escrow");
        vm.etch(where, address(escrow).code);
        return IEscrow(where);
    }

    function _at(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".bids[", vm.toString(i), "].", field);
    }

    function test_Bids() public {
        IEscrow there = _there();
        eq(there.DOMAIN_SEPARATOR(), vm.parseJsonBytes32(_json, ".domain.separator"), "separator");
        address operator_ = vm.parseJsonAddress(_json, ".operator");
        uint256 i;
        for (; vm.keyExistsJson(_json, _at(i, "packed")); ++i) {
            bytes32[6] memory bid = abi.decode(vm.parseJsonBytes(_json, _at(i, "packed")), (bytes32[6]));
            bytes32 hash = there.bidHash(bid);
            eq(hash, vm.parseJsonBytes32(_json, _at(i, "bidHash")), "struct hash");
            eq(
                LeaseId.unwrap(there.leaseIdOf(there.decodeBid(bid).owner, hash)),
                vm.parseJsonBytes32(_json, _at(i, "leaseId")),
                "id"
            );
            bytes32 digest = there.bidDigest(bid);
            eq(digest, vm.parseJsonBytes32(_json, _at(i, "digest")), "digest");
            eq(there.depositOf(bid), vm.parseJsonUint(_json, _at(i, "deposit")), "deposit");
            bytes memory signature = vm.parseJsonBytes(_json, _at(i, "signature"));
            (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
            eq(ecrecover(digest, uint8(signature[64]), r, s), operator_, "signer");
        }
        yes(i > 20, "all vectors were seen");
    }

    function test_JobsAndDelegates() public view {
        uint256 i;
        for (; vm.keyExistsJson(_json, string.concat(".jobs[", vm.toString(i), "].jobHash")); ++i) {
            string memory at_ = string.concat(".jobs[", vm.toString(i), "]");
            bytes32 program = vm.parseJsonBytes32(_json, string.concat(at_, ".programRoot"));
            bytes32 input = vm.parseJsonBytes32(_json, string.concat(at_, ".inputRoot"));
            uint256 items = vm.parseJsonUint(_json, string.concat(at_, ".itemCount"));
            eq(
                keccak256(abi.encode(program, input, items)),
                vm.parseJsonBytes32(_json, string.concat(at_, ".jobHash")),
                "job hash"
            );
        }
        eq(i, 3, "jobs");
        for (i = 0; vm.keyExistsJson(_json, string.concat(".delegates[", vm.toString(i), "].hash")); ++i) {
            string memory at_ = string.concat(".delegates[", vm.toString(i), "]");
            eq(
                keccak256(vm.parseJsonBytes(_json, string.concat(at_, ".packed"))),
                vm.parseJsonBytes32(_json, string.concat(at_, ".hash")),
                "delegates"
            );
        }
        eq(i, 3, "delegates");
    }
}
