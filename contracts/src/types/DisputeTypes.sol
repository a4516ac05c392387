// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClockKind, LeaseId} from "./Types.sol";

/// @notice What one deployment of the game fixes. Spans are in units of the Escrow's clock, sums of coin in wei.
struct DisputeTerms {
    ClockKind clockKind;
    address clockSource; //    the clock is the Escrow's
    uint32 moveClock; //       what each side's clock starts with; twice the chain's worst forced-inclusion delay
    uint32 increment; //       added to a side's clock by each of its moves
    uint32 claimPeriod; //     between a conviction and the sharing of its reward
    uint64 tip; //             most that a repaid answer may pay above the base fee, per gas
    uint64 dataFee; //         what the chain charges for a byte of calldata beside gas
    uint128[4] coinPrices; //  coin for 10^18 smallest units of listed token i
}

/// @notice A program's root, taken apart: keccak256(tag, inputs, constants, nodes, outputs, three tree roots).
struct Program {
    uint32 inputs;
    uint32 constants;
    uint32 nodes;
    uint32 outputs;
    bytes32 inputsRoot;
    bytes32 constantsRoot;
    bytes32 nodesRoot;
}

/// @notice A bid's `jobHash`, taken apart: keccak256(programRoot, inputRoot, items).
struct Job {
    Program program;
    bytes32 inputRoot;
    uint32 items;
}

/// @notice What is argued about: one item of one posted result. Its hash is the case's id.
struct Case {
    LeaseId leaseId;
    bytes32 jobHash;
    uint256 item;
    bytes32 itemRoot;
}

/// @notice What a game has come to, as far as the contract does not store it in the clear. A move that needs it
/// hands it in, and the contract holds it against the stored hash.
/// @param anchor the tree node that the provider's own commitments have led to
/// @param site keccak256(keccak256(header), facts) of the node landed on; zero before
/// @param left every left sibling on the way from the trace's root down to `anchor`, chained: keccak256(left, sibling)
/// @param operator the key that answers for the provider
struct Position {
    bytes32 anchor;
    bytes32 site;
    bytes32 left;
    address operator;
}

/// @notice How an operand's leaf hangs on a root that is known.
/// @param tensor siblings from the leaf up to its tensor's root
/// @param tree siblings from the tensor's entry up: in the trace (an inner node), the constants' tree (a constant),
/// the inputs' items (an input); empty for an output node
/// @param roots all tensor roots of the item that holds it (an input or an output node); else empty
/// @param dtype the constant's type as the program root binds it; else empty
struct OperandProof {
    bytes32[] tensor;
    bytes32[] tree;
    bytes32[] roots;
    bytes dtype;
}

/// @notice Where a conviction stands: what a claim must reproduce from its own, sealed trace.
/// @param caseId the convicted item
/// @param node index of the convicted node
/// @param output the node's number among the outputs plus one; zero for an inner node
/// @param leaf the leaf of the node's tensor that holds the element
/// @param offset byte of the leaf at which the element begins
/// @param width bytes of the element
/// @param left as in `Position`, down to the leaf, then keccak256(left, the leaf's bytes before `offset`)
/// @param claimed the provider's element, as its bytes stand in the leaf
/// @param right what it ought to be, if `exact`
/// @param exact whether the contract knows the right element, and not only that the provider's is wrong
/// @param landedAt when the convicting game landed on the node
struct Place {
    bytes32 caseId;
    uint32 node;
    uint8 output;
    uint32 leaf;
    uint8 offset;
    uint8 width;
    bytes32 left;
    uint32 claimed;
    uint32 right;
    bool exact;
    uint32 landedAt;
}

/// @notice A `Place` in three words; `rest` as `PlaceLib` packs it.
struct PackedPlace {
    bytes32 caseId;
    bytes32 left;
    uint256 rest;
}

/// @notice Whose move it is, and what is owed.
enum Phase {
    None, //     no such game
    Trace, //    provider: the root of its trace, by the root's first descendants
    Pick, //     challenger: which of the nodes shown last
    Reveal, //   provider: descendants of the picked node, or its leaves if at most 8 are below it
    Chain, //    provider: running values of the picked element, or totals if its chain is long
    Span, //     challenger: which span of 4096 terms
    Running, //  provider: running values of the picked span
    Prove, //    challenger: the false step
    Won, //      the provider is convicted by this game
    Lost, //     the challenger ran out of time or gave up
    Claimed //   the seal was opened to the right value; a share of the reward is this game's
}

/// @notice How a lease came to be convicted.
enum Conviction {
    None,
    Proven, // one step is false
    Silent //  the provider did not answer in time
}

/// @notice A game in the clear.
/// @param phase whose move
/// @param openedAt when `challenge` was
/// @param movedAt when the last move was
/// @param providerLeft what is left on the provider's clock at its next move
/// @param challengerLeft the same for the challenger
/// @param bond what is left of the bond, in gwei
/// @param path the anchor's place: nodes left of it on its level; an element in Chain, Span, Running and Prove
/// @param levels levels of the tree below the anchor
/// @param shown levels that the last answer showed below the anchor
/// @param chosen the descendant picked, or the span
/// @param tag lowest bits of the position's hash: a pick must repeat it, so that it answers no other state
struct Game {
    Phase phase;
    uint32 openedAt;
    uint32 movedAt;
    uint24 providerLeft;
    uint24 challengerLeft;
    uint48 bond;
    uint32 path;
    uint8 levels;
    uint8 shown;
    uint8 chosen;
    uint48 tag;
    bytes32 position;
}

/// @notice How a lease's conviction stands.
/// @param how by proof or by silence
/// @param settled whether the lease has ended as convicted
/// @param since when it was convicted
/// @param claims games that claimed
/// @param won whether the convicting game is among them
/// @param reward once settled: what they share, in the lease's token
struct Verdict {
    Conviction how;
    bool settled;
    uint32 since;
    uint32 claims;
    bool won;
    uint96 reward;
}
