// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClockKind, LeaseId} from "../types/Types.sol";

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
///   Reveal    reveal        P   Pick      descendants (up to 16, trace: 32), or all leaves (up to 8)
///   Pick,     element       C   Chain     an element of a chain of more than one segment
///   Reveal
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
/// are bound by the item root (ADR 030). A trace's root is written once per case.
///
/// Answers must come as plain transactions of a plain key (`Disputes_NotPlain`): so their calldata, which is what
/// they show, can be read from the transaction, and no event has to repeat it.
///
/// Money. A bond is coin: `bondOf`. Each answer is repaid out of it at once, a fixed amount of gas at no more than
/// the base fee and `tip`. Who loses leaves the rest to the owner of the lease's provider. Whose game is open when the lease is
/// convicted takes the rest back. The reward comes out of the provider's bond (`IJudgeHost.convict`); the convicting
/// game has a quarter of the token's reserve before all others, if it claims; what is left is split evenly among
/// the claims. A claim opens a seal made before the conviction: keccak256(traceRoot, itemRoot, challenger, leaseId, item,
/// salt) of the challenger's own run, which agrees with the provider's left of the convicted place, and has there the
/// right element (or, in a chain, another than the provider's, if it was sealed before the game landed).
/// After silence there is no place: every game that was open then has a quarter of the reserve, the convicting one first.
///
/// Assumptions
/// - The job is one that the validator accepts; an honest provider starts no other (`IReferee`).
/// - The chain includes a side's move within its clock.
/// - A challenger that follows the picks of another game gains nothing: it has no seal.
interface IDisputes {
    // ------------------------------------------------------------------------------------------------ events

    event Challenged(
        bytes32 indexed game,
        LeaseId indexed leaseId,
        address indexed challenger,
        uint256 item,
        bytes32 itemRoot,
        bytes32 seal
    );
    /// @notice A move; `state` is the game's packed word after it (`GameLib`).
    event Moved(bytes32 indexed game, uint256 state);
    /// @notice The lease is convicted by this game, at this place; by silence, if the place is empty.
    event Judged(bytes32 indexed game, LeaseId indexed leaseId, Place place);
    /// @notice The challenger lost; `forfeit` wei became coin of the owner.
    event GameLost(bytes32 indexed game, LeaseId indexed leaseId, uint256 forfeit);
    event SealOpened(bytes32 indexed game, LeaseId indexed leaseId);
    /// @notice The lease ended as convicted; `reward` of its token is shared.
    event Settled(LeaseId indexed leaseId, uint256 reward, uint256 claims);
    /// @notice A game's money left: coin of the bond, and its share of the reward.
    event Collected(bytes32 indexed game, address indexed challenger, uint256 coin, uint256 reward);
    /// @notice The provider's new key answers from now on.
    event Adopted(bytes32 indexed game, address indexed operator);

    // ------------------------------------------------------------------------------------------------ errors

