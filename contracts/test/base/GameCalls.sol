// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEnds} from "../../src/interfaces/IDisputeEnds.sol";
import {IDisputeMoves} from "../../src/interfaces/IDisputeMoves.sol";
import {Case, Job, OperandProof, Place, Position} from "../../src/types/DisputeTypes.sol";

// Arguments of the calls that have many, one struct each, so that a test changes one and leaves the others.

struct Opening {
    bytes32[6] bid;
    Job job;
    uint256 item;
    bytes32 itemRoot;
    bytes32[] proof;
    bytes32 seal;
    address[] delegates;
}

struct Tracing {
    address owner;
    bytes32 bidHash;
    Case case_;
    address challenger;
    bytes32 seal;
    bytes32[] children;
}

struct Jumping {
    bytes32 caseId;
    bytes32 seal;
    Position position;
    bytes32 node;
    uint256 index;
    bytes32[] siblings;
}

struct Landing {
    Case case_;
    bytes32 seal;
    Position position;
    Job job;
    uint256 node;
    bytes header;
    bytes32[] headerProof;
    bytes32 tensorRoot;
    bytes32[] siblings;
}

struct LandingOnOutput {
    Case case_;
    bytes32 seal;
    Position position;
    Job job;
    uint256 node;
    bytes header;
    bytes32[] headerProof;
    bytes32[] roots;
}

struct Revealing {
    bytes32 game;
    bytes32 site;
    bytes32 left;
    bytes32[] children;
    bytes32[] siblings;
}

struct RevealingLeaves {
    bytes32 game;
    bytes32 site;
    bytes32 left;
    bytes leaves;
    bytes32[] siblings;
}

struct Naming {
    bytes32 caseId;
    bytes32 seal;
    uint48 tag;
    Position position;
    bytes32 headerHash;
    uint256 facts;
    uint256 number;
}

struct Running {
    bytes32 game;
    Position position;
    bytes header;
    uint256 facts;
    bytes leaf;
    bytes32[] siblings;
    bytes values;
}

struct RunningOfSpan {
    bytes32 game;
    Position position;
    bytes header;
    uint256 facts;
    uint256 claimed;
    bytes totals;
    bytes values;
}

struct Proving {
    Case case_;
    bytes32 seal;
    Position position;
    bytes header;
    uint256 facts;
    uint256 number;
    bytes leaf;
    bytes32[] siblings;
    bytes leaves;
    OperandProof[] operands;
    Job[] job;
}

struct ProvingSegment {
    Case case_;
    bytes32 seal;
    Position position;
    bytes header;
    uint256 facts;
    uint256 claimed;
    uint256 segment;
    bytes32 word;
    bytes32[] siblings;
    bytes leaves;
    OperandProof[] operands;
    Job[] job;
}

struct ProvingOutside {
    Case case_;
    bytes32 seal;
    Position position;
    bytes32 headerHash;
    uint256 facts;
    uint256 index;
    uint256 offset;
    bytes leaf;
    bytes32[] siblings;
}

struct Claiming {
    Case case_;
    Place place;
    bytes32 salt;
    bytes32 other;
    bytes leaf;
    bytes32[] siblings;
    bytes32[] above;
}

/// @notice Calldata of these calls.
library GameCalls {
    function data(Opening memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.challenge.selector, abi.encode(a));
    }

    function data(Tracing memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.trace.selector, abi.encode(a));
    }

    function data(Jumping memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.jump.selector, abi.encode(a));
    }

    function data(Landing memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.land.selector, abi.encode(a));
    }

    function data(LandingOnOutput memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.landOnOutput.selector, abi.encode(a));
    }

    function data(Revealing memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.reveal.selector, abi.encode(a));
    }

    function data(RevealingLeaves memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.revealLeaves.selector, abi.encode(a));
    }

    /// @dev A struct without dynamic members is encoded in place.
    function data(Naming memory a) internal pure returns (bytes memory) {
        return bytes.concat(IDisputeMoves.element.selector, abi.encode(a));
    }

    function data(Running memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.running.selector, abi.encode(a));
    }

    function data(RunningOfSpan memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.runningOfSpan.selector, abi.encode(a));
    }

    function data(Proving memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.prove.selector, abi.encode(a));
    }

    function data(ProvingSegment memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.proveSegment.selector, abi.encode(a));
    }

    function data(ProvingOutside memory a) internal pure returns (bytes memory) {
        return _call(IDisputeMoves.proveOutside.selector, abi.encode(a));
    }

    function data(Claiming memory a) internal pure returns (bytes memory) {
        return _call(IDisputeEnds.claim.selector, abi.encode(a));
    }

    /// @dev A struct is encoded as its members are, behind the word that says where it begins.
    function _call(bytes4 selector, bytes memory encoded) private pure returns (bytes memory) {
        bytes memory members = new bytes(encoded.length - 32);
        for (uint256 i = 32; i <= members.length; i += 32) {
            assembly ("memory-safe") {
                mstore(add(members, i), mload(add(add(encoded, 32), i)))
            }
        }
        return bytes.concat(selector, members);
    }
}
