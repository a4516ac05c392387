// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeEvents} from "../../src/interfaces/IDisputeEvents.sol";
import {IEscrowCore} from "../../src/interfaces/IEscrowCore.sol";
import {Conviction, Game, Phase, Position} from "../../src/types/DisputeTypes.sol";
import {Bid, LeaseState} from "../../src/types/Types.sol";
import {Claiming, GameCalls, Jumping, Landing, Opening, Running, Tracing} from "../base/GameCalls.sol";
import {GamePlay} from "../base/GamePlay.sol";
import {vm} from "../base/Vm.sol";

/// @notice One attack, one test: the rules that concern the game, each played as the attacker would.
contract DisputeRulesTest is GamePlay {
    using GameCalls for *;

    address private constant CHEAT = address(0xC4EA7);

    function _timeout(address who, bytes32 seal_) private {
        does(STRANGER, abi.encodeCall(disputes.timeout, (bid, case_, who, seal_)));
    }

    function _settle() private {
        vm.roll(uint256(disputes.verdictOf(case_.leaseId).since) + CLAIM_PERIOD + 1);
        disputes.settle(bid);
    }

    function _play(address who, bytes32 seal_) private {
        (me, seal, game) = (who, seal_, gameId(case_, who, seal_));
    }

    // --------------------------------------------------------------------------------------------- silence

    /// A challenged cheat opens a game against himself and stays silent, for a small penalty.
    function test_Rule06_CheapExitBySilence() public {
        openAs(COPY, CHEAT, "idle");
        bytes32 his = seal;
        openAs(COPY, CHALLENGER, SALT);
        (bytes32 honest, uint256 held) = (seal, uint256(now_().bond) * 1 gwei);
        skip(60);
        _timeout(CHEAT, his);
        does(CHALLENGER, abi.encodeCall(disputes.claimSilence, (case_, honest)));
        _settle();
        inState(bid, LeaseState.Convicted);
        eq(stakeOf(OWNER).staked, 900 ether, "the whole bond");
        eq(credits(CLIENT), 5_000 ether, "the client is whole");
        (uint256 coin, uint256 reward) = collect(CHALLENGER, honest);
        eq(coin, held, "bond back");
        eq(reward, RESERVE / 4, "gas back");
    }

    // ---------------------------------------------------------------------------------------- equivocation

    function test_Rule08_TwoTraces() public {
        open(COPY);
        bytes32 first = seal;
        openAs(PRODUCT, STRANGER, SALT);
        trace();
        bytes32 root = disputes.traceOf(case_);
        _play(CHALLENGER, first);
        roots[SOURCE] = any(666); // the same item, told otherwise
        no(operator, tracing().data(), abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector));
        eq(disputes.traceOf(case_), root, "written once");
    }

    /// The root of a trace of one node is not hashed on chain: a provider could make up one that reads as a sentence, and so
    /// end its lease's games by itself; or zero, which reads as none.
    function test_Rule08_ATraceThatReadsAsASentence() public {
        (job.program.nodes, job.program.outputs) = (2, 1);
        (, bytes32 outputRoot) = upFrom(items, 0);
        Bid memory b = leaseBidOf(51);
        bid = posted(b, outputRoot);
        case_ = caseOf(bid, ITEM, items[ITEM]);
        (me, seal) = (CHALLENGER, any(3));
        openSealed(bond());
        Tracing memory a;
        (a.owner, a.bidHash, a.case_, a.challenger, a.seal) = (OWNER, escrow.bidHash(bid), case_, me, seal);
        a.children = new bytes32[](1);
        bytes memory why = abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector);
        no(operator, a.data(), why);
        for (uint256 bit; bit < 64; ++bit) {
            a.children[0] = bytes32(uint256(any(4)) | 1 << bit);
            no(operator, a.data(), why);
        }
        a.children[0] = any(4);
        does(operator, a.data());
        eq(disputes.traceOf(case_), any(4), "an honest one is taken");
    }

    /// A pick that was signed for a state that a re-organisation removed.
    function test_Rule08_ReplayedPick() public {
        toLanded(COPY);
        uint256 fork = vm.snapshotState();
        reveal();
        bytes memory signed = picking(0);
        uint48 tag = now_().tag;
        vm.revertToState(fork);
        // On the other branch the operator was replaced, and the new one answers.
        address next = address(0x0FF1CE);
        vm.prank(OWNER);
        escrow.register(next, "again");
        does(next, abi.encodeCall(disputes.adopt, (OWNER, escrow.bidHash(bid), case_, me, seal, here)));
        does(next, revealing().data());
        no(me, signed, abi.encodeWithSelector(IDisputeEvents.Disputes_OtherState.selector, now_().tag, tag));
    }

    // --------------------------------------------------------------------------------------------- bricking

    /// Shams fill no counter, and nothing iterates over them.
    function test_Rule11_ManyShams() public {
        for (uint256 i; i < 300; ++i) {
            _play(CHEAT, any(i));
            openSealed(bond());
            vm.roll(block.number - 1);
        }
        eq(view_(bid).freezes, 300, "all are counted");
        trace();
        does(CHEAT, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        eq(view_(bid).freezes, 299, "one less");
        openAs(OUTPUT, CHALLENGER, SALT);
        here.operator = address(0);
        landOnOutput();
        bytes memory data = proving().data();
        uint256 before = gasleft();
        does(CHALLENGER, data);
        le(before - gasleft(), 500_000, "as with one game");
        skip(CLAIM_PERIOD + 1);
        before = gasleft();
        disputes.settle(bid);
        le(before - gasleft(), 500_000, "as with one game");
    }

    // ------------------------------------------------------------------------------------------------ coin

    /// A provider that tips its own block builder gains nothing; one that pays little gets what it pays.
    function test_Rule12_TippedRepayment() public {
        uint256 fixed_ = 41_000 + 40_000 + 32 * 1_100;
        open(COPY);
        uint256 fork = vm.snapshotState();
        vm.deal(operator, 0);
        uint256[3] memory prices = [uint256(1 gwei), 2 gwei, 1_000 gwei];
        uint256[3] memory repaid = [uint256(1 gwei), 2 gwei, 2 gwei]; // base fee and tip are 1 gwei each
        for (uint256 i; i < 3; ++i) {
            uint256 had = operator.balance;
            vm.txGasPrice(prices[i]);
            trace();
            eq(operator.balance - had, fixed_ * repaid[i], "repaid");
            vm.revertToState(fork);
            vm.deal(operator, 0);
        }
    }

    /// Fifty shams at once leave a poor key what it had, whatever its answers cost; a rich one is let down to one game's
    /// bond, and no further than an answer below.
    function test_Rule12_FiftyShamsDrainNoPurse() public {
        uint256 held = bond();
        uint256 answer = (41_000 + 40_000 + 32 * 1_100) * 1 gwei;
        for (uint256 i; i < 50; ++i) {
            _play(CHEAT, any(i));
            openSealed(held);
            vm.roll(block.number - 1);
        }
        skip(1);
        uint256 fork = vm.snapshotState();
        _answerAll(answer, answer);
        vm.revertToState(fork);
        _answerAll(held + 3 * answer, held - 3 * answer);
        le(operator.balance, held, "it was let down");
    }

    function _answerAll(uint256 purse, uint256 least) private {
        vm.deal(operator, purse);
        node = 0;
        for (uint256 i; i < 50; ++i) {
            _play(CHEAT, any(i));
            _spend(41_000 + (i == 0 ? uint256(40_000) : 20_000) + 32 * 1_100);
            trace();
            le(least, operator.balance, "after a trace");
            pick(0);
            _spend(41_000 + (2 + 5) * 1_100);
            reveal();
            le(least, operator.balance, "after an answer");
        }
    }

    /// @dev Gas is taken from a key before its call runs.
    function _spend(uint256 gasUnits) private {
        vm.deal(operator, operator.balance - gasUnits * 1 gwei);
    }

    /// The bond is enough for a whole long game's answers at four times the base fee.
    function test_Rule12_GasSpike() public {
        node = LONG;
        vm.deal(operator, 0);
        open(LONG);
        vm.fee(4 gwei);
        vm.txGasPrice(4 gwei);
        trace();
        pick(LONG >> 1);
        reveal();
        land();
        downToLeaves();
        does(me, naming().data());
        running();
        does(me, abi.encodeCall(disputes.span, (caseId(), seal, now_().tag, 1)));
        runningOfSpan();
        yes(now_().bond != 0, "every answer was repaid in full");
    }

    // ---------------------------------------------------------------------------------------------- clocks

    /// Sham games give the provider time for all their traces, but no more than six times what the job took.
    function test_Rule13_ShamsDelayWithABound() public {
        for (uint256 i; i < 50; ++i) {
            _play(CHEAT, any(i));
            openSealed(bond());
            vm.roll(block.number - 1);
        }
        open(COPY);
        eq(now_().providerLeft, MOVE_CLOCK + 6 * 40, "bounded");
        skip(uint256(now_().movedAt) + now_().providerLeft - block.number + 1);
        _timeout(CHALLENGER, seal);
        inPhase(Phase.Won);
    }

    /// Honest, but slow: challenged about many items at once, it has the allowance for each.
    function test_Rule13_HonestButSlow() public {
        for (uint256 i; i < 10; ++i) {
            _play(CHEAT, any(i));
            openSealed(bond());
            vm.roll(block.number - 1);
        }
        for (uint256 i; i < 10; ++i) {
            _play(CHEAT, any(i));
            eq(now_().providerLeft, MOVE_CLOCK + 10 * (i + 1), "time for all that were open");
        }
        skip(MOVE_CLOCK + 100);
        trace();
        inPhase(Phase.Pick);
    }

    /// A losing challenger pays the price of an item, whatever gas costs.
    function test_Rule13_ShamsPayForTheItem() public {
        vm.fee(0);
        vm.txGasPrice(0);
        node = COPY;
        toPick();
        skip(100);
        _timeout(me, seal);
        uint256 item = (uint256(RATE) * 200 + FEE) / 4;
        le(item * 1e12 / 1 ether, disputes.coinOf(OWNER), "the item's price");
    }

    /// Every move one block before the clock ends, on both sides: the honest side still wins, in bounded time.
    function test_Rule15_MovesInTheLastBlock() public {
        open(COPY);
        uint256 opened = block.number;
        _wait();
        trace();
        _wait();
        pick(COPY >> 1);
        for (uint256 i; i < 2; ++i) {
            _wait();
            reveal();
            _wait();
            if (i == 0) land();
            else pick(0);
        }
        _wait();
        revealLeaves(0);
        _wait();
        does(me, proving().data());
        inPhase(Phase.Won);
        uint256 moves = 4; // each side's
        le(block.number - opened, 2 * (MOVE_CLOCK + moves * INCREMENT) + 10, "bounded by both clocks");
    }

    function _wait() private {
        Game memory g = now_();
        bool providers = g.phase == Phase.Trace || g.phase == Phase.Reveal;
        skip(uint256(g.movedAt) + (providers ? g.providerLeft : g.challengerLeft) - block.number);
    }

    // --------------------------------------------------------------------------------------------- the game

    /// Running values that are all true but do not fold to the element: there is no way to show them.
    function test_Rule17_FoldMustBeTheElement() public {
        toChain(PRODUCT);
        bytes memory read = bytes.concat(leaf(50), leaf(51));
        bytes memory all;
        uint256 value;
        for (uint256 i; i < 16; ++i) {
            (value,) = referee.step(headerOf(PRODUCT), ELEMENT, i, i % 8 == 0 ? 0 : value, read);
            all = bytes.concat(all, bytes4(uint32(value)));
        }
        Running memory a = runningArgs();
        a.values = all;
        as_(operator);
        (bool ok, bytes memory why) = address(disputes).call(a.data());
        yes(!ok && bytes4(why) == IDisputeEvents.Disputes_BadFold.selector, "no answer");
        skip(100);
        _timeout(me, seal);
        yes(disputes.verdictOf(case_.leaseId).how == Conviction.Silent, "silence convicts");
    }

    /// Values that fold to the element, one of them false: the segment is shown to be.
    function test_Rule17_AFalseSegment() public {
        toChain(PRODUCT);
        running();
        does(me, segmentArgs(FALSE_SEGMENT).data());
        inPhase(Phase.Won);
    }

    /// A wrong depth or shape would leave an honest provider without an answer: nobody can land on one.
    function test_Rule18_WrongShapes() public {
        toNode(PRODUCT);
        Landing memory a = landing();
        a.header = headerOf(LONG);
        no(me, a.data(), abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector));
        (a.headerProof,) = upFrom(nodeHashes, LONG); // its own proof, as another node
        no(me, a.data(), abi.encodeWithSelector(IDisputeEvents.Disputes_BadProof.selector));
        a = landing();
        a.node = 70; // beyond the tape, within its tree's padding
        no(me, a.data(), with(IDisputeEvents.Disputes_NoNode.selector, 70));
        a.job.program.nodes = 128;
        no(me, a.data(), with(IDisputeEvents.Disputes_WrongJob.selector, case_.jobHash));
        Opening memory o = opening();
        (o.item, o.itemRoot) = (4, bytes32(0));
        no(me, bond(), o.data(), with(IDisputeEvents.Disputes_NoItem.selector, 4, 4));
    }

    /// What lies outside a shape is zero by definition: garbage there convicts, honest zeros do not.
    function test_Rule18_GarbageBeyondTheShape() public {
        toLanded(RAGGED);
        no(me, provingOutside(9, 3).data(), with(IDisputeEvents.Disputes_StepIsTrue.selector, uint256(0)));
        does(me, provingOutside(11, 127).data());
        inPhase(Phase.Won);
    }

    /// The honest provider of a game that asks nonsense has a legal answer at every place.
    function test_Rule18_EveryPickHasAnAnswer() public {
        node = 0;
        toPick();
        for (uint256 i; i < 32; i += 31) {
            openAs(2 * i, address(uint160(0xE000 + i)), SALT);
            Jumping memory a = jumping();
            does(me, a.data());
            here = Position(a.node, 0, leftOf(0, a.index, a.siblings), operator);
            Position memory unadopted = here;
            unadopted.operator = address(0);
            does(
                operator,
                abi.encodeCall(disputes.adopt, (OWNER, escrow.bidHash(bid), case_, me, seal, unadopted))
            );
            bytes32[] memory two = part(roots, 2 * i, 2);
            does(operator, abi.encodeCall(disputes.reveal, (game, 0, here.left, two, new bytes32[](0))));
            inPhase(Phase.Pick);
        }
    }

    // ------------------------------------------------------------------------------------------ stolen reward

    /// Somebody copies an opening from the mempool: the seal is of another challenger.
    function test_Rule22_CopiedOpening() public {
        open(COPY);
        bytes32 honest = seal;
        _play(CHEAT, honest);
        openSealed(bond());
        _play(CHALLENGER, honest);
        trace();
        _play(CHEAT, honest);
        trace();
        pick(5);
        _play(CHALLENGER, honest);
        uint256 landedAt = _win();
        no(CHEAT, claiming(COPY, landedAt).data(), _noGame(CHEAT, COPY));
        does(CHALLENGER, claiming(COPY, landedAt).data());
        _settle();
        (, uint256 reward) = collect(CHALLENGER, honest);
        eq(reward, 30 ether, "all of it");
    }

    function _noGame(address who, uint256 node_) private view returns (bytes memory) {
        bytes32 his = gameId(case_, who, sealFor(node_, who, SALT));
        return abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, his, Phase.None);
    }

    /// @dev From the root of the trace to the conviction of a copying node.
    function _win() private returns (uint256 landedAt) {
        here = Position(disputes.traceOf(case_), 0, 0, operator);
        facts = 0;
        pick(COPY >> 1);
        reveal();
        landedAt = block.number;
        land();
        does(me, proving().data());
        inPhase(Phase.Won);
        skip(1);
    }

    /// Somebody copies a final proof into the same block, with a game opened for it just now.
    function test_Rule22_CopiedProof() public {
        toLanded(OUTPUT);
        (bytes32 honest, Position memory spot, uint256 site) = (seal, here, facts);
        vm.roll(block.number - 1);
        openAs(OUTPUT, CHEAT, SALT);
        vm.roll(block.number - 1);
        landOnOutput();
        vm.roll(block.number - 1);
        no(CHEAT, proving().data(), with(IDisputeEvents.Disputes_TooYoung.selector, game));
        _play(CHALLENGER, honest);
        (here, facts) = (spot, site);
        does(CHALLENGER, proving().data());
        skip(1);
        // His game is as old as the conviction: that is too late for a claim too.
        Claiming memory a = claiming(OUTPUT, uint256(uint32(site)));
        vm.prank(CHEAT);
        (bool ok,) = address(disputes).call(a.data());
        yes(!ok, "no share");
    }

    /// Once the place is public, a seal for it is worth nothing: in a chain from the landing on, else from the conviction.
    function test_Rule22_SealedTooLate() public {
        toLanded(PRODUCT);
        (bytes32 honest, Position memory spot, uint256 site) = (seal, here, facts);
        uint256 landedAt = block.number - 1;
        vm.roll(landedAt);
        openAs(PRODUCT, CHEAT, SALT); // in the block of the landing
        does(CHEAT, jumping().data());
        uint256 late = now_().openedAt;
        _play(CHALLENGER, honest);
        (here, facts) = (spot, site);
        downToLeaves();
        does(me, naming().data());
        running();
        does(me, segmentArgs(FALSE_SEGMENT).data());
        skip(1);
        bytes memory why = abi.encodeWithSelector(
            IDisputeEvents.Disputes_NotOpenedInTime.selector, uint32(late), uint32(landedAt)
        );
        no(CHEAT, claiming(PRODUCT, landedAt).data(), why);
        does(CHALLENGER, claiming(PRODUCT, landedAt).data());
    }

    function test_Rule22_SealedAfterTheConviction() public {
        toLanded(COPY);
        uint256 landedAt = block.number - 1;
        bytes memory proof_ = proving().data();
        openAs(COPY, CHEAT, SALT);
        vm.roll(block.number - 1);
        uint256 late = now_().openedAt;
        does(CHALLENGER, proof_);
        skip(1);
        does(CHEAT, jumping().data());
        bytes memory why = abi.encodeWithSelector(
            IDisputeEvents.Disputes_NotOpenedInTime.selector, uint32(late), uint32(late)
        );
        no(CHEAT, claiming(COPY, landedAt).data(), why);
    }

    /// Fifty sham games before an honest one and fifty after it, opened to lose on purpose or to share: they cannot take
    /// the honest one's gas from it, cannot keep it from winning, and those that never move earn nothing.
    function test_Rule22_FiftyShams() public {
        _shams(0);
        openAs(COPY, CHALLENGER, SALT);
        (bytes32 honest, uint256 held) = (seal, uint256(now_().bond) * 1 gwei);
        trace();
        _shams(50);
        for (uint256 i; i < 10; ++i) {
            _play(CHEAT, sealFor(COPY, CHEAT, bytes32(50 + i))); // the trace is known: these could pick
            does(CHEAT, abi.encodeCall(disputes.resign, (bid, case_, seal)));
        }
        _play(CHALLENGER, honest);
        uint256 landedAt = _win();
        Claiming memory a = claiming(COPY, landedAt);
        a.salt = bytes32(uint256(7));
        no(CHEAT, a.data(), _idle(7, Phase.Trace));
        a.salt = bytes32(uint256(70));
        no(CHEAT, a.data(), _idle(70, Phase.Pick));
        a.salt = bytes32(uint256(50));
        no(CHEAT, a.data(), _idle(50, Phase.Lost));
        does(CHALLENGER, claiming(COPY, landedAt).data());
        _settle();
        (uint256 coin, uint256 reward) = collect(CHALLENGER, honest);
        le(held - coin, 1 ether, "what its answers cost");
        eq(reward, 30 ether, "all of it");
        eq(credits(CLIENT), 5_000 ether, "the client is whole");
    }

    function _shams(uint256 first) private {
        for (uint256 i = first; i < first + 50; ++i) {
            openAs(COPY, CHEAT, bytes32(i));
            vm.roll(block.number - 1);
        }
        skip(1);
    }

    function _idle(uint256 salt, Phase phase) private view returns (bytes memory) {
        bytes32 his = gameId(case_, CHEAT, sealFor(COPY, CHEAT, bytes32(salt)));
        return abi.encodeWithSelector(IDisputeEvents.Disputes_WrongPhase.selector, his, phase);
    }

    /// A cheat convicts himself in a game that he opened first; who sealed before has its share all the same.
    function test_Rule22_SelfConviction() public {
        openAs(COPY, CHEAT, SALT);
        bytes32 his = seal;
        trace();
        openAs(COPY, CHALLENGER, SALT);
        bytes32 honest = seal;
        does(me, jumping().data());
        _play(CHEAT, his);
        uint256 landedAt = _win();
        does(CHEAT, claiming(COPY, landedAt).data());
        does(CHALLENGER, claiming(COPY, landedAt).data());
        _settle();
        (, uint256 gain) = collect(CHEAT, his);
        (, uint256 reward) = collect(CHALLENGER, honest);
        eq(reward, 10 ether, "half of what is left after the convicting game's gas");
        le(gain, (1_000 ether - stakeOf(OWNER).staked) / 2, "he burns more than he gets");
    }

    // ---------------------------------------------------------------------------------------- private leases

    function test_Rule23_PrivateJobs() public {
        address[] memory list = new address[](2);
        (list[0], list[1]) = (address(0xDE1), address(0xDE2));
        Bid memory b = leaseBidOf(50);
        (b.flags, b.delegates) = (1, keccak256(abi.encodePacked(list[0], list[1])));
        (, bytes32 outputRoot) = upFrom(items, 0);
        bid = posted(b, outputRoot);
        case_ = caseOf(bid, ITEM, items[ITEM]);
        uint256 value = bond();
        vm.deal(STRANGER, value);
        bytes memory why = with(IDisputeEvents.Disputes_Private.selector, STRANGER);
        Opening memory a = opening();
        no(STRANGER, value, a.data(), why);
        a.delegates = list;
        no(STRANGER, value, a.data(), why); // not on the list
        a.delegates = new address[](1);
        a.delegates[0] = STRANGER;
        no(STRANGER, value, a.data(), why); // on a list of his own
        a.delegates = new address[](3);
        (a.delegates[0], a.delegates[1], a.delegates[2]) = (list[0], list[1], STRANGER);
        no(STRANGER, value, a.data(), why);
        vm.deal(list[1], value);
        a.delegates = list;
        as_(list[1]);
        (bool ok,) = address(disputes).call{value: value}(a.data());
        yes(ok, "a delegate may");
        vm.deal(CLIENT, value);
        a.delegates = new address[](0);
        as_(CLIENT);
        (ok,) = address(disputes).call{value: value}(a.data());
        yes(ok, "the client may");
    }
}
