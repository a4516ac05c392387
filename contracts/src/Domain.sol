// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The EIP-712 domain "Gavel", version "1", of this contract on this chain
/// @dev Worked out once, at deployment, and again only if the chain's id changed since (a fork) or the code runs at
/// another address (EscrowViews).
abstract contract Domain {
    bytes32 private constant TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private immutable _cached = _separator();
    uint256 private immutable _chainId = block.chainid;
    address private immutable _self = address(this);

    function _domainSeparator() internal view returns (bytes32) {
        return block.chainid == _chainId && address(this) == _self ? _cached : _separator();
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", _domainSeparator(), structHash));
    }

    function _separator() private view returns (bytes32) {
        return
            keccak256(abi.encode(TYPEHASH, keccak256("Gavel"), keccak256("1"), block.chainid, address(this)));
    }
}
