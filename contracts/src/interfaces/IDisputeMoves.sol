// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "./IDisputeEvents.sol";
import {Case, Job, OperandProof, Position} from "../types/DisputeTypes.sol";

/// @title The moves of a game
interface IDisputeMoves is IDisputeEvents {
    // ------------------------------------------------------------------------------------------------- calls

    /// @notice Challenge one item of a posted tape result that is not convicted yet. The value is the bond: at least `bondOf`, in
    /// whole gwei, and no more than 2^42 - 1 of them.
    /// @param bid the lease's bid, packed
    /// @param job the bid's job
    /// @param item which item
    /// @param itemRoot its root under the posted result
    /// @param proof siblings from the item root up to the posted result
    /// @param seal keccak256(own trace root, own item root, challenger, leaseId, item, salt)
    /// @param delegates of a private lease, sorted; else empty
    function challenge(
        bytes32[6] calldata bid,
        Job calldata job,
        uint256 item,
        bytes32 itemRoot,
        bytes32[] calldata proof,
        bytes32 seal,
        address[] calldata delegates
    ) external payable returns (bytes32 game);

    /// @notice The provider's trace of the item. By the operator of the lease's owner.
    /// @param owner owner of the lease's provider, which with `bidHash` makes the lease's id
    /// @param children the trace root's descendants min(5, depth) levels down
    function trace(
        address owner,
        bytes32 bidHash,
        Case calldata case_,
        address challenger,
        bytes32 seal,
        bytes32[] calldata children
    ) external;

    /// @notice Take a descendant, numbered from the left among those shown last.
    function pick(bytes32 caseId, bytes32 seal, uint48 tag, uint256 index) external;

    /// @notice Land on an inner node: from here on the game is about its tensor.
    /// @param node the node's index among all nodes
    /// @param header its header, proven by `headerProof` under the program's nodes
    /// @param tensorRoot the node's root in the trace, proven by `siblings` under the anchor
    function land(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        Job calldata job,
        uint256 node,
        bytes calldata header,
        bytes32[] calldata headerProof,
        bytes32 tensorRoot,
        bytes32[] calldata siblings
    ) external;

    /// @notice Land on an output node: the inner nodes all agree with the challenger's own. From anywhere in the trace.
    /// @param roots the tensor roots of the item's outputs
    function landOnOutput(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        Job calldata job,
        uint256 node,
        bytes calldata header,
        bytes32[] calldata headerProof,
        bytes32[] calldata roots
    ) external;

    /// @notice Descendants of the picked node. By the key that the position names.
    /// @param site, left of the position
    /// @param children 2^k hashes, k = `step` of the levels below the picked node
    /// @param siblings from the picked node up to the anchor
    function reveal(
        bytes32 game,
        bytes32 site,
        bytes32 left,
        bytes32[] calldata children,
        bytes32[] calldata siblings
    ) external;

    /// @notice The same where at most 8 leaves are below the picked node: all of them, 128 bytes each.
    function revealLeaves(
        bytes32 game,
        bytes32 site,
        bytes32 left,
        bytes calldata leaves,
        bytes32[] calldata siblings
    ) external;

    /// @notice Pick an element whose chain has more than one segment.
    /// @param headerHash, facts of the site
    function element(
        bytes32 caseId,
        bytes32 seal,
        uint48 tag,
        Position calldata position,
        bytes32 headerHash,
        uint256 facts,
        uint256 number
    ) external;

    /// @notice Running values of the picked element's chain, big-endian words of 4 bytes: behind each segment if the
    /// chain has at most 4096 terms, else totals behind each 4096. They must fold to the element: else the provider
    /// contradicts itself, and has no answer.
    /// @param header the node's header
    /// @param facts of the site
    /// @param leaf the leaf that holds the element
    /// @param siblings from that leaf up to the anchor
    function running(
        bytes32 game,
        Position calldata position,
        bytes calldata header,
        uint256 facts,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes calldata values
    ) external;

    /// @notice Pick a span of 4096 terms.
    function span(bytes32 caseId, bytes32 seal, uint48 tag, uint256 number) external;

    /// @notice Running values of the picked span, behind each of its segments. With the total before the span they
    /// must fold to the total behind it.
    /// @param claimed the element, as `running` showed it
    /// @param totals as `running` showed them
    function runningOfSpan(
        bytes32 game,
        Position calldata position,
        bytes calldata header,
        uint256 facts,
        uint256 claimed,
        bytes calldata totals,
        bytes calldata values
    ) external;

    /// @notice Go down by proof, past what other games showed already: to any node below the anchor.
    /// @param index the node's number among those `siblings.length` levels below the anchor
    function jump(
        bytes32 caseId,
        bytes32 seal,
        Position calldata position,
        bytes32 node,
        uint256 index,
        bytes32[] calldata siblings
    ) external;

    /// @notice Convict by an element that is no chain of several segments. Possible from landing on.
    /// @param number the element
    /// @param leaf the provider's leaf that holds it, proven by `siblings` under the anchor
    /// @param leaves what the step reads (`IReferee.step`)
    /// @param operands where each of these leaves hangs, in order
    /// @param job one, if an operand is an input or a constant; else none
    function prove(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes calldata header,
        uint256 facts,
        uint256 number,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes calldata leaves,
        OperandProof[] calldata operands,
        Job[] calldata job
    ) external;

    /// @notice Convict by one segment of a chain.
    /// @param claimed the element, as `running` showed it
    /// @param segment the segment, counted from the beginning of the span
    /// @param word the eight running values that hold it, proven by `siblings` under the values' root
    function proveSegment(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes calldata header,
        uint256 facts,
        uint256 claimed,
        uint256 segment,
        bytes32 word,
        bytes32[] calldata siblings,
        bytes calldata leaves,
        OperandProof[] calldata operands,
        Job[] calldata job
    ) external;

    /// @notice Convict by a byte that lies outside the node's shape and is not zero.
    /// @param index the leaf
    /// @param offset the byte in it
    function proveOutside(
        Case calldata case_,
        bytes32 seal,
        Position calldata position,
        bytes32 headerHash,
        uint256 facts,
        uint256 index,
        uint256 offset,
        bytes calldata leaf,
        bytes32[] calldata siblings
    ) external;

    /// @notice Answer from now on with the caller's key, which is the operator of this moment. In the provider's turn.
    function adopt(
        address owner,
        bytes32 bidHash,
        Case calldata case_,
        address challenger,
        bytes32 seal,
        Position calldata position
    ) external;
}
