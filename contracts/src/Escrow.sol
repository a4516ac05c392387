// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Clock} from "./Clock.sol";
import {Credits} from "./Credits.sol";
import {Operators} from "./Operators.sol";
import {Staking} from "./Staking.sol";
import {Tokens} from "./Tokens.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IJudgeHost} from "./interfaces/IJudge.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {BidLib} from "./libraries/BidLib.sol";
import {Lease, LeaseLib} from "./libraries/LeaseLib.sol";
import {
    Bid,
    Deployment,
    LeaseClass,
    LeaseId,
    LeaseMoney,
    LeaseState,
    LeaseView,
    Listing,
    Permit
} from "./types/Types.sol";

/// @title Escrow
/// @dev Every call: check, effect, event, interaction. A lease is one slot; `_end` is the only way out of a live
/// state, and it accounts for every unit that the lease held. docs/contracts.md has the tables.
contract Escrow is Clock, Credits, Operators, EIP712 {
    using BidLib for bytes32[6];
    using LeaseLib for Lease;
    using LeaseLib for uint256;

    /// @dev A provider that ends a job without a result loses this part of its bond. It is burnt, not given to the
    /// client: a client must not gain from jobs that nobody can finish.
    uint256 public constant PENALTY_DIVISOR = 8;
    /// @dev Each silence beyond grace costs a service 1 / GAPS_TO_ALL of its bond.
    uint256 public constant GAPS_TO_ALL = 64;
    uint8 private constant PRIVATE_FLAG = 1;

    /// @inheritdoc IEscrow
    IStaking public immutable staking;
    /// @inheritdoc IEscrow
    uint16 public immutable minGrace;
    /// @inheritdoc IEscrow
    uint32 public immutable maxChallengeWindow;

    /// @inheritdoc IEscrow
    mapping(uint8 verification => address) public judgeOf;
    /// @inheritdoc IEscrow
    mapping(LeaseId => bytes32) public resultOf;
    /// @inheritdoc IEscrow
    mapping(uint8 token => uint256) public burntOf;
    mapping(LeaseId => uint256 packed) private _leases;

    constructor(Deployment memory d)
        Clock(d.clockKind, d.clockSource)
        Tokens(d.tokens)
        EIP712("Gavel", "1")
    {
        if (d.minGrace == 0) revert Escrow_BadDeployment("minGrace");
        if (d.unbondingDelay <= uint256(d.maxChallengeWindow) + d.gameSpan) {
            revert Escrow_BadDeployment("unbondingDelay");
        }
        if (d.judges.length > type(uint8).max) revert Escrow_BadDeployment("judges");
        minGrace = d.minGrace;
        maxChallengeWindow = d.maxChallengeWindow;
        for (uint8 i; i < d.judges.length; ++i) {
            judgeOf[i + 1] = d.judges[i];
        }
        staking = new Staking(d.tokens, d.unbondingDelay);
    }

    // ----------------------------------------------------------------------------------------------- opening

    /// @inheritdoc IEscrow
    function openLease(bytes32[6] calldata bid, bytes calldata signature) external returns (LeaseId) {
        return _open(bid, signature, true);
    }

    /// @inheritdoc IEscrow
    function openLeaseFromWallet(bytes32[6] calldata bid, bytes calldata signature)
        public
        returns (LeaseId id)
    {
        id = _open(bid, signature, false);
        _pull(bid.token(), bid.depositOf());
    }

    /// @inheritdoc IEscrow
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
        _checkSignature(owner, _hashTypedDataV4(hash), signature);
        _spendNonce(owner, bid.capacityNonce());
        if (fromCredits) _charge(bid.token(), msg.sender, bid.depositOf());
        // No check that the slot is free: the nonce is part of the hash, so the same id would need it twice.
        id = BidLib.idOf(owner, hash);
        _leases[id] = Lease({
            state: LeaseState.Opened,
            grace: bid.grace(),
            mark: _mark(now_),
            lastBeat: 0,
            paid: 0,
            funded: bid.maxBlocks(),
            withdrawn: 0,
            deadline: bid.startDeadline(),
            tally: 0
        }).pack();
        emit LeaseOpened(id, owner, msg.sender, bid);
        staking.lock(owner, bid.token(), bid.bond());
    }

    function _checkTerms(bytes32[6] calldata bid) private view {
        (, uint96 reserve) = _tokenAndReserve(bid.token());
        // INVARIANT: a conviction always finds the reserve in the bond (rule 4).
        if (bid.bond() < reserve) revert Escrow_BondTooLow(bid.bond(), reserve);
        if (bid.reserved() != 0) revert Escrow_BadBid("reserved");
        if (bid.flags() > PRIVATE_FLAG) revert Escrow_BadBid("flags");
        if (bid.maxBlocks() == 0) revert Escrow_BadBid("maxBlocks");
        if (bid.topUpCap() < bid.maxBlocks()) revert Escrow_BadBid("topUpCap");
        if (bid.grace() < minGrace) revert Escrow_BadBid("grace");
        if (bid.startDeadline() == 0) revert Escrow_BadBid("startDeadline");
        if (bid.challengeWindow() > maxChallengeWindow) revert Escrow_BadBid("challengeWindow");
        uint8 verification = bid.verification();
        if (bid.leaseClass() == uint8(LeaseClass.Job)) {
            if (bid.resultDeadline() == 0) revert Escrow_BadBid("resultDeadline");
            if (verification != 0) {
                if (judgeOf[verification] == address(0)) revert Escrow_NoJudge(verification);
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
        address operator = operatorOf[owner];
        if (signer == address(0) || signer != operator) revert Escrow_NotSigned(signer, operator);
    }

    // ------------------------------------------------------------------------------------------------ stream

    /// @inheritdoc IEscrow
    function start(bytes32[6] calldata bid) external {
        _requireOperator(bid.owner());
        (LeaseId id, Lease memory l) = _load(bid);
        if (l.state != LeaseState.Opened) revert Escrow_WrongState(id, l.state);
        uint48 now_ = clock();
        _requireInTime(id, l, now_);
        bool isJob = bid.leaseClass() == uint8(LeaseClass.Job);
        l.state = isJob ? LeaseState.Running : LeaseState.Serving;
        l.mark = _mark(now_);
        l.deadline = bid.resultDeadline();
        _leases[id] = l.pack();
        emit Started(id, now_);
    }

    /// @inheritdoc IEscrow
    function beat(address owner, bytes32[] calldata bidHashes) external {
        _requireOperator(owner);
        uint48 now_ = clock();
        LeaseId[] memory counted = new LeaseId[](bidHashes.length);
        uint256 count;
        for (uint256 i; i < bidHashes.length; ++i) {
            LeaseId id = BidLib.idOf(owner, bidHashes[i]);
            Lease memory l = _leases[id].unpack();
            // Skipped, not reverted: one client's close must not make the other streams gap (rule 3).
            if (l.state == LeaseState.None || !l.beat(l.elapsed(now_))) continue;
            _leases[id] = l.pack();
            counted[count++] = id;
        }
        assembly ("memory-safe") {
            mstore(counted, count)
        }
        emit Beat(owner, counted);
    }

    /// @inheritdoc IEscrow
    function topUp(bytes32[6] calldata bid, uint32 blocks) external {
        _charge(bid.token(), msg.sender, _fund(bid, blocks));
    }

    /// @inheritdoc IEscrow
    function topUpFromWallet(bytes32[6] calldata bid, uint32 blocks) external {
        _pull(bid.token(), _fund(bid, blocks));
    }

    function _fund(bytes32[6] calldata bid, uint32 blocks) private returns (uint256 cost) {
        (LeaseId id, Lease memory l) = _load(bid);
        uint48 now_ = clock();
        if (l.state == LeaseState.Serving) {
            // Not after the end: a stranger's coin must not turn a finished provider into a silent one (rule 9).
            uint256 end = uint256(l.lastBeat) + (l.funded - l.paid);
            if (l.elapsed(now_) > end) revert Escrow_TooLate(id, uint48(l.mark + end), now_);
        } else if (l.state == LeaseState.Opened || l.state == LeaseState.Running) {
            _requireInTime(id, l, now_);
        } else {
            revert Escrow_WrongState(id, l.state);
        }
        uint256 funded = uint256(l.funded) + blocks;
        if (funded > bid.topUpCap()) revert Escrow_OverCap(id, funded, bid.topUpCap());
        l.funded = uint32(funded);
        _leases[id] = l.pack();
        cost = uint256(bid.ratePerBlock()) * blocks;
        emit ToppedUp(id, msg.sender, blocks, cost);
    }

    /// @inheritdoc IEscrow
    function withdraw(bytes32[6][] calldata bids) external returns (uint256 amount) {
        if (bids.length == 0) return 0;
        address owner = bids[0].owner();
        uint8 token = bids[0].token();
        (, uint96 reserve) = _tokenAndReserve(token);
        for (uint256 i; i < bids.length; ++i) {
            bytes32[6] calldata bid = bids[i];
            if (bid.owner() != owner || bid.token() != token) revert Escrow_MixedBatch(i);
            (LeaseId id, Lease memory l) = _load(bid);
            uint32 blocks = _withdrawable(bid, l, reserve);
            if (blocks == 0) continue; // nothing to take here; the others are served
            l.withdrawn += blocks;
            _leases[id] = l.pack();
            uint256 sum = uint256(bid.ratePerBlock()) * blocks;
            amount += sum;
            emit Withdrawn(id, owner, l.withdrawn, sum);
        }
        if (amount != 0) _pay(token, owner, amount);
    }

    function _withdrawable(bytes32[6] calldata bid, Lease memory l, uint96 reserve)
        private
        pure
        returns (uint32 blocks)
    {
        if (l.state < LeaseState.Running || l.state > LeaseState.Serving) return 0;
        blocks = l.paid - l.withdrawn;
        uint256 rate = bid.ratePerBlock();
        if (l.state == LeaseState.Serving || rate == 0) return blocks;
        // INVARIANT: before a result is final, withdrawn <= bond - reserve.
        uint256 covered = (bid.bond() - reserve) / rate;
        uint256 room = covered > l.withdrawn ? covered - l.withdrawn : 0;
        if (blocks > room) blocks = uint32(room);
    }

    // ----------------------------------------------------------------------------------------------- results

    /// @inheritdoc IEscrow
    function postResult(address owner, bytes32 bidHash_, bytes32 outputRoot) external {
        _requireOperator(owner);
        if (outputRoot == 0) revert Escrow_ZeroResult();
        LeaseId id = BidLib.idOf(owner, bidHash_);
        Lease memory l = _leases[id].unpack();
        // Written once: no state that a posted lease can reach comes back here (rule 8).
        if (l.state != LeaseState.Running && l.state != LeaseState.Closing) revert Escrow_WrongState(id, l.state);
        uint48 now_ = clock();
        _requireInTime(id, l, now_);
        uint32 at_ = l.elapsed(now_);
        l.beat(at_); // posting is a sign of life
        l.state = LeaseState.Posted;
        l.lastBeat = at_;
        _leases[id] = l.pack();
        resultOf[id] = outputRoot;
        emit ResultPosted(id, outputRoot, now_);
    }

    /// @inheritdoc IEscrow
    function finalize(bytes32[6] calldata bid) external {
        (LeaseId id, Lease memory l) = _load(bid);
        if (l.state != LeaseState.Posted) revert Escrow_WrongState(id, l.state);
        // INVARIANT: a result never becomes final while a judge holds it.
        if (l.tally != 0) revert Escrow_Held(id, l.tally);
        _requireOver(id, l, uint256(l.lastBeat) + bid.challengeWindow());
        End memory e;
        e.toOwner = _unpaid(bid, l) + bid.completionFee();
        _end(id, bid, l, LeaseState.Finalized, e);
    }

    // ------------------------------------------------------------------------------------------------ judges

    /// @inheritdoc IJudgeHost
    function freeze(bytes32[6] calldata bid) external {
        (LeaseId id, Lease memory l) = _loadForJudge(bid);
        uint48 now_ = clock();
        uint256 end = uint256(l.lastBeat) + bid.challengeWindow();
        if (l.tally == 0 && l.elapsed(now_) > end) revert Escrow_TooLate(id, uint48(l.mark + end), now_);
        ++l.tally; // 32 bits, checked: shams cannot fill it (rule 11)
        _leases[id] = l.pack();
        emit Frozen(id, l.tally);
    }

    /// @inheritdoc IJudgeHost
    function release(bytes32[6] calldata bid) external {
        (LeaseId id, Lease memory l) = _loadForJudge(bid);
        if (l.tally == 0) revert Escrow_NotHeld(id);
        --l.tally;
        _leases[id] = l.pack();
        emit Released(id, l.tally);
    }

    /// @inheritdoc IJudgeHost
    function convict(bytes32[6] calldata bid, uint256 reward) external returns (uint256) {
        (LeaseId id, Lease memory l) = _loadForJudge(bid);
        if (l.tally == 0) revert Escrow_NotHeld(id);
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

    // -------------------------------------------------------------------------------------------------- ends

    /// @inheritdoc IEscrow
    function closeByClient(bytes32[6] calldata bid) external {
        if (msg.sender != bid.client()) revert Escrow_NotClient(msg.sender, bid.client());
        (LeaseId id, Lease memory l) = _load(bid);
        if (l.state == LeaseState.Opened) {
            End memory e;
            (e.burntDeposit,) = _showUp(bid, l);
            _end(id, bid, l, LeaseState.ClientClosed, e);
        } else if (l.state == LeaseState.Serving) {
            _endService(id, bid, l, LeaseState.ClientClosed);
        } else if (l.state == LeaseState.Running) {
            // Not at once: a result that is on its way wins (rule 5). And never later than it was.
            uint48 now_ = clock();
            uint256 deadline = uint256(l.elapsed(now_)) + l.grace;
            if (deadline >= l.deadline) revert Escrow_TooLate(id, uint48(l.mark) + l.deadline - l.grace, now_);
            l.state = LeaseState.Closing;
            l.deadline = uint32(deadline);
            _leases[id] = l.pack();
            emit Closing(id, now_ + l.grace);
        } else {
            revert Escrow_WrongState(id, l.state);
        }
    }

    /// @inheritdoc IEscrow
    function closeByProvider(bytes32[6] calldata bid) external {
        _requireProvider(bid.owner());
        (LeaseId id, Lease memory l) = _load(bid);
        if (l.state == LeaseState.Opened) {
            End memory e;
            (, e.burntBond) = _showUp(bid, l);
            _end(id, bid, l, LeaseState.ProviderClosed, e);
        } else if (l.state == LeaseState.Serving) {
            _endService(id, bid, l, LeaseState.ProviderClosed);
        } else if (l.state == LeaseState.Running) {
            _endWithoutResult(id, bid, l, LeaseState.ProviderClosed);
        } else {
            revert Escrow_WrongState(id, l.state);
        }
    }

    /// @inheritdoc IEscrow
    function expire(bytes32[6] calldata bid) external {
        (LeaseId id, Lease memory l) = _load(bid);
        if (l.state == LeaseState.Serving) {
            _requireOver(id, l, l.fundsEnd());
            _endService(id, bid, l, LeaseState.RanOut);
        } else if (l.state == LeaseState.Opened) {
            _requireOver(id, l, l.deadline);
            End memory e;
            // Both pay, for nobody can tell whose fault it was (rule 1).
            (e.burntDeposit, e.burntBond) = _showUp(bid, l);
            _end(id, bid, l, LeaseState.StartMissed, e);
        } else if (l.state == LeaseState.Running) {
            _requireOver(id, l, l.deadline);
            _endWithoutResult(id, bid, l, LeaseState.ResultMissed);
        } else if (l.state == LeaseState.Closing) {
            _requireOver(id, l, l.deadline);
            End memory e;
            e.toOwner = _unpaid(bid, l);
            _end(id, bid, l, LeaseState.ClientClosed, e);
        } else {
            revert Escrow_WrongState(id, l.state);
        }
    }

    /// @dev The provider's failure on a job: the advance comes back out of the bond, and a penalty burns (rule 2).
    function _endWithoutResult(LeaseId id, bytes32[6] calldata bid, Lease memory l, LeaseState outcome) private {
        End memory e;
        e.seized = _advance(bid, l);
        uint256 rest = bid.bond() - e.seized;
        uint256 penalty = bid.bond() / PENALTY_DIVISOR;
        e.burntBond = penalty < rest ? penalty : rest;
        _end(id, bid, l, outcome, e);
    }

    /// @dev Each paid block of a service is final; each silence, also one that still lasts, costs part of the bond.
    function _endService(LeaseId id, bytes32[6] calldata bid, Lease memory l, LeaseState outcome) private {
        uint256 gaps = l.tally;
        if (l.isSilent(l.elapsed(clock()))) ++gaps;
        if (gaps > GAPS_TO_ALL) gaps = GAPS_TO_ALL;
        End memory e;
        e.toOwner = _unpaid(bid, l);
        e.burntBond = bid.bond() * gaps / GAPS_TO_ALL;
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
    function _end(LeaseId id, bytes32[6] calldata bid, Lease memory l, LeaseState outcome, End memory e) private {
        uint8 token = bid.token();
        uint256 toClient = _held(bid, l) + e.seized - e.toOwner - e.toJudge - e.burntDeposit;
        l.state = outcome;
        _leases[id] = l.pack();
        if (toClient != 0) _credits[token][bid.client()] += toClient;
        if (e.toOwner != 0) _credits[token][bid.owner()] += e.toOwner;
        if (e.toJudge != 0) _credits[token][msg.sender] += e.toJudge;
        if (e.burntDeposit != 0) burntOf[token] += e.burntDeposit;
        emit Ended(id, outcome, e.toOwner, toClient, e.seized, e.burntDeposit + e.burntBond);
        staking.unlock(bid.owner(), token, bid.bond(), e.seized, e.burntBond);
    }

    // ------------------------------------------------------------------------------------------------ shared

    function _load(bytes32[6] calldata bid) private view returns (LeaseId id, Lease memory l) {
        id = bid.leaseId();
        l = _leases[id].unpack();
    }

    function _loadForJudge(bytes32[6] calldata bid) private view returns (LeaseId id, Lease memory l) {
        address judge = judgeOf[bid.verification()];
        if (msg.sender != judge) revert Escrow_NotJudge(msg.sender, judge);
        (id, l) = _load(bid);
        if (l.state != LeaseState.Posted) revert Escrow_WrongState(id, l.state);
    }

    function _requireInTime(LeaseId id, Lease memory l, uint48 now_) private pure {
        if (l.elapsed(now_) > l.deadline) revert Escrow_TooLate(id, uint48(l.mark) + l.deadline, now_);
    }

    function _requireOver(LeaseId id, Lease memory l, uint256 offset) private view {
        uint48 now_ = clock();
        if (l.elapsed(now_) <= offset) revert Escrow_TooEarly(id, uint48(l.mark + offset), now_);
    }

    /// @dev Refuses a clock that left 40 bits rather than cut it.
    function _mark(uint48 now_) private pure returns (uint40) {
        return SafeCast.toUint40(now_);
    }

    function _held(bytes32[6] calldata bid, Lease memory l) private pure returns (uint256) {
        return uint256(bid.ratePerBlock()) * (l.funded - l.withdrawn) + bid.completionFee();
    }

    function _advance(bytes32[6] calldata bid, Lease memory l) private pure returns (uint256) {
        return uint256(bid.ratePerBlock()) * l.withdrawn;
    }

    function _unpaid(bytes32[6] calldata bid, Lease memory l) private pure returns (uint256) {
        return uint256(bid.ratePerBlock()) * (l.paid - l.withdrawn);
    }

    /// @dev A flat sum plus a part of what the provider could have earned while it waited; but no more than the side
    /// that pays it has in the lease, so that it can always be paid.
    function _showUp(bytes32[6] calldata bid, Lease memory l)
        private
        view
        returns (uint256 client, uint256 provider)
    {
        (uint96 sum, uint16 bps) = _showUpTerms(bid.token());
        uint256 full = sum + uint256(bid.ratePerBlock()) * bid.startDeadline() * bps / 10_000;
        uint256 held = _held(bid, l);
        client = full < held ? full : held;
        provider = full < bid.bond() ? full : bid.bond();
    }

    // ------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IEscrow
    function bidHash(bytes32[6] calldata bid) external pure returns (bytes32) {
        return bid.hash();
    }

    /// @inheritdoc IEscrow
    function bidDigest(bytes32[6] calldata bid) external view returns (bytes32) {
        return _hashTypedDataV4(bid.hash());
    }

    /// @inheritdoc IEscrow
    function leaseIdOf(address owner, bytes32 bidHash_) external pure returns (LeaseId) {
        return BidLib.idOf(owner, bidHash_);
    }

    /// @inheritdoc IEscrow
    function decodeBid(bytes32[6] calldata bid) external pure returns (Bid memory) {
        if (bid.reserved() != 0) revert Escrow_BadBid("reserved");
        return bid.decode();
    }

    /// @inheritdoc IEscrow
    function depositOf(bytes32[6] calldata bid) external pure returns (uint256) {
        return bid.depositOf();
    }

    /// @inheritdoc IEscrow
    function showUpOf(bytes32[6] calldata bid) external view returns (uint256 client, uint256 provider) {
        Lease memory unopened;
        unopened.funded = bid.maxBlocks();
        (, Lease memory l) = _load(bid);
        return _showUp(bid, l.state == LeaseState.None ? unopened : l);
    }

    /// @inheritdoc IEscrow
    function leaseOf(LeaseId id) public view returns (LeaseView memory v) {
        Lease memory l = _leases[id].unpack();
        if (l.state == LeaseState.None) return v;
        bool started = l.state != LeaseState.Opened;
        bool isService = l.deadline == 0;
        bool isPosted = resultOf[id] != 0;
        v.state = l.state;
        v.grace = l.grace;
        if (started) (v.startedAt, v.lastBeat) = (l.mark, uint48(l.mark) + l.lastBeat);
        else v.openedAt = l.mark;
        if (!isService && !isPosted) v.deadline = uint48(l.mark) + l.deadline;
        v.paidBlocks = l.paid;
        v.fundedBlocks = l.funded;
        v.withdrawnBlocks = l.withdrawn;
        if (isService) v.gaps = l.tally;
        else v.freezes = l.tally;
        v.outputRoot = resultOf[id];
    }

    /// @inheritdoc IEscrow
    function leasesOf(LeaseId[] calldata ids) external view returns (LeaseView[] memory views) {
        views = new LeaseView[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            views[i] = leaseOf(ids[i]);
        }
    }

    /// @inheritdoc IEscrow
    function moneyOf(bytes32[6] calldata bid) external view returns (LeaseMoney memory m) {
        (, Lease memory l) = _load(bid);
        uint256 rate = bid.ratePerBlock();
        (, uint96 reserve) = _tokenAndReserve(bid.token());
        m.accrued = rate * l.paid;
        m.withdrawn = rate * l.withdrawn;
        if (l.state == LeaseState.None || l.state > LeaseState.Serving) return m;
        m.held = _held(bid, l);
        m.withdrawable = rate * _withdrawable(bid, l, reserve);
        m.refundable = rate * (l.funded - l.paid);
        if (l.state != LeaseState.Posted) m.refundable += bid.completionFee();
    }

    /// @inheritdoc IEscrow
    function tokens() external view returns (Listing[] memory) {
        return _listings();
    }

    /// @inheritdoc IEscrow
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}
