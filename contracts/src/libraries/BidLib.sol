// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bid, LeaseId} from "../types/Types.sol";

/// @title The packed bid: reading its fields and hashing it
/// @notice Layout in `IEscrow`. Each reader shifts its field to the bottom and cuts it to its width, so nothing
/// above can leak in. The last 64 bits are reserved: `openLease` refuses others than zero.
library BidLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "Bid(address client,uint96 ratePerBlock,address owner,uint96 completionFee,bytes32 jobHash,"
        "bytes32 delegates,uint96 bond,uint64 capacityNonce,uint48 expiry,uint32 startDeadline,uint16 grace,"
        "uint32 maxBlocks,uint32 topUpCap,uint32 resultDeadline,uint32 challengeWindow,uint32 traceAllowance,"
        "uint8 token,uint8 leaseClass,uint8 verification,uint8 flags)"
    );

    function client(bytes32[6] calldata bid) internal pure returns (address) {
        return address(bytes20(bid[0]));
    }

    function ratePerBlock(bytes32[6] calldata bid) internal pure returns (uint96) {
        return uint96(uint256(bid[0]));
    }

    function owner(bytes32[6] calldata bid) internal pure returns (address) {
        return address(bytes20(bid[1]));
    }

    function completionFee(bytes32[6] calldata bid) internal pure returns (uint96) {
        return uint96(uint256(bid[1]));
    }

    function jobHash(bytes32[6] calldata bid) internal pure returns (bytes32) {
        return bid[2];
    }

    function delegates(bytes32[6] calldata bid) internal pure returns (bytes32) {
        return bid[3];
    }

    function bond(bytes32[6] calldata bid) internal pure returns (uint96) {
        return uint96(uint256(bid[4]) >> 160);
    }

    function capacityNonce(bytes32[6] calldata bid) internal pure returns (uint64) {
        return uint64(uint256(bid[4]) >> 96);
    }

    function expiry(bytes32[6] calldata bid) internal pure returns (uint48) {
        return uint48(uint256(bid[4]) >> 48);
    }

    function startDeadline(bytes32[6] calldata bid) internal pure returns (uint32) {
        return uint32(uint256(bid[4]) >> 16);
    }

    function grace(bytes32[6] calldata bid) internal pure returns (uint16) {
        return uint16(uint256(bid[4]));
    }

    function maxBlocks(bytes32[6] calldata bid) internal pure returns (uint32) {
        return uint32(uint256(bid[5]) >> 224);
    }

    function topUpCap(bytes32[6] calldata bid) internal pure returns (uint32) {
        return uint32(uint256(bid[5]) >> 192);
    }

    function resultDeadline(bytes32[6] calldata bid) internal pure returns (uint32) {
        return uint32(uint256(bid[5]) >> 160);
    }

    function challengeWindow(bytes32[6] calldata bid) internal pure returns (uint32) {
        return uint32(uint256(bid[5]) >> 128);
    }

    function traceAllowance(bytes32[6] calldata bid) internal pure returns (uint32) {
        return uint32(uint256(bid[5]) >> 96);
    }

    function token(bytes32[6] calldata bid) internal pure returns (uint8) {
        return uint8(uint256(bid[5]) >> 88);
    }

    function leaseClass(bytes32[6] calldata bid) internal pure returns (uint8) {
        return uint8(uint256(bid[5]) >> 80);
    }

    function verification(bytes32[6] calldata bid) internal pure returns (uint8) {
        return uint8(uint256(bid[5]) >> 72);
    }

    function flags(bytes32[6] calldata bid) internal pure returns (uint8) {
        return uint8(uint256(bid[5]) >> 64);
    }

    function isPrivate(bytes32[6] calldata bid) internal pure returns (bool) {
        return flags(bid) & 1 != 0;
    }

    function reserved(bytes32[6] calldata bid) internal pure returns (uint64) {
        return uint64(uint256(bid[5]));
    }

    function decode(bytes32[6] calldata bid) internal pure returns (Bid memory) {
        return Bid({
            client: client(bid),
            ratePerBlock: ratePerBlock(bid),
            owner: owner(bid),
            completionFee: completionFee(bid),
            jobHash: jobHash(bid),
            delegates: delegates(bid),
            bond: bond(bid),
            capacityNonce: capacityNonce(bid),
            expiry: expiry(bid),
            startDeadline: startDeadline(bid),
            grace: grace(bid),
            maxBlocks: maxBlocks(bid),
            topUpCap: topUpCap(bid),
            resultDeadline: resultDeadline(bid),
            challengeWindow: challengeWindow(bid),
            traceAllowance: traceAllowance(bid),
            token: token(bid),
            leaseClass: leaseClass(bid),
            verification: verification(bid),
            flags: flags(bid)
        });
    }

    /// @notice EIP-712 struct hash: keccak256(abi.encode(TYPEHASH, every field in order)).
    /// The reserved bits are not in it: `openLease` refuses others than zero, and as every later call finds its
    /// lease by this hash and reads named fields only, they can change nothing.
    /// @dev By hand, as it stands in every call; a fuzz test holds it equal to `abi.encode` of the decoded bid.
    function hash(bytes32[6] calldata bid) internal pure returns (bytes32 result) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            // Beyond the free-memory pointer, which stays where it is: the memory is not kept.
            let m := mload(0x40)
            let w := calldataload(bid)
            mstore(m, typehash)
            mstore(add(m, 0x20), shr(96, w)) // client
            mstore(add(m, 0x40), and(w, 0xffffffffffffffffffffffff)) // ratePerBlock
            w := calldataload(add(bid, 0x20))
            mstore(add(m, 0x60), shr(96, w)) // owner
            mstore(add(m, 0x80), and(w, 0xffffffffffffffffffffffff)) // completionFee
            calldatacopy(add(m, 0xa0), add(bid, 0x40), 0x40) // jobHash, delegates
            w := calldataload(add(bid, 0x80))
            mstore(add(m, 0xe0), shr(160, w)) // bond
            mstore(add(m, 0x100), and(shr(96, w), 0xffffffffffffffff)) // capacityNonce
            mstore(add(m, 0x120), and(shr(48, w), 0xffffffffffff)) // expiry
            mstore(add(m, 0x140), and(shr(16, w), 0xffffffff)) // startDeadline
            mstore(add(m, 0x160), and(w, 0xffff)) // grace
            w := calldataload(add(bid, 0xa0))
            mstore(add(m, 0x180), shr(224, w)) // maxBlocks
            mstore(add(m, 0x1a0), and(shr(192, w), 0xffffffff)) // topUpCap
            mstore(add(m, 0x1c0), and(shr(160, w), 0xffffffff)) // resultDeadline
            mstore(add(m, 0x1e0), and(shr(128, w), 0xffffffff)) // challengeWindow
            mstore(add(m, 0x200), and(shr(96, w), 0xffffffff)) // traceAllowance
            mstore(add(m, 0x220), and(shr(88, w), 0xff)) // token
            mstore(add(m, 0x240), and(shr(80, w), 0xff)) // leaseClass
            mstore(add(m, 0x260), and(shr(72, w), 0xff)) // verification
            mstore(add(m, 0x280), and(shr(64, w), 0xff)) // flags
            result := keccak256(m, 0x2a0)
        }
    }

    function leaseId(bytes32[6] calldata bid) internal pure returns (LeaseId) {
        return idOf(owner(bid), hash(bid));
    }

    /// @notice keccak256(abi.encodePacked(owner, bidHash)), in scratch memory.
    function idOf(address owner_, bytes32 bidHash) internal pure returns (LeaseId id) {
        assembly ("memory-safe") {
            mstore(0, shl(96, owner_))
            mstore(0x14, bidHash)
            id := keccak256(0, 0x34)
        }
    }

    /// @notice Whether the account is the bid's client or among the delegates that it names.
    /// @param list all of them, sorted as they were hashed; not read for the client
    function isParty(bytes32[6] calldata bid, address account, address[] calldata list)
        internal
        pure
        returns (bool found)
    {
        if (account == client(bid)) return true;
        bytes memory packed;
        for (uint256 i; i < list.length; ++i) {
            packed = abi.encodePacked(packed, list[i]);
            found = found || list[i] == account;
        }
        return found && keccak256(packed) == delegates(bid);
    }

    function depositOf(bytes32[6] calldata bid) internal pure returns (uint256) {
        return uint256(ratePerBlock(bid)) * maxBlocks(bid) + completionFee(bid);
    }
}
