// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Credits} from "./Credits.sol";
import {EscrowState} from "./EscrowState.sol";
import {EscrowViews} from "./EscrowViews.sol";
import {Operators} from "./Operators.sol";
import {Staking} from "./Staking.sol";
import {IEscrowCore} from "./interfaces/IEscrowCore.sol";
import {IJudgeHost} from "./interfaces/IJudge.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {Lease, LeaseLib} from "./libraries/LeaseLib.sol";
import {Deployment, LeaseClass, LeaseId, LeaseState, Permit, Seat} from "./types/Types.sol";

/// @title Escrow
/// @dev Every call: check, effect, event, interaction. A lease is one slot; `_end` is the only way out of a live
/// state, and it accounts for every unit that the lease held. docs/contracts.md has the tables.
contract Escrow is EscrowState, Credits, Operators {
    using BidLib for bytes32[6];

    uint8 private constant PRIVATE_FLAG = 1;
    uint256 private constant MAX_SEATS = 8;
    uint8 private constant LAST_KIND = 8;

    EscrowViews private immutable _views;

    constructor(Deployment memory d) EscrowState(d, new Staking(d.tokens, d.unbondingDelay)) {
        if (d.minGrace == 0) revert Escrow_BadDeployment("minGrace");
        if (d.unbondingDelay <= uint256(d.maxChallengeWindow) + d.gameSpan) {
            revert Escrow_BadDeployment("unbondingDelay");
        }
        if (d.seats.length > MAX_SEATS) revert Escrow_BadDeployment("seats");
        for (uint256 i; i < d.seats.length; ++i) {
            _seat(d.seats[i]);
        }
        _views = new EscrowViews(d, _staking);
    }

    /// @dev A judge may have no code yet: it needs this address to be created. One seat each, so that no judge can
    /// hold leases of two kinds.
    function _seat(Seat memory seat) private {
        if (seat.judge == address(0) || _kindOf[seat.judge] != 0) revert Escrow_BadDeployment("judge");
        if (seat.kind == 0 || seat.kind > LAST_KIND) revert Escrow_BadDeployment("kind");
        _kindOf[seat.judge] = seat.kind;
        emit Seated(seat.judge, seat.kind);
    }

    /// @dev Everything that is not here is a view; see `EscrowViews`.
    fallback() external {
        address target = address(_views);
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, 0, calldatasize())
            let ok := delegatecall(gas(), target, m, calldatasize(), 0, 0)
            returndatacopy(m, 0, returndatasize())
            if iszero(ok) { revert(m, returndatasize()) }
            return(m, returndatasize())
        }
    }

    // ----------------------------------------------------------------------------------------------- opening

    /// @inheritdoc IEscrowCore
    function openLease(bytes32[6] calldata bid, bytes calldata signature) external returns (LeaseId) {
        return _open(bid, signature, true);
    }

    /// @inheritdoc IEscrowCore
    function openLeaseFromWallet(bytes32[6] calldata bid, bytes calldata signature)
        public
        returns (LeaseId id)
    {
        id = _open(bid, signature, false);
        _pull(bid.token(), bid.depositOf());
    }

    /// @inheritdoc IEscrowCore
    function openLeaseWithPermit(bytes32[6] calldata bid, bytes calldata signature, Permit calldata permit)
        external
        returns (LeaseId)
    {
        _permit(bid.token(), permit);
        return openLeaseFromWallet(bid, signature);
    }

    function _open(bytes32[6] calldata bid, bytes calldata signature, bool fromCredits)
        private
        returns (LeaseId id)
    {
        address owner = bid.owner();
        _checkTerms(bid);
        // A copied bid is worth nothing to others: it names its client (rule 1).
        if (msg.sender != bid.client()) revert Escrow_NotClient(msg.sender, bid.client());
        uint48 now_ = clock();
        if (now_ > bid.expiry()) revert Escrow_Expired(bid.expiry(), now_);
        bytes32 hash = bid.hash();
        _checkSignature(owner, _digest(hash), signature);
        _spendNonce(owner, bid.capacityNonce());
        if (fromCredits) _charge(bid.token(), msg.sender, bid.depositOf());
        // No check that the slot is free: the nonce is part of the hash, so the same id would need it twice.
        id = BidLib.idOf(owner, hash);
        _leases[id].lease = LeaseLib.opened(bid.grace(), _mark(now_), bid.maxBlocks(), bid.startDeadline());
        emit LeaseOpened(id, owner, msg.sender, bid);
        _staking.lock(owner, bid.token(), bid.bond());
    }

    function _checkTerms(bytes32[6] calldata bid) private view {
        (, uint96 reserve) = _tokenAndReserve(bid.token());
        // INVARIANT: a conviction always finds the reserve in the bond (rule 4).
        if (bid.bond() < reserve) revert Escrow_BondTooLow(bid.bond(), reserve);
        if (bid.reserved() != 0) revert Escrow_BadBid("reserved");
        if (bid.flags() > PRIVATE_FLAG) revert Escrow_BadBid("flags");
        if (bid.maxBlocks() == 0) revert Escrow_BadBid("maxBlocks");
        if (bid.topUpCap() < bid.maxBlocks()) revert Escrow_BadBid("topUpCap");
        if (bid.grace() < _minGrace) revert Escrow_BadBid("grace");
        if (bid.startDeadline() == 0) revert Escrow_BadBid("startDeadline");
        if (bid.challengeWindow() > _maxChallengeWindow) revert Escrow_BadBid("challengeWindow");
        uint8 verification = bid.verification();
        if (bid.leaseClass() == uint8(LeaseClass.Job)) {
            if (bid.resultDeadline() == 0) revert Escrow_BadBid("resultDeadline");
            if (verification != 0) {
                if (!_isJudged(verification)) revert Escrow_NoJudge(verification);
                if (bid.traceAllowance() > bid.challengeWindow()) revert Escrow_BadBid("traceAllowance");
            }
        } else if (bid.leaseClass() == uint8(LeaseClass.Service)) {
            // A service owes no result: terms about one would only mislead.
            if (bid.resultDeadline() != 0) revert Escrow_BadBid("resultDeadline");
            if (bid.completionFee() != 0) revert Escrow_BadBid("completionFee");
            if (verification != 0) revert Escrow_BadBid("verification");
        } else {
            revert Escrow_BadBid("leaseClass");
        }
    }

    /// @dev `tryRecover` refuses high s and other lengths than 65; it gives zero for them, which is nobody's key.
    function _checkSignature(address owner, bytes32 digest, bytes calldata signature) private view {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        address operator = _operators[owner];
        if (signer == address(0) || signer != operator) revert Escrow_NotSigned(signer, operator);
    }

    // ------------------------------------------------------------------------------------------------ stream

    /// @inheritdoc IEscrowCore
    function start(bytes32[6] calldata bid) external {
        _requireOperator(bid.owner());
        (LeaseId id, Lease l) = _load(bid);
        if (l.state() != LeaseState.Opened) revert Escrow_WrongState(id, l.state());
        uint48 now_ = clock();
        _requireInTime(id, l, now_);
        bool isJob = bid.leaseClass() == uint8(LeaseClass.Job);
        _leases[id].lease = l.withState(isJob ? LeaseState.Running : LeaseState.Serving).withMark(_mark(now_))
            .withDeadline(bid.resultDeadline());
        emit Started(id, now_);
    }

    /// @inheritdoc IEscrowCore
    function beat(address owner, bytes32[] calldata bidHashes) external {
        _requireOperator(owner);
        uint48 now_ = clock();
        // The data of `Beat`, written as the ids come: offset of the array, its length, its elements.
        bytes32 data;
        uint256 end;
        uint256 from;
        uint256 until;
        assembly ("memory-safe") {
            let size := shl(5, bidHashes.length)
            data := mload(0x40)
            end := add(data, 0x40)
            mstore(0x40, add(end, size))
            from := bidHashes.offset
            until := add(from, size)
        }
        while (from != until) {
            bytes32 hash;
            assembly ("memory-safe") {
                hash := calldataload(from)
                from := add(from, 0x20)
            }
            LeaseId id = BidLib.idOf(owner, hash);
            Slot storage slot = _leases[id];
            Lease l = slot.lease;
            Lease next = l.beaten(now_);
            // Skipped, not reverted: one client's close must not make the other streams gap (rule 3).
            if (Lease.unwrap(next) == Lease.unwrap(l)) continue;
            slot.lease = next;
            assembly ("memory-safe") {
                mstore(end, id)
                end := add(end, 0x20)
            }
        }
        bytes32 topic = Beat.selector;
        assembly ("memory-safe") {
            mstore(data, 0x20)
            mstore(add(data, 0x20), shr(5, sub(end, add(data, 0x40))))
            log2(data, sub(end, data), topic, owner)
        }
    }

    /// @inheritdoc IEscrowCore
    function topUp(bytes32[6] calldata bid, uint32 blocks) external {
        _charge(bid.token(), msg.sender, _fund(bid, blocks));
    }

    /// @inheritdoc IEscrowCore
    function topUpFromWallet(bytes32[6] calldata bid, uint32 blocks) external {
        _pullUnmeasured(bid.token(), _fund(bid, blocks));
    }

    function _fund(bytes32[6] calldata bid, uint32 blocks) private returns (uint256 cost) {
        (LeaseId id, Lease l) = _load(bid);
        LeaseState state = l.state();
        uint48 now_ = clock();
        if (state == LeaseState.Serving) {
            // Not after the end: a stranger's coin must not turn a finished provider into a silent one (rule 9).
            uint256 end = l.lastEarning();
            if (now_ > end) revert Escrow_TooLate(id, uint48(end), now_);
        } else if (state == LeaseState.Opened || state == LeaseState.Running) {
            _requireInTime(id, l, now_);
        } else {
            revert Escrow_WrongState(id, state);
        }
        uint256 funded;
        unchecked {
            // 32-bit blocks, 96-bit rate: neither can overflow.
            funded = uint256(l.funded()) + blocks;
            cost = uint256(bid.ratePerBlock()) * blocks;
        }
        if (funded > bid.topUpCap()) revert Escrow_OverCap(id, funded, bid.topUpCap());
        _leases[id].lease = l.withMoreFunded(blocks);
        emit ToppedUp(id, msg.sender, blocks, cost);
    }

    /// @inheritdoc IEscrowCore
    function withdraw(bytes32[6][] calldata bids) external returns (uint256 amount) {
        if (bids.length == 0) return 0;
        address owner = bids[0].owner();
        uint8 token = bids[0].token();
        (, uint96 reserve) = _tokenAndReserve(token);
        for (uint256 i; i < bids.length; ++i) {
            bytes32[6] calldata bid = bids[i];
            if (bid.owner() != owner || bid.token() != token) revert Escrow_MixedBatch(i);
            (LeaseId id, Lease l) = _load(bid);
            uint32 blocks = _withdrawable(bid, l, reserve);
            if (blocks == 0) continue; // nothing to take here; the others are served
            l = l.withMoreWithdrawn(blocks);
            _leases[id].lease = l;
            uint256 sum = uint256(bid.ratePerBlock()) * blocks;
            amount += sum;
            emit Withdrawn(id, owner, l.withdrawn(), sum);
        }
        if (amount != 0) _pay(token, owner, amount);
    }

    // ----------------------------------------------------------------------------------------------- results

    /// @inheritdoc IEscrowCore
    function postResult(address owner, bytes32 bidHash_, bytes32 outputRoot) external {
        _requireOperator(owner);
        if (outputRoot == 0) revert Escrow_ZeroResult();
        LeaseId id = BidLib.idOf(owner, bidHash_);
        Slot storage slot = _leases[id];
        Lease l = slot.lease;
        LeaseState state = l.state();
        // Written once: no state that a posted lease can reach comes back here (rule 8).
        if (state != LeaseState.Running && state != LeaseState.Closing) revert Escrow_WrongState(id, state);
        uint48 now_ = clock();
        _requireInTime(id, l, now_);
        // Posting is a sign of life; being in time, it always becomes the last one.
        slot.lease = l.beaten(now_).withState(LeaseState.Posted);
        _results[id] = outputRoot;
        emit ResultPosted(id, outputRoot, now_);
    }

    /// @inheritdoc IEscrowCore
    function resultOf(LeaseId id) external view returns (bytes32) {
        return _results[id];
    }

    /// @inheritdoc IEscrowCore
    function finalize(bytes32[6] calldata bid) external {
        (LeaseId id, Lease l) = _load(bid);
        if (l.state() != LeaseState.Posted) revert Escrow_WrongState(id, l.state());
        // INVARIANT: a result never becomes final while a judge holds it.
        if (l.tally() != 0) revert Escrow_Held(id, l.tally());
        unchecked {
            _requireOver(id, l, uint256(l.lastBeat()) + bid.challengeWindow()); // 32 bits each
        }
        End memory e;
        unchecked {
            // 128 bits of stream and 96 of fee.
            if (l.isFeeBurnt()) (e.toOwner, e.burntDeposit) = (_unpaid(bid, l), bid.completionFee());
            else e.toOwner = _unpaid(bid, l) + bid.completionFee();
        }
        _end(id, bid, l, LeaseState.Finalized, e);
    }

    // ------------------------------------------------------------------------------------------------ judges

    /// @inheritdoc IJudgeHost
    function freeze(bytes32[6] calldata bid)
        external
        returns (bytes32 outputRoot, uint32 freezes, uint32 ran)
    {
        (LeaseId id, Lease l) = _loadForJudge(bid);
        ran = l.lastBeat(); // of a posted lease: the posting, counted from the start
        // Also when it is held already: else games lost on purpose, one after another, would hold it for ever.
        _requireInWindow(id, bid, l);
        freezes = l.tally() + 1; // 32 bits, checked: shams cannot fill it (rule 11)
        outputRoot = _results[id];
        _leases[id].lease = l.withTally(freezes);
        emit Frozen(id, freezes);
    }

    /// @inheritdoc IJudgeHost
    function release(bytes32[6] calldata bid) external {
        (LeaseId id, Lease l) = _loadForJudge(bid);
        if (l.tally() == 0) revert Escrow_NotHeld(id);
        l = l.withTally(l.tally() - 1);
        _leases[id].lease = l;
        emit Released(id, l.tally());
    }

    /// @inheritdoc IJudgeHost
    function convict(bytes32[6] calldata bid, uint256 reward) external returns (uint256) {
        (LeaseId id, Lease l) = _loadForJudge(bid);
        if (l.tally() == 0) revert Escrow_NotHeld(id);
        uint256 advance = _advance(bid, l);
        uint256 rest = bid.bond() - advance;
        End memory e;
        // INVARIANT: at least half of the rest burns, so nobody profits from convicting himself.
        e.toJudge = reward < rest / 2 ? reward : rest / 2;
        e.seized = advance + e.toJudge;
        e.burntBond = rest - e.toJudge;
        emit Convicted(id, msg.sender, e.toJudge);
        _end(id, bid, l, LeaseState.Convicted, e);
        return e.toJudge;
    }

    /// @inheritdoc IJudgeHost
    function burnFeeInProtest(bytes32[6] calldata bid) external {
        (LeaseId id, Lease l) = _loadForJudge(bid);
        if (l.isFeeBurnt()) revert Escrow_FeeBurnt(id);
        _requireInWindow(id, bid, l);
        uint256 fee = bid.completionFee();
        _charge(bid.token(), bid.client(), fee);
        _burnt[bid.token()] += fee;
        _leases[id].lease = l.withFeeBurnt();
        emit FeeBurnt(id, fee);
    }

    // -------------------------------------------------------------------------------------------------- ends

    /// @inheritdoc IEscrowCore
    function closeByClient(bytes32[6] calldata bid) external {
        if (msg.sender != bid.client()) revert Escrow_NotClient(msg.sender, bid.client());
        (LeaseId id, Lease l) = _load(bid);
        if (l.state() == LeaseState.Opened) {
            End memory e;
            (e.burntDeposit,) = _showUp(bid, l);
            _end(id, bid, l.neverStarted(), LeaseState.ClientClosed, e);
        } else if (l.state() == LeaseState.Serving) {
            _endService(id, bid, l, LeaseState.ClientClosed);
        } else if (l.state() == LeaseState.Running) {
            // Not at once: a result that is on its way wins (rule 5). And never later than it was.
            uint48 now_ = clock();
            uint256 deadline = l.span(now_) + l.grace();
            if (deadline >= l.deadline()) {
                revert Escrow_TooLate(id, uint48(l.mark()) + l.deadline() - l.grace(), now_);
            }
            _leases[id].lease = l.withState(LeaseState.Closing).withDeadline(uint32(deadline));
            emit Closing(id, now_ + l.grace());
        } else {
            revert Escrow_WrongState(id, l.state());
        }
    }

    /// @inheritdoc IEscrowCore
    function closeByProvider(bytes32[6] calldata bid) external {
        _requireProvider(bid.owner());
        (LeaseId id, Lease l) = _load(bid);
        if (l.state() == LeaseState.Opened) {
            End memory e;
            (, e.burntBond) = _showUp(bid, l);
            _end(id, bid, l.neverStarted(), LeaseState.ProviderClosed, e);
        } else if (l.state() == LeaseState.Serving) {
            _endService(id, bid, l, LeaseState.ProviderClosed);
        } else if (l.state() == LeaseState.Running) {
            _endWithoutResult(id, bid, l, LeaseState.ProviderClosed);
        } else {
            revert Escrow_WrongState(id, l.state());
        }
    }

    /// @inheritdoc IEscrowCore
    function expire(bytes32[6] calldata bid) external {
        (LeaseId id, Lease l) = _load(bid);
        if (l.state() == LeaseState.Serving) {
            _requireOver(id, l, l.fundsEnd());
            _endService(id, bid, l, LeaseState.RanOut);
        } else if (l.state() == LeaseState.Opened) {
            _requireOver(id, l, l.deadline());
            End memory e;
            // Both pay, for nobody can tell whose fault it was (rule 1).
            (e.burntDeposit, e.burntBond) = _showUp(bid, l);
            _end(id, bid, l.neverStarted(), LeaseState.StartMissed, e);
        } else if (l.state() == LeaseState.Running) {
            _requireOver(id, l, l.deadline());
            _endWithoutResult(id, bid, l, LeaseState.ResultMissed);
        } else if (l.state() == LeaseState.Closing) {
            _requireOver(id, l, l.deadline());
            End memory e;
            e.toOwner = _unpaid(bid, l);
            _end(id, bid, l, LeaseState.ClientClosed, e);
        } else {
            revert Escrow_WrongState(id, l.state());
        }
    }

    /// @dev The provider's failure on a job: the advance comes back out of the bond, and a penalty burns (rule 2).
    function _endWithoutResult(LeaseId id, bytes32[6] calldata bid, Lease l, LeaseState outcome) private {
        End memory e;
        e.seized = _advance(bid, l);
        uint256 rest = bid.bond() - e.seized;
        uint256 penalty = bid.bond() / PENALTY_PARTS;
        e.burntBond = penalty < rest ? penalty : rest;
        _end(id, bid, l, outcome, e);
    }

    /// @dev Each paid block of a service is final; each silence, also one that still lasts, costs part of the bond.
    function _endService(LeaseId id, bytes32[6] calldata bid, Lease l, LeaseState outcome) private {
        uint256 gaps = l.tally();
        if (l.isSilent(l.elapsed(clock()))) ++gaps;
        if (gaps > GAP_PARTS) gaps = GAP_PARTS;
        End memory e;
        e.toOwner = _unpaid(bid, l);
        e.burntBond = bid.bond() * gaps / GAP_PARTS;
        _end(id, bid, l, outcome, e);
    }

    /// @dev How a lease's money and bond are split. What is named nowhere goes to the client.
    struct End {
        uint256 toOwner;
        uint256 toJudge;
        uint256 seized; //        of the bond; joins what the lease held
        uint256 burntDeposit; //  of what the lease held
        uint256 burntBond;
    }

    /// @dev The only way out of a live state, so money and bond of a lease are let go exactly once. The client gets
    /// the remainder, and the subtraction is checked: nothing is credited that is not there.
    function _end(LeaseId id, bytes32[6] calldata bid, Lease l, LeaseState outcome, End memory e) private {
        uint8 token = bid.token();
        uint256 toClient = _held(bid, l) + e.seized - e.toOwner - e.toJudge - e.burntDeposit;
        _leases[id].lease = l.withState(outcome);
        if (toClient != 0) _credits[token][bid.client()] += toClient;
        if (e.toOwner != 0) _credits[token][bid.owner()] += e.toOwner;
        if (e.toJudge != 0) _credits[token][msg.sender] += e.toJudge;
        if (e.burntDeposit != 0) _burnt[token] += e.burntDeposit;
        emit Ended(id, outcome, e.toOwner, toClient, e.seized, e.burntDeposit + e.burntBond);
        _staking.unlock(bid.owner(), token, bid.bond(), e.seized, e.burntBond);
    }

    // ------------------------------------------------------------------------------------------------ shared

    function _load(bytes32[6] calldata bid) private view returns (LeaseId id, Lease l) {
        id = bid.leaseId();
        l = _leases[id].lease;
    }

    function _loadForJudge(bytes32[6] calldata bid) private view returns (LeaseId id, Lease l) {
        uint8 verification = bid.verification();
        // Kind 0 has no judge, and who has no seat is of kind 0: both must fail here.
        if (verification == 0 || _kindOf[msg.sender] != verification) {
            revert Escrow_NotJudge(msg.sender, verification);
        }
        (id, l) = _load(bid);
        if (l.state() != LeaseState.Posted) revert Escrow_WrongState(id, l.state());
    }

    function _requireInTime(LeaseId id, Lease l, uint48 now_) private pure {
        if (now_ > l.until()) revert Escrow_TooLate(id, l.until(), now_);
    }

    function _requireInWindow(LeaseId id, bytes32[6] calldata bid, Lease l) private view {
        uint48 now_ = clock();
        unchecked {
            uint256 end = uint256(l.lastBeat()) + bid.challengeWindow(); // 32 bits each
            if (l.span(now_) > end) revert Escrow_TooLate(id, uint48(l.mark() + end), now_);
        }
    }

    function _requireOver(LeaseId id, Lease l, uint256 offset) private view {
        uint48 now_ = clock();
        if (l.span(now_) <= offset) revert Escrow_TooEarly(id, uint48(l.mark() + offset), now_);
    }

    /// @dev Refuses a clock that left 40 bits rather than cut it.
    function _mark(uint48 now_) private pure returns (uint40) {
        return SafeCast.toUint40(now_);
    }

    function _advance(bytes32[6] calldata bid, Lease l) private pure returns (uint256) {
        return uint256(bid.ratePerBlock()) * l.withdrawn();
    }

    function _unpaid(bytes32[6] calldata bid, Lease l) private pure returns (uint256) {
        return uint256(bid.ratePerBlock()) * (l.paid() - l.withdrawn());
    }
}
