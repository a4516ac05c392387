// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IDisputeEnds} from "./IDisputeEnds.sol";
import {IDisputeMoves} from "./IDisputeMoves.sol";

/// @title The game: a provider's own trace is made to contradict itself
/// @notice A challenger never states a number of its own. It makes the provider open its commitments from the root
/// of its trace down to one step, and the Referee computes that step from the provider's own operands.
///
/// The machine (P provider, C challenger; each move within the mover's clock, else `timeout`)
///
///   from      call          by  to        what it shows or fixes
///   -         challenge     C   Trace     item root under the posted result; the bond
///   -         challenge     C   Pick      the same, where the item's trace is known from another game
///   Trace     trace         P   Pick      the trace's root, by its descendants
///   Pick      pick          C   Reveal    one of the descendants
///   Pick      land          C   Reveal    a node: its header, its tensor's root in the trace (or the item's roots)
///   Reveal    reveal        P   Pick      descendants (up to 32), or all leaves (up to 8)
///   Pick      element       C   Chain     an element of a chain of more than one segment
///   Chain     running       P   Prove     running values behind all segments (chains up to 4096 terms)
///   Chain     running       P   Span      totals behind every 4096 terms
///   Span      span          C   Running   one of the spans
///   Running   running       P   Prove     running values behind all segments of the span
///   Pick,     prove         C   Won       a false element; or bytes outside the shape that are not zero
///   Reveal
///   Prove     prove         C   Won       a false segment
///   P's       timeout       any Won       silence convicts
///   C's       timeout       any Lost      the rest of the bond goes to the owner
///   C's       resign        C   Lost      the same, sooner
///   any open  claim         C   Claimed   after a conviction: the seal, opened
///   Won
///
/// Why an honest challenger wins: it always takes the first child that differs from its own trace, so everything
/// left of the path is its own, and it can prove every operand. Why an honest provider does not lose: each answer
/// is forced by what it committed to, and each of its steps is true, so garbage picks prove nothing.
///
/// A trace is the tree over the tensor roots of all nodes that are no outputs, padded with zero words; the outputs
/// are bound by the item root (ADR 030). A trace's root is written once per case, until the lease is convicted. Hashes in
/// trees, and the names of cases, games, seals, sites and left chains, are the first 24 bytes of keccak256 (ADR 041).
///
/// Answers must come as plain transactions of a plain key (`Disputes_NotPlain`): so their calldata, which is what
/// they show, can be read from the transaction, and no event has to repeat it.
///
/// Money. A bond is coin: `bondOf`. An answer of a key that holds less coin than is left of the bond is repaid out of it
/// at once, a fixed amount of gas at no more than the base fee and `tip`; a richer key's is not. Who loses leaves the rest to the owner of the lease's provider. Whose game is open when the lease is
/// convicted takes the rest back. The reward comes out of the provider's bond (`IJudgeHost.convict`); the convicting
/// game has a quarter of the token's reserve before all others, if it claims; what is left is split evenly among
/// the claims. A claim opens a seal made before the conviction: keccak256(traceRoot, itemRoot, challenger, leaseId, item,
/// salt) of the challenger's own run, which agrees with the provider's left of the convicted place, and has there the
/// right element (or, in a chain, another than the provider's, if it was sealed before the game landed).
/// After silence there is no place: each game opened in an earlier block counts for a quarter of the reserve, within the reward; the
/// convicting one has its quarter first, the others split the rest evenly.
///
/// Assumptions
/// - The job is one that the validator accepts; an honest provider starts no other (`IReferee`).
/// - The chain includes a side's move within its clock.
/// - A challenger that follows the picks of another game gains nothing: it has no seal.
interface IDisputes is IDisputeMoves, IDisputeEnds, IERC6372 {}
