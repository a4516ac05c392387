// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClockKind} from "./Types.sol";

/// @notice What one deployment of Audits fixes. Spans are in units of the Escrow's clock.
struct AuditTerms {
    ClockKind clockKind;
    address clockSource; //  the clock is the Escrow's
    uint8 stakeToken; //     listed token that auditors stake
    uint96 stake; //         what each stakes: all have the same chance
    uint32 drawClock; //     between an order and its draw; the block's hash is there for 256 blocks at most
    uint32 commitClock; //   for a commitment, beside the lease's trace allowance
    uint32 revealClock; //   for opening it; twice the chain's worst forced-inclusion delay, like `commitClock`
    uint32 contestClock; //  what an auditor that found a fault has left of the window to open a game
    uint32 gameSpan; //      longest that a game can last, beside six times the lease's length
    uint32 leaveDelay; //    between an auditor's leaving and its stake; longer than drawClock
    uint16 percent; //       of an item's price that an audit costs
    uint96[4] fixedFees; //  what it costs beside, in listed token i: an auditor's gas
}

/// @notice Where an audit stands.
enum Stage {
    None, //      no such audit
    Called, //    paid for; the block that draws is fixed
    Drawn, //     auditors and item are known; commitments, then reveals
    Contested, // an auditor found another result than the provider; the lease's end decides
    Silent, //    the provider is convicted of what it owed here
    Over
}

/// @notice What the provider has done in an audit.
enum Answer {
    None,
    Committed,
    Revealed
}

/// @notice Where one auditor's part of an audit stands.
enum Part {
    None,
    Ordered, //   paid for
    Assigned, //  an auditor is drawn
    Committed,
    Revealed,
    Accusing, //  revealed something else than the provider
    Rewarded, //  its fee is credited, and a part of a conviction's reward is still to be taken
    Done //       its fee is credited to the auditor or back to the payer; in `Drawn`: the auditor abstained
}

/// @notice An audit in the clear.
/// @param stage where it stands
/// @param answer what the provider has done
/// @param tasks paid for
/// @param assigned of these, tasks that an auditor was drawn for: the first ones
/// @param committed commitments, of auditors and provider, and abstentions
/// @param opened commitments that are opened, and abstentions
/// @param inner nodes of the program that are no outputs, and outputs: it has no more than this holds. Without inner nodes
/// it has no trace
/// @param outputs see inner
/// @param items of the job
/// @param item the one drawn
/// @param calledAt when the draw was last called
/// @param commitUntil last reading for commitments
/// @param drawBlock the block whose hash draws
/// @param seed of the draw: hash of that block's hash and the audit's name. Zero before it. Every answer names it
/// @param found keccak256(traceRoot, itemRoot) that the provider revealed; before that, its commitment
struct Audit {
    Stage stage;
    Answer answer;
    uint8 tasks;
    uint8 assigned;
    uint8 committed;
    uint8 opened;
    uint16 inner;
    uint8 outputs;
    uint32 items;
    uint32 item;
    uint40 calledAt;
    uint40 commitUntil;
    uint40 drawBlock;
    bytes32 seed;
    bytes32 found;
}

/// @notice One auditor's part of an audit.
/// @param payer who paid for it
/// @param part where it stands
/// @param late whether what the item comes to was public when the auditor committed: agreeing with it is not paid
/// @param auditor zero before the draw
/// @param found as in `Audit`; before it is revealed, keccak256(commitment, item root that was stated with it)
struct Task {
    address payer;
    Part part;
    bool late;
    address auditor;
    bytes32 found;
}

/// @notice An enrolled auditor, or one that has left.
/// @param stake what is left of its stake
/// @param since when it enrolled
/// @param leftAt when it left, or was put out; zero while enrolled
/// @param busy audits that it is drawn for and that are not over
/// @param place its place in the list
struct Auditor {
    uint96 stake;
    uint40 since;
    uint40 leftAt;
    uint32 busy;
    uint32 place;
}
