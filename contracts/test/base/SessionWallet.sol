// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title A contract wallet with session keys, for tests
/// @notice Its owner names session keys; they and the owner make it call, and sign for it (ERC-1271).
contract SessionWallet is IERC1271 {
    error SessionWallet_NotAllowed(address caller);

    address public immutable owner;
    mapping(address key => bool) public isSession;

    constructor(address owner_, address session) {
        owner = owner_;
        isSession[session] = true;
    }

    receive() external payable {}

    function setSession(address key, bool allowed) external {
        if (msg.sender != owner) revert SessionWallet_NotAllowed(msg.sender);
        isSession[key] = allowed;
    }

    /// @notice Calls on; what the callee reverts with comes back as it is.
    function execute(address target, uint256 value, bytes calldata data)
        external
        payable
        returns (bytes memory)
    {
        if (!_mayAct(msg.sender)) revert SessionWallet_NotAllowed(msg.sender);
        (bool ok, bytes memory answer) = target.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(hash, signature);
        bool valid = failure == ECDSA.RecoverError.NoError && _mayAct(signer);
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function _mayAct(address who) private view returns (bool) {
        return who == owner || isSession[who];
    }
}
