// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice keccak256(abi.encodePacked(owner, bidHash)), where bidHash is the EIP-712 struct hash of the bid.
type LeaseId is bytes32;

/// @notice Where a lease stands. The first five live states hold money; from `Finalized` on nothing is held.
enum LeaseState {
    None, //           no such lease
    Opened, //         money and bond are in; the provider has not started
    Running, //        job: streaming, a result is owed
    Closing, //        job: the client closed; a result posted before the moved deadline still wins
    Posted, //         job: a result is posted, its challenge window or a judge holds it
    Serving, //        service: streaming
    Finalized, //      job: the result became final and was paid
    ClientClosed, //   the client ended it: unstarted, service, or a job whose close took effect
    ProviderClosed, // the provider ended it
    StartMissed, //    nobody started in time
    ResultMissed, //   no result in time
    RanOut, //         service: the funded blocks are over
    Convicted //       job: a judge found the result wrong
}

/// @notice What a lease owes. Zero is never valid.
enum LeaseClass {
    None,
    Job, //     a result; what is withdrawn before it is final is an advance
    Service //  nothing but its time; each paid block is final
}

/// @notice A provider's terms, decoded. Sums are in the token's smallest unit, spans in units of the clock.
/// @dev The EIP-712 type has these fields in this order. On the wire a bid is six words (`BidLib`).
struct Bid {
    address client;
    uint96 ratePerBlock;
    address owner;
    uint96 completionFee;
    bytes32 jobHash;
    bytes32 delegates;
    uint96 bond;
    uint64 capacityNonce;
    uint48 expiry;
    uint32 startDeadline;
    uint16 grace;
    uint32 maxBlocks;
    uint32 topUpCap;
    uint32 resultDeadline;
    uint32 challengeWindow;
    uint32 traceAllowance;
    uint8 token;
    uint8 leaseClass;
    uint8 verification;
    uint8 flags;
}

/// @notice A lease as a reader wants it: clock readings are absolute, what does not apply is zero.
struct LeaseView {
    LeaseState state;
    uint16 grace; //          zero once the completion fee burns
    uint48 openedAt; //       while Opened
    uint48 startedAt; //      from start on; zero if it ended unstarted
    uint48 lastBeat; //       last heartbeat that counted, first the start; the posting once a result is posted
    uint48 deadline; //       last reading for `start` while Opened, then for `postResult` (jobs, until posted)
    uint32 paidBlocks; //     earned so far
    uint32 fundedBlocks; //   paid for by client and top-ups
    uint32 withdrawnBlocks;
    uint32 gaps; //           silences beyond grace (services)
    uint32 freezes; //        open games and demands (posted jobs)
    bytes32 outputRoot; //    zero until posted
}

/// @notice What a lease's sums come to at this moment.
struct LeaseMoney {
    uint256 held; //          in the Escrow for this lease
    uint256 accrued; //       rate x paid blocks
    uint256 withdrawn; //     rate x withdrawn blocks
    uint256 withdrawable; //  what `withdraw` would pay now
    uint256 refundable; //    what the client would get if the lease ended as agreed now
}

/// @notice A token that leases can be paid and bonded in.
struct Listing {
    address token;
    uint96 reserve; //   part of every bond that no withdrawal may touch: pays for a dispute
    uint96 showUpSum; // flat part of the show-up sum
    uint16 showUpBps; // plus this many 1/10000 of rate x start deadline
}

/// @notice How a deployment tells the time (ERC-6372).
enum ClockKind {
    None,
    BlockNumber,
    Timestamp,
    Custom // asks `Deployment.clockSource`
}

/// @notice A judge's place: results of leases with this verification kind are its to hold and to convict.
struct Seat {
    address judge;
    uint8 kind;
}

/// @notice Everything that a deployment fixes for ever.
struct Deployment {
    Listing[] tokens; //           one to four; a bid names them by index
    Seat[] seats; //               at most eight; kinds 1 to 8, several judges may share one; none: the kind is refused
    ClockKind clockKind;
    address clockSource; //        zero unless the clock is Custom
    uint16 minGrace; //            at least twice the chain's worst forced-inclusion delay
    uint32 maxChallengeWindow; //  longest window that a bid may ask for
    uint32 gameSpan; //            longest that one game can last
    uint32 unbondingDelay; //      more than maxChallengeWindow + gameSpan
}

/// @notice An ERC-2612 permit for the caller's own tokens. `value` must cover what the call pulls.
struct Permit {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice An owner's stake in one token.
struct StakeView {
    uint128 staked; //       includes what is locked
    uint128 locked; //       behind open leases
    uint128 free; //         what a new bond could lock now: within stake and cap
    uint128 unbonding;
    uint48 releaseAt; //     last reading at which the unbonding sum is still held
    uint128 maxPerLease; //  owner's cap for one bond
    uint128 maxLocked; //    owner's cap for all bonds together
}
