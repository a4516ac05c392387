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

    /// @notice EIP-712 struct hash. The reserved bits are not in it: `openLease` refuses others than zero, and as
    /// every later call finds its lease by this hash and reads named fields only, they can change nothing.
    function hash(bytes32[6] calldata bid) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, decode(bid)));
    }

    function leaseId(bytes32[6] calldata bid) internal pure returns (LeaseId) {
        return idOf(owner(bid), hash(bid));
    }

    function idOf(address owner_, bytes32 bidHash) internal pure returns (LeaseId) {
        return LeaseId.wrap(keccak256(abi.encodePacked(owner_, bidHash)));
    }

    function depositOf(bytes32[6] calldata bid) internal pure returns (uint256) {
        return uint256(ratePerBlock(bid)) * maxBlocks(bid) + completionFee(bid);
    }
}
