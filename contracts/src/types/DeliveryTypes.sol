// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClockKind, LeaseId} from "./Types.sol";

/// @notice What one deployment of Delivery fixes. Spans are in units of the Escrow's clock, sums of coin in wei.
struct DeliveryTerms {
    ClockKind clockKind;
    address clockSource; // the clock is the Escrow's
    uint32 demandClock; //  for one answer; twice the chain's worst forced-inclusion delay
    uint64 tip; //          most that a repaid answer may pay above the base fee, per gas
    uint64 dataFee; //      what the chain charges for a byte of calldata beside gas
}

/// @notice What an answer consists of.
enum Kind {
    None,
    Items, //  hashes some levels below a node of the items' tree; none (size 0) of a node beyond the items
    Roots, //  tensor roots of an item
    Nodes, //  hashes some levels below a node of an output's tensor tree
    Leaves //  all leaves below such a node, 128 bytes each
}

/// @notice What is demanded: bytes that hash to a node. Its hash with the lease is the demand's id, so that the same
/// bytes are demanded once.
/// @param node what the answer must hash to
/// @param size bytes of the answer
struct Wanted {
    Kind kind;
    bytes32 node;
    uint32 size;
}

/// @notice Where a demanded node stands. What a kind does not need is zero.
/// @param item the item (not for Items)
/// @param output number of the item's tensor (Nodes, Leaves)
/// @param index nodes left of it on its level
/// @param levels levels of its tree below it
struct Spot {
    uint32 item;
    uint8 output;
    uint32 index;
    uint8 levels;
}

/// @notice An output of an item, proven under the posted result.
/// @param item which item
/// @param itemProof siblings from the item's root up to the posted result
/// @param roots the item's tensor roots, whose hash is the item's root
/// @param output which of them
/// @param header header of the node that makes it
/// @param headerProof siblings from the header up to the program's nodes
struct OutputProof {
    uint256 item;
    bytes32[] itemProof;
    bytes32[] roots;
    uint256 output;
    bytes header;
    bytes32[] headerProof;
}

/// @notice An output's header, for the size of what a job puts out.
struct SizeProof {
    uint256 output;
    bytes header;
    bytes32[] headerProof;
}

/// @notice How a demand stands.
enum Status {
    None,
    Asked, //      by the client or a delegate, or hastened by one; the provider owes the answer
    Requested, //  the same, by a stranger
    Answered, //   by `deliver`
    Unanswered, // the clock ran out, or no answer exists, and the lease is convicted of it
    Closed //      the demander has all that it can get
}

/// @notice A demand in the clear.
struct Demand {
    Status status;
    uint40 until; //   last reading for the answer
    uint48 bond; //    what is left of it, in gwei
    address demander;
}

/// @notice Demands of a lease.
struct Queue {
    uint32 asked; //     open, of the client and its delegates, what they hastened included
    uint32 requested; // open, of strangers
    uint32 silent; //    open when the lease was convicted of silence; then none is opened or answered any more
}