    error Disputes_BadTerms(bytes32 reason);
    /// @notice The call does not exist in this phase.
    error Disputes_WrongPhase(bytes32 game, Phase phase);
    error Disputes_GameExists(bytes32 game);
    /// @notice The mover's clock ran out; `timeout` ends the game.
    error Disputes_OutOfTime(bytes32 game);
    /// @notice The other side may still move, for `left` more.
    error Disputes_InTime(bytes32 game, uint256 left);
    error Disputes_BondTooLow(uint256 needed, uint256 given);
    error Disputes_BondTooHigh(uint256 most, uint256 given);
    error Disputes_WrongJob(bytes32 jobHash);
    error Disputes_WrongLease(LeaseId leaseId);
    error Disputes_NoItem(uint256 item, uint256 items);
    error Disputes_NotProvider(address caller);
    error Disputes_NotPlain(address caller);
    /// @notice A private lease: only its client and the delegates that its bid names may challenge.
    error Disputes_Private(address caller);
    /// @notice What was handed in is not where the game stands.
    error Disputes_OtherPosition(bytes32 game);
    /// @notice The pick answers another state of the game.
    error Disputes_OtherState(uint48 tag, uint48 given);
    error Disputes_Count(uint256 needed, uint256 given);
    error Disputes_NoChild(uint256 index);
    error Disputes_NoNode(uint256 node);
    error Disputes_NoElement(uint256 element);
    /// @notice The bytes do not hash to the root that they are shown under.
    error Disputes_BadProof();
    /// @notice The running values do not fold to the element, or the totals not to each other.
    error Disputes_BadFold(uint256 found, uint256 needed);
    /// @notice The step gives what the provider said: nothing is proven.
    error Disputes_StepIsTrue(uint256 value);
    /// @notice This element's chain has several segments: `element` first.
    error Disputes_NeedsRunning(uint256 segments);
    /// @notice The game is too young: it must be a block old.
    error Disputes_TooYoung(bytes32 game);
    error Disputes_Convicted(LeaseId leaseId);
    error Disputes_NotConvicted(LeaseId leaseId);
    error Disputes_WrongPlace(bytes32 given);
    error Disputes_BadSeal();
    error Disputes_NotOpenedInTime(uint32 openedAt, uint32 limit);
    error Disputes_TooEarly(uint256 until);
    error Disputes_TooLate(uint256 until);
    error Disputes_NothingToCollect(bytes32 game);
    /// @notice The receiver refused the coin.
    error Disputes_NotSent(address to, uint256 amount);

    // ------------------------------------------------------------------------------------------------- calls

    /// @notice Challenge one item of a posted tape result. The value is the bond: at least `bondOf`.
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

    /// @notice End a game whose mover ran out of time. By anyone.
    function timeout(bytes32[6] calldata bid, Case calldata case_, address challenger, bytes32 seal) external;

    /// @notice Give up one's own game while it is one's move: the same as running out of time, but sooner.
    function resign(bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external;

    /// @notice Answer from now on with the caller's key, which is the operator of this moment.
    function adopt(
        address owner,
        bytes32 bidHash,
        Case calldata case_,
        address challenger,
        bytes32 seal,
        Position calldata position
    ) external;

    /// @notice Open the caller's seal after a conviction by proof; within the claim period.
    /// @param place as `Judged` says
    /// @param salt of the seal
    /// @param other the half of the seal that the opening does not compute: the item's root for an inner node, the
    /// trace's root for an output node
    /// @param leaf of the caller's own trace at the place
    /// @param siblings from that leaf up to its tensor's root
    /// @param above inner node: from the tensor's root up to the trace's root; output node: the item's tensor roots
    function claim(
        Case calldata case_,
        Place calldata place,
        bytes32 salt,
        bytes32 other,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        bytes32[] calldata above
    ) external;

    /// @notice Share in the reward after a conviction by silence: every game that was open then can.
    function claimSilence(Case calldata case_, bytes32 seal) external;

    /// @notice End the lease as convicted, and fix the shares. By anyone, when the claim period is over.
    function settle(bytes32[6] calldata bid) external;

    /// @notice Take back what is left of the bond of one's own game whose lease is convicted, and the share of the
    /// reward once it is settled.
    function collect(bytes32[6] calldata bid, Case calldata case_, bytes32 seal) external;

    /// @notice Pay out the caller's coin: what lost games left to it.
    function withdrawCoin(address to) external;

    // ------------------------------------------------------------------------------------------------- views

    /// @notice Zero phase if there is no such game.
    function gameOf(bytes32 game) external view returns (Game memory);

    function verdictOf(LeaseId leaseId) external view returns (Verdict memory);

    /// @notice Root of a case's trace; zero until posted.
    function traceOf(bytes32 caseId) external view returns (bytes32);

    function coinOf(address account) external view returns (uint256);

    /// @notice The least bond, at the base fee of the asking transaction: four times the gas of a long game's answers,
    /// the chain's charge for their bytes, and the price of one item.
    function bondOf(bytes32[6] calldata bid, uint256 items) external view returns (uint256);

    function terms() external view returns (DisputeTerms memory);
}
