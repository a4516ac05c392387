// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Case, Conviction, DisputeTerms, Game, Job, Phase} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseId, LeaseState} from "../../src/types/Types.sol";
import {GameCalls, Opening, Tracing} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice disputeOpening.tree: `challenge` and `trace`.
contract DisputeOpeningTest is GamePlay {
    using GameCalls for *;

    uint256 private constant MOST = ((1 << 42) - 1) * 1 gwei;

    function _refused(Opening memory a, bytes memory why) private {
        uint256 value = bond();
        no(CHALLENGER, value, a.data(), why);
    }

    function test_Challenge() public {
        open(COPY);
        Game memory g = now_();
        inPhase(Phase.Trace);
        eq(g.openedAt, block.number - 1, "opened");
        eq(g.providerLeft, MOVE_CLOCK + 10, "one trace owed");
        eq(g.challengerLeft, MOVE_CLOCK, "the challenger's clock");
        eq(uint256(g.bond) * 1 gwei, address(disputes).balance, "the bond");
        eq(g.levels, 6, "levels of the trace");
        eq(view_(bid).freezes, 1, "held");
    }

    function test_AnotherJob() public {
        Opening memory a = opening();
        a.job.items = 5;
        _refused(a, with(IDisputeEvents.Disputes_WrongJob.selector, jobHashOf(a.job)));
    }

    function test_NoSuchItem() public {
        Opening memory a = opening();
        a.item = 4;
        _refused(a, with(IDisputeEvents.Disputes_NoItem.selector, 4, 4));
    }

    function test_NotUnderTheResult() public {
        Opening memory a = opening();
        a.itemRoot = any(0);
        _refused(a, with(IDisputeEvents.Disputes_BadProof.selector));
        a = opening();
        a.item = 1;
        _refused(a, with(IDisputeEvents.Disputes_BadProof.selector));
        a = opening();
        a.proof = new bytes32[](3);
        _refused(a, with(IDisputeEvents.Disputes_Count.selector, 2, 3));
        // The result itself is no item of it.
        (, a.itemRoot) = upFrom(items, 0);
        a.proof = new bytes32[](0);
        _refused(a, with(IDisputeEvents.Disputes_Count.selector, 2, 0));
    }

    function with(bytes4 error_) private pure returns (bytes memory) {
        return abi.encodeWithSelector(error_);
    }

    function test_Twice() public {
        open(COPY);
        _refused(opening(), with(IDisputeEvents.Disputes_GameExists.selector, game));
        trace();
        does(me, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        _refused(opening(), with(IDisputeEvents.Disputes_GameExists.selector, game));
    }

    function test_Bond() public {
        uint256 needed = bond();
        (me, seal) = (CHALLENGER, any(77));
        bytes memory data = opening().data();
        no(me, needed - 1, data, with(IDisputeEvents.Disputes_BondTooLow.selector, needed, needed - 1));
        no(me, needed + 1, data, with(IDisputeEvents.Disputes_BondNotWhole.selector, needed + 1));
        vm.deal(me, MOST + 1 ether);
        bytes memory tooHigh = with(IDisputeEvents.Disputes_BondTooHigh.selector, MOST, MOST + 1 gwei);
        no(me, MOST + 1 gwei, data, tooHigh);
        openSealed(needed);
        eq(uint256(now_().bond) * 1 gwei, needed, "exactly what is needed");
        seal = any(78);
        openSealed(MOST);
        eq(uint256(now_().bond) * 1 gwei, MOST, "and the most");
    }

    /// Gas of a long game's answers at the base fee of the block, four times; and the price of one item.
    function testFuzz_BondOf(uint64 baseFee, uint32 items_) public {
        uint256 many = bound(items_, 1, 1 << 20);
        vm.fee(bound(baseFee, 0, 1e12));
        uint256 item = (uint256(RATE) * 200 + FEE) / many;
        uint256 least = 4 * 700_000 * block.basefee + item * 1e12 / 1 ether;
        uint256 asked = disputes.bondOf(bid, many);
        yes(asked >= least && asked - least < 1 gwei && asked % 1 gwei == 0, "rounded up to gwei");
    }

    function test_NotPosted() public {
        Bid memory b = leaseBid();
        b.capacityNonce = 50;
        Opening memory a = opening();
        a.bid = openAndStart(b);
        _refused(
            a, abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(a.bid), LeaseState.Running)
        );
        a.bid[4] ^= bytes32(uint256(1));
        _refused(
            a, abi.encodeWithSelector(IEscrowCore.Escrow_WrongState.selector, idOf(a.bid), LeaseState.None)
        );
    }

    function test_UntilTheWindowEnds() public {
        uint256 last = block.number - 1 + 50;
        vm.roll(last + 1);
        _refused(
            opening(),
            abi.encodeWithSelector(IEscrowCore.Escrow_TooLate.selector, case_.leaseId, last, last + 1)
        );
        vm.roll(last);
        open(COPY);
        inPhase(Phase.Trace);
    }

    function test_FinalAndOtherKinds() public {
        Bid memory b = leaseBid();
        (b.capacityNonce, b.verification) = (50, 0);
        (, bytes32 outputRoot) = upFrom(items, 0);
        Opening memory a = opening();
        a.bid = posted(b, outputRoot);
        _refused(a, abi.encodeWithSelector(IEscrowCore.Escrow_NotJudge.selector, address(disputes), 0));
        skip(60);
        escrow.finalize(bid);
        a = opening();
        _refused(
            a,
            abi.encodeWithSelector(
                IEscrowCore.Escrow_WrongState.selector, case_.leaseId, LeaseState.Finalized
            )
        );
    }

    // ------------------------------------------------------------------------------------------------ clocks

    /// What the provider needs for all traces that it owes, but at most six times what the job took (40 blocks).
    function test_TraceClock() public {
        for (uint256 owed = 1; owed <= 26; ++owed) {
            (me, seal) = (CHALLENGER, any(owed));
            openSealed(bond());
            uint256 wanted = 10 * owed < 240 ? 10 * owed : 240;
            eq(now_().providerLeft, MOVE_CLOCK + wanted, "clock of the trace");
        }
    }

    function test_AKnownTraceIsNotAskedForAgain() public {
        open(COPY);
        trace();
        openAs(PRODUCT, STRANGER, SALT);
        inPhase(Phase.Pick);
        le(MOVE_CLOCK + 1, now_().providerLeft, "but time to compute it again");
        eq(now_().position, _hashOf(disputes.traceOf(case_)), "at the root, answered by nobody yet");
        eq(now_().tag, uint48(uint256(now_().position)), "tagged");
    }

    function _hashOf(bytes32 root) private pure returns (bytes32) {
        return keccak256(abi.encode(root, bytes32(0), bytes32(0), address(0)));
    }

    /// A tape whose nodes all are outputs has an empty trace.
    function test_NothingToTrace() public {
        (job.program.nodes, job.program.outputs) = (2, 2);
        Bid memory b = leaseBid();
        b.capacityNonce = 50;
        (, bytes32 outputRoot) = upFrom(items, 0);
        bid = posted(b, outputRoot);
        case_ = caseOf(bid, ITEM, items[ITEM]);
        (me, seal) = (CHALLENGER, any(3));
        openSealed(bond());
        inPhase(Phase.Pick);
        eq(now_().levels, 0, "levels");
        eq(now_().position, _hashOf(0), "no root");
    }

    // ------------------------------------------------------------------------------------------------- trace

    function test_Trace() public {
        open(COPY);
        skip(5);
        trace();
        inPhase(Phase.Pick);
        (, bytes32 root) = upFrom(roots, 0);
        eq(disputes.traceOf(case_), root, "root");
        eq(now_().shown, 5, "levels shown");
        eq(now_().providerLeft, MOVE_CLOCK, "the long clock was for the trace alone");
    }

    function test_TraceByAnother() public {
        open(COPY);
        bytes memory data = tracing().data();
        no(STRANGER, data, with(IDisputeEvents.Disputes_NotProvider.selector, STRANGER));
        no(OWNER, data, with(IDisputeEvents.Disputes_NotProvider.selector, OWNER));
        Tracing memory a = tracing();
        a.bidHash = any(0);
        bytes32 found = bytes32(abi.encode(escrow.leaseIdOf(OWNER, a.bidHash)));
        no(operator, a.data(), with(IDisputeEvents.Disputes_WrongLease.selector, found));
        a = tracing();
        a.owner = STRANGER; // no provider
        found = bytes32(abi.encode(escrow.leaseIdOf(STRANGER, a.bidHash)));
        no(operator, a.data(), with(IDisputeEvents.Disputes_WrongLease.selector, found));
    }

    function test_TraceThroughAWallet() public {
        open(COPY);
        bytes memory data = tracing().data();
        vm.prank(operator, STRANGER); // not the transaction's own key
        (bool ok, bytes memory answer) = address(disputes).call(data);
        yes(!ok, "refused");
        eq(keccak256(answer), keccak256(with(IDisputeEvents.Disputes_NotPlain.selector, operator)), "why");
        vm.etch(operator, abi.encodePacked(hex"ef0100", address(disputes))); // a key that stands for a contract
        no(operator, data, with(IDisputeEvents.Disputes_NotPlain.selector, operator));
    }

    function test_TraceOfAnotherLength() public {
        open(COPY);
        Tracing memory a = tracing();
        a.children = proof(1, 31);
        no(operator, a.data(), with(IDisputeEvents.Disputes_Count.selector, 32, 31));
        a.children = proof(1, 64);
        no(operator, a.data(), with(IDisputeEvents.Disputes_Count.selector, 32, 64));
        a.children = new bytes32[](0);
        no(operator, a.data(), with(IDisputeEvents.Disputes_Count.selector, 32, 0));
    }

    function test_SecondTraceIsTheFirst() public {
        open(COPY);
        bytes32 first = seal;
        openAs(PRODUCT, STRANGER, SALT);
        trace();
        (me, seal, game) = (CHALLENGER, first, gameId(case_, CHALLENGER, first));
        Tracing memory a = tracing();
        a.children[7] = any(0);
        no(operator, a.data(), with(IDisputeEvents.Disputes_BadProof.selector));
        trace();
        inPhase(Phase.Pick);
    }

    /// The lease's word holds one item's trace; another's has its own.
    function test_TraceOfAnotherItem() public {
        open(COPY);
        trace();
        bytes32 first = disputes.traceOf(case_);
        Case memory other = caseOf(bid, 1, items[1]);
        Opening memory o = opening();
        (o.item, o.itemRoot) = (1, items[1]);
        (o.proof,) = upFrom(items, 1);
        uint256 value = bond();
        vm.deal(STRANGER, 2 * value);
        for (uint256 i; i < 2; ++i) {
            o.seal = any(i);
            eq(disputes.traceOf(other), 0, "not known from the first item's");
            as_(STRANGER);
            (bool ok,) = address(disputes).call{value: value}(o.data());
            yes(ok, "opened");
        }
        Tracing memory a = tracing();
        (a.case_, a.challenger, a.seal, a.children) = (other, STRANGER, any(0), proof(900, 32));
        does(operator, a.data());
        (, bytes32 root) = upFrom(a.children, 0);
        eq(disputes.traceOf(other), root, "its own");
        eq(disputes.traceOf(case_), first, "the first stands");
        (a.seal, a.children[0]) = (any(1), any(7));
        no(operator, a.data(), with(IDisputeEvents.Disputes_BadProof.selector));
    }

    /// A sentence takes the trace's place: who answers then answers nobody, and no game begins.
    function test_TraceOnceConvicted() public {
        openAs(PRODUCT, STRANGER, SALT);
        (bytes32 his, bytes32 hisGame) = (seal, game);
        convict(COPY);
        eq(disputes.traceOf(case_), 0, "gone");
        yes(disputes.verdictOf(case_.leaseId).how == Conviction.Proven, "for the sentence");
        (me, seal, game) = (STRANGER, his, hisGame);
        bytes32 lease = LeaseId.unwrap(case_.leaseId);
        no(operator, tracing().data(), with(IDisputeEvents.Disputes_Convicted.selector, lease));
        (me, seal) = (CHALLENGER, any(9));
        uint256 value = bond();
        no(me, value, opening().data(), with(IDisputeEvents.Disputes_Convicted.selector, lease));
    }
}

/// @notice The same on a chain whose coin is cheap: an item is worth more of it than a game can hold.
contract DisputeDearItemTest is GamePlay {
    using GameCalls for *;

    uint256 private constant MOST = ((1 << 42) - 1) * 1 gwei;

    function disputeTerms() internal pure override returns (DisputeTerms memory t) {
        t = super.disputeTerms();
        t.coinPrices[0] = 1_000_000 ether;
    }

    function test_AChallengeIsAlwaysPossible() public {
        eq(bond(), MOST, "as much as a game can hold");
        (me, seal) = (CHALLENGER, any(77));
        vm.deal(me, MOST);
        bytes memory low =
            abi.encodeWithSelector(IDisputeEvents.Disputes_BondTooLow.selector, MOST, MOST - 1 gwei);
        no(me, MOST - 1 gwei, opening().data(), low);
        openSealed(MOST);
        eq(uint256(now_().bond) * 1 gwei, MOST, "and no more");
    }
}
